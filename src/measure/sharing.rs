//! How many come back to each key: its networks by the days on which they used it, over four weeks.
//!
//! Looked at once a day, from what is known of the users of keys anyway: lines cost nothing.

use hashbrown::HashMap;
use serde::{Deserialize, Serialize};

use crate::event::Id;
use crate::measure::least::all_but;

/// Networks of a key that are followed. A key with more is in everybody's hands.
const MEMBERS: usize = 48;
/// Days that are remembered, and of a week.
const DAYS: u32 = 28;
const WEEK: u32 = 7;
/// Days of a week on which somebody must come to be one who comes back.
const STEADY: u32 = 3;
/// Keys are never fewer or more than this, however much memory there is.
const MOST: (usize, usize) = (64, 20_000);
/// Bytes of a key, and of a network.
const KEY_BYTES: usize = 72;
const MEMBER_BYTES: usize = size_of::<Member>();

/// A network that uses a key.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
struct Member {
    network: u32,
    /// The days on which it came, a bit each, the newest lowest.
    days: u32,
    /// The local day on which it was met.
    first: i32,
}

impl Member {
    /// Whether it came back in the week that ended so many weeks ago.
    fn is_steady(self, weeks_ago: u32) -> bool {
        (self.days >> (weeks_ago * WEEK) & ((1 << WEEK) - 1)).count_ones() >= STEADY
    }
}

/// Those who come back to one key.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Sharing {
    /// The first local day, and the newest.
    first: i32,
    day: i32,
    members: Vec<Member>,
    /// Days since there was no place for somebody.
    crowded: u16,
    /// Networks that it was told of.
    told: u16,
}

/// How the number of those who come back has grown.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Growth {
    /// Networks that came back in the last week, and in each of the three weeks before, as far as they were watched.
    pub weeks: [Option<u32>; 4],
    /// Those of the week before who still come, 0 to 1.
    pub lasting: f64,
    /// The largest part of the newcomers that came on one day, 0 to 1.
    pub at_once: f64,
    /// More came than can be told apart, within the four weeks.
    pub crowded: bool,
    /// Days that it is watched.
    pub days: u32,
    /// Networks that it was told of.
    pub told: u32,
}

impl Sharing {
    fn new(day: i32) -> Self {
        Sharing { first: day, day, members: Vec::new(), crowded: u16::MAX, told: 0 }
    }

    fn end_day(&mut self, day: i32, networks: &[u32]) {
        let passed = day.saturating_sub(self.day).max(0) as u32;
        if passed > 0 {
            for member in &mut self.members {
                member.days = member.days.checked_shl(passed).unwrap_or(0) & ((1 << DAYS) - 1);
            }
            self.crowded = self.crowded.saturating_add(passed.min(1000) as u16);
            self.day = day;
        }
        for &network in networks {
            if let Some(member) = self.members.iter_mut().find(|member| member.network == network) {
                member.days |= 1;
            } else if self.members.len() < MEMBERS {
                self.members.push(Member { network, days: 1, first: day });
            } else if let Some(gone) = self.members.iter_mut().find(|member| member.days == 0) {
                *gone = Member { network, days: 1, first: day };
            } else {
                self.crowded = 0;
            }
        }
        self.members.retain(|member| member.days != 0);
    }

    /// How it has grown.
    pub fn growth(&self) -> Growth {
        let days = (self.day - self.first + 1).max(0) as u32;
        let steady = |ago: u32| self.members.iter().filter(|member| member.is_steady(ago)).count() as u32;
        let weeks = [0, 1, 2, 3].map(|ago| (days >= (ago + 1) * WEEK).then(|| steady(ago)));
        let oldest = weeks.iter().rposition(Option::is_some).unwrap_or(0) as u32;
        let before = self.members.iter().filter(|member| member.is_steady(1));
        let (all, stayed) = before.fold((0u32, 0u32), |(all, stayed), m| {
            (all + 1, stayed + u32::from(m.is_steady(0) || m.days & 0b1111 != 0))
        });
        let mut first: Vec<i32> = self
            .members
            .iter()
            .filter(|member| member.is_steady(0) && !member.is_steady(oldest))
            .map(|member| member.first)
            .collect();
        first.sort_unstable();
        let most = first.chunk_by(|a, b| a == b).map(<[i32]>::len).max().unwrap_or(0);
        Growth {
            weeks,
            lasting: f64::from(stayed) / f64::from(all.max(1)),
            at_once: most as f64 / first.len().max(1) as f64,
            crowded: u32::from(self.crowded) < DAYS,
            days,
            told: u32::from(self.told),
        }
    }

    fn bytes(&self) -> usize {
        KEY_BYTES + self.members.capacity() * MEMBER_BYTES
    }
}

/// Those who come back to each key, within a limit.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Sharings {
    keys: HashMap<Id, Sharing>,
}

impl Sharings {
    /// How many keys fit into so many bytes.
    pub fn most_in(bytes: usize) -> usize {
        (bytes / (KEY_BYTES + 8 * MEMBER_BYTES)).clamp(MOST.0, MOST.1)
    }

    /// A local day of a key is over: `networks` used it in its last 24 hours.
    pub fn end_day(&mut self, key: Id, day: i32, networks: &[u32], most: usize) -> Option<&Sharing> {
        if networks.is_empty() && !self.keys.contains_key(&key) {
            return None;
        }
        if self.keys.len() >= most && !self.keys.contains_key(&key) {
            self.make_room(most);
        }
        let sharing = self.keys.entry(key).or_insert_with(|| Sharing::new(day));
        sharing.end_day(day, networks);
        Some(sharing)
    }

    /// Keys that are gone are forgotten: `known` says which are not.
    pub fn forget(&mut self, known: impl Fn(Id) -> bool) {
        self.keys.retain(|key, sharing| known(*key) && !sharing.members.is_empty());
    }

    /// A key was told of, with so many networks.
    pub fn note_told(&mut self, key: Id, networks: u32) {
        if let Some(sharing) = self.keys.get_mut(&key) {
            sharing.told = networks.min(u32::from(u16::MAX)) as u16;
        }
    }

    /// Bytes in use.
    pub fn bytes(&self) -> usize {
        self.keys.values().map(Sharing::bytes).sum()
    }

    /// Those watched longest and seen lately stay.
    fn make_room(&mut self, most: usize) {
        let order: Vec<((i32, i32), Id)> =
            self.keys.iter().map(|(id, sharing)| ((sharing.day, -sharing.first), *id)).collect();
        for (_, id) in all_but(order, most - most / 4) {
            self.keys.remove(&id);
        }
    }
}

impl Serialize for Sharings {
    fn serialize<S: serde::Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        let mut keys: Vec<(&Id, &Sharing)> = self.keys.iter().collect();
        keys.sort_unstable_by_key(|(id, _)| **id);
        keys.serialize(s)
    }
}

impl<'de> Deserialize<'de> for Sharings {
    fn deserialize<D: serde::Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        Ok(Sharings { keys: Vec::<(Id, Sharing)>::deserialize(d)?.into_iter().collect() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_comes_back_is_counted_by_weeks() {
        let mut sharings = Sharings::default();
        for day in 0..28 {
            // Three from the beginning, one more every other day from the second week on; and passers-by.
            let mut networks: Vec<u32> = (0..3 + (day - 6).max(0) as u32 / 2).collect();
            networks.push(1000 + day as u32);
            sharings.end_day(Id(1), day, &networks, 100);
        }
        let growth = sharings.keys[&Id(1)].growth();
        assert_eq!(growth.weeks, [Some(12), Some(9), Some(5), Some(3)]);
        assert_eq!((growth.lasting, growth.crowded, growth.days), (1.0, false, 28));
        assert!(growth.at_once < 0.2, "{}", growth.at_once);
        sharings.note_told(Id(1), 12);
        let bytes = postcard::to_stdvec(&sharings).unwrap();
        assert_eq!(postcard::from_bytes::<Sharings>(&bytes).unwrap(), sharings);
    }

    #[test]
    fn crowds_are_crowds_and_memory_is_bounded() {
        let mut sharings = Sharings::default();
        for day in 0..5 {
            let networks: Vec<u32> = (0..200).map(|n| 1000 * day as u32 + n).collect();
            for key in 0..300 {
                sharings.end_day(Id(key), day, &networks, 100);
            }
        }
        assert!(sharings.keys.len() <= 100);
        assert!(sharings.bytes() <= 100 * (KEY_BYTES + 2 * MEMBERS * MEMBER_BYTES));
        assert!(sharings.keys.values().all(|sharing| sharing.growth().crowded));
        sharings.forget(|_| false);
        assert_eq!(sharings.bytes(), 0);
    }
}
