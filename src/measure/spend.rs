//! What calls cost, by subject: minute by minute of the last hour, hour by hour of two weeks. From this an incident's cost
//! is known from its beginning on, which lies before anybody knew of it.

use hashbrown::HashMap;
use serde::{Deserialize, Serialize};

use crate::event::{Id, SubjectKind};
use crate::time::{Span, Timestamp};

/// Minutes that are kept one by one.
const MINUTES: i32 = 60;
/// Hours that are kept one by one.
const HOURS: i32 = 14 * 24;
/// Bytes of a place in the table, and of the two lists of a subject beside their amounts.
const PLACE: usize = size_of::<(SubjectKind, Id, Ledger)>() + 1;
const LISTS: usize = 96;

/// Amounts in times that follow each other: which, and how much.
type Amounts = Vec<(i32, f64)>;

/// What one subject's calls cost.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
struct Ledger {
    minutes: Amounts,
    hours: Amounts,
}

/// What all subjects' calls cost, in bounded memory: whoever cost nothing for longest gives way.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(from = "Saved", into = "Saved")]
pub struct Spend {
    ledgers: HashMap<(SubjectKind, Id), Ledger>,
    amounts: usize,
}

/// The saved form, in order.
#[derive(Serialize, Deserialize)]
struct Saved(Vec<(SubjectKind, Id, Ledger)>);

impl From<Spend> for Saved {
    fn from(spend: Spend) -> Self {
        let mut all: Vec<_> = spend.ledgers.into_iter().map(|((kind, id), ledger)| (kind, id, ledger)).collect();
        all.sort_by_key(|(kind, id, _)| (*kind as u8, *id));
        Saved(all)
    }
}

impl From<Saved> for Spend {
    fn from(saved: Saved) -> Self {
        let ledgers: HashMap<_, _> = saved.0.into_iter().map(|(kind, id, ledger)| ((kind, id), ledger)).collect();
        let amounts = ledgers.values().map(Ledger::len).sum();
        Spend { ledgers, amounts }
    }
}

impl Spend {
    /// Whether nothing has cost anything yet.
    pub fn is_empty(&self) -> bool {
        self.ledgers.is_empty()
    }

    /// Adds what a subject's call cost.
    pub fn add(&mut self, kind: SubjectKind, id: Id, at: Timestamp, cost: f64) {
        let ledger = self.ledgers.entry((kind, id)).or_default();
        let before = ledger.len();
        put(&mut ledger.minutes, at.bucket(Span::MINUTE) as i32, cost, MINUTES);
        put(&mut ledger.hours, at.bucket(Span::HOUR) as i32, cost, HOURS);
        self.amounts = (self.amounts + ledger.len()).saturating_sub(before);
    }

    /// What a subject's calls have cost since a moment; of an hour that began before it, in proportion.
    pub fn since(&self, kind: SubjectKind, id: Id, from: Timestamp) -> f64 {
        let Some(ledger) = self.ledgers.get(&(kind, id)) else { return 0.0 };
        let minute = from.bucket(Span::MINUTE) as i32;
        let newest = ledger.minutes.last().map_or(i32::MIN, |(minute, _)| *minute);
        if newest.saturating_sub(minute) < MINUTES {
            return sum(&ledger.minutes, minute);
        }
        let hour = from.bucket(Span::HOUR) as i32;
        let begun = ledger.hours.iter().find(|(at, _)| *at == hour).map_or(0.0, |(_, amount)| *amount);
        let rest = 1.0 - from.millis().rem_euclid(Span::HOUR.millis()) as f64 / Span::HOUR.millis() as f64;
        begun * rest + sum(&ledger.hours, hour + 1)
    }

    /// Bytes in use.
    pub fn bytes(&self) -> usize {
        // Lists that grow have up to twice the room that they need.
        2 * self.amounts * size_of::<(i32, f64)>() + self.ledgers.capacity() * PLACE + self.ledgers.len() * LISTS
    }

    /// Lets go of those that cost nothing for longest, until it takes no more than this.
    pub fn make_room(&mut self, most: usize) {
        if self.bytes() <= most {
            return;
        }
        let last = |ledger: &Ledger| ledger.minutes.last().map_or(i32::MIN, |(minute, _)| *minute);
        let mut all: Vec<_> = self.ledgers.iter().map(|((kind, id), l)| (last(l), *kind as u8, *id, *kind)).collect();
        all.sort_unstable_by_key(|(last, kind, id, _)| (*last, *kind, *id));
        let half = self.ledgers.len() / 2;
        for (_, _, id, kind) in all.into_iter().take(half) {
            if let Some(ledger) = self.ledgers.remove(&(kind, id)) {
                self.amounts = self.amounts.saturating_sub(ledger.len());
            }
        }
        self.ledgers.shrink_to_fit();
    }
}

impl Ledger {
    fn len(&self) -> usize {
        self.minutes.len() + self.hours.len()
    }
}

fn put(amounts: &mut Amounts, at: i32, cost: f64, kept: i32) {
    let place = amounts.partition_point(|(known, _)| *known < at);
    match amounts.get_mut(place) {
        Some((known, amount)) if *known == at => *amount += cost,
        _ => amounts.insert(place, (at, cost)),
    }
    let newest = amounts.last().map_or(at, |(newest, _)| *newest);
    let old = amounts.partition_point(|(known, _)| newest.saturating_sub(*known) >= kept);
    amounts.drain(..old);
}

fn sum(amounts: &Amounts, from: i32) -> f64 {
    amounts.iter().rev().take_while(|(at, _)| *at >= from).map(|(_, amount)| *amount).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: SubjectKind = SubjectKind::Key;

    fn at(minute: i64) -> Timestamp {
        // The first minute of an hour.
        Timestamp::from_secs(1_700_002_800 + 60 * minute)
    }

    #[test]
    fn costs_are_known_from_any_moment_on() {
        let mut spend = Spend::default();
        for minute in 0..3 * 24 * 60 {
            spend.add(KEY, Id(1), at(minute), 0.5);
        }
        let now = 3 * 24 * 60;
        assert!((spend.since(KEY, Id(1), at(now - 10)) - 5.0).abs() < 1e-3);
        assert!((spend.since(KEY, Id(1), at(now - 600)) - 300.0).abs() < 1.0);
        assert!((spend.since(KEY, Id(1), at(now - 615)) - 307.5).abs() < 1.0, "a part of an hour");
        assert!((spend.since(KEY, Id(1), at(0)) - 2160.0).abs() < 1.0);
        assert_eq!(spend.since(KEY, Id(2), at(0)), 0.0);
        assert_eq!(spend.since(SubjectKind::Client, Id(1), at(0)), 0.0);
    }

    #[test]
    fn a_busy_hour_of_small_costs_adds_up() {
        let mut spend = Spend::default();
        (0..200_000).for_each(|_| spend.add(KEY, Id(1), at(0), 0.02));
        assert!((spend.since(KEY, Id(1), at(0)) - 4000.0).abs() < 1e-6, "{}", spend.since(KEY, Id(1), at(0)));
    }

    #[test]
    fn late_calls_count_in_their_own_minute_and_memory_is_bounded() {
        let mut spend = Spend::default();
        spend.add(KEY, Id(1), at(10), 1.0);
        spend.add(KEY, Id(1), at(8), 2.0);
        assert_eq!(spend.since(KEY, Id(1), at(9)), 1.0);
        assert_eq!(spend.since(KEY, Id(1), at(8)), 3.0);
        for id in 0..10_000u64 {
            spend.add(KEY, Id(id), at(11 + id as i64 / 100), 0.01);
            spend.make_room(64 << 10);
        }
        assert!(spend.bytes() <= 64 << 10, "{}", spend.bytes());
        assert!(spend.since(KEY, Id(9_999), at(0)) > 0.0, "who cost something last is known");
        let saved = postcard::to_stdvec(&spend).unwrap();
        let again: Spend = postcard::from_bytes(&saved).unwrap();
        assert_eq!((again.bytes() > 0, again.ledgers), (true, spend.ledgers));
    }
}
