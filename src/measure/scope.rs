//! What a key does: which routes it calls, to read or to change something, since when, and what it began to do today.
//!
//! A list of 32 pairs of route and kind, then a Bloom filter of 128 bytes: what is known is never forgotten, and one in
//! some hundred new things may be taken for known.

use hashbrown::HashMap;
use serde::{Deserialize, Serialize};
use smallvec::SmallVec;

use crate::event::Id;
use crate::measure::least::all_but;
use crate::time::{Span, Timestamp};

/// Pairs that are kept one by one, and bytes of the filter for more.
const FEW: usize = 32;
const BYTES: usize = 128;
/// What began today and is told apart.
const TODAY: usize = 16;
/// Keys that began the same are counted up to this,
const ALIKE: usize = 4;
/// and things that keys began within a day, in all.
const BEGUN: usize = 4096;
/// So many changes that were served are no mistake.
pub const MATERIAL: u32 = 5;
/// Routes that are changed by anybody and counted.
const WRITTEN: usize = 4096;
/// Whoever only read for so long, and so often, is a reader.
const READER: (Span, u32) = (Span::from_days(7), 200);
/// Keys are never fewer or more than this, however much memory there is.
const MOST: (usize, usize) = (128, 50_000);
/// Bytes a key takes, about.
const KEY_BYTES: usize = 420;

/// Something that a key began to do.
#[derive(Clone, Copy, PartialEq, Debug, Serialize, Deserialize)]
pub struct Begun {
    /// On which route.
    pub route: Id,
    /// Route and whether it changes something.
    pair: u32,
    /// When it did so first, and last.
    pub at: Timestamp,
    /// See `at`.
    pub last_at: Timestamp,
    /// Whether it changes something.
    pub writes: bool,
    /// How often.
    pub requests: u32,
    /// How often it was denied.
    pub denied: u32,
    /// How often it was served.
    pub served: u32,
}

/// What one key does.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Scope {
    known: Vec<u32>,
    filter: Vec<u8>,
    /// When it was met.
    pub first_at: Timestamp,
    last_at: Timestamp,
    /// Requests that only read, and that change something.
    pub reads: u32,
    /// See `reads`.
    pub writes: u32,
    /// Things it began to do after its first day.
    begun: f32,
    day: i64,
    today: SmallVec<[Begun; 2]>,
    listed: bool,
    /// It had only read for long when it began to change things, and it went on to.
    turned: bool,
    /// See `turned`.
    went_on: bool,
}

/// How often somebody who had only read for long begins to change things and goes on to: old ones fade, half of them in four weeks.
#[derive(Clone, Copy, PartialEq, Debug, Serialize, Deserialize)]
struct Turned {
    count: f32,
    at: Timestamp,
    /// Since when it is counted.
    since: Timestamp,
}

impl Turned {
    fn as_of(&self, now: Timestamp) -> f64 {
        let weeks = (now - self.at).max(Span::ZERO).days_f64() / 28.0;
        f64::from(self.count) * (-weeks).exp2()
    }

    fn note(&mut self, now: Timestamp) {
        (self.count, self.at) = (self.as_of(now) as f32 + 1.0, self.at.max(now));
    }
}

/// Who began something, and when the first did.
type Beginners = (Timestamp, SmallVec<[Id; ALIKE]>);

/// One request of a key.
#[derive(Clone, Copy, Debug)]
pub struct Use {
    /// When, and on which local day.
    pub time: Timestamp,
    /// See `time`.
    pub day: i64,
    /// Whose.
    pub key: Id,
    /// On which route.
    pub route: Id,
    /// Whether it changes something.
    pub writes: bool,
    /// Whether it was denied (401, 403), and whether it was served.
    pub denied: bool,
    /// See `denied`.
    pub served: bool,
}

impl Scope {
    fn new(t: Timestamp, day: i64) -> Self {
        Scope {
            known: Vec::new(),
            filter: Vec::new(),
            first_at: t,
            last_at: t,
            reads: 0,
            writes: 0,
            begun: 0.0,
            day,
            today: SmallVec::new(),
            listed: false,
            turned: false,
            went_on: false,
        }
    }

    fn knows(&self, pair: u32) -> bool {
        if self.known.contains(&pair) {
            return true;
        }
        !self.filter.is_empty()
            && places(pair).into_iter().all(|(at, bit)| self.filter.get(at).is_some_and(|b| b & bit != 0))
    }

    fn learn(&mut self, pair: u32) {
        if self.known.len() < FEW {
            self.known.push(pair);
            return;
        }
        if self.filter.is_empty() {
            self.filter = vec![0; BYTES];
        }
        for (at, bit) in places(pair) {
            if let Some(byte) = self.filter.get_mut(at) {
                *byte |= bit;
            }
        }
    }

    /// What it began to do today.
    pub fn today(&self) -> &[Begun] {
        &self.today
    }

    /// Things that it usually begins to do in a day, and for how many days it is known.
    pub fn usual(&self, now: Timestamp) -> (f64, f64) {
        let days = (now - self.first_at).days_f64();
        let fresh = self.today.len() as f64;
        (((f64::from(self.begun) - fresh).max(0.0) + 0.5) / (days + 1.0), days)
    }

    /// Whether it is known for long, has read a lot and changed nothing.
    fn is_reader(&self, now: Timestamp) -> bool {
        self.writes == 0 && self.reads >= READER.1 && now - self.first_at >= READER.0
    }

    /// Requests in all.
    pub fn requests(&self) -> u32 {
        self.reads.saturating_add(self.writes)
    }
}

/// The bits of a pair in the filter.
fn places(pair: u32) -> [(usize, u8); 3] {
    let spread = u64::from(pair).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    [spread, spread >> 20, spread >> 40].map(|h| (h as usize / 8 % BYTES, 1u8 << (h % 8)))
}

/// What all keys do, within a limit.
#[derive(Clone, PartialEq, Debug)]
pub struct Scopes {
    keys: HashMap<Id, Scope>,
    /// How many keys change something there.
    writers: HashMap<u32, u16>,
    turned: Turned,
    /// Who began what within a day.
    begun: HashMap<u32, Beginners>,
    listed: Vec<Id>,
}

impl Default for Scopes {
    fn default() -> Self {
        let turned = Turned { count: 0.0, at: Timestamp::MIN, since: Timestamp::MAX };
        Scopes { keys: HashMap::new(), writers: HashMap::new(), turned, begun: HashMap::new(), listed: Vec::new() }
    }
}

impl Scopes {
    /// How many keys fit into so many bytes.
    pub fn most_in(bytes: usize) -> usize {
        (bytes / KEY_BYTES).clamp(MOST.0, MOST.1)
    }

    /// Reads a little of what [`Scopes::absorb`] will look at; the answer means nothing.
    pub fn warm(&self, key: Id) -> u64 {
        self.keys.get(&key).map_or(0, |scope| u64::from(scope.known.first().copied().unwrap_or(0) ^ scope.reads))
    }

    /// Takes a request of a key; `most` keys are remembered.
    pub fn absorb(&mut self, seen: &Use, most: usize) {
        let t = seen.time;
        if self.keys.len() >= most && !self.keys.contains_key(&seen.key) {
            self.make_room(most);
        }
        self.turned.since = self.turned.since.min(t);
        let scope = self.keys.entry(seen.key).or_insert_with(|| Scope::new(t, seen.day));
        scope.last_at = scope.last_at.max(t);
        if seen.day > scope.day {
            scope.day = seen.day;
            scope.today.clear();
        }
        let pair = (seen.route.0 as u32) << 1 | u32::from(seen.writes);
        if let Some(begun) = scope.today.iter_mut().find(|begun| begun.pair == pair) {
            begun.last_at = begun.last_at.max(t);
            begun.requests = begun.requests.saturating_add(1);
            begun.denied = begun.denied.saturating_add(u32::from(seen.denied));
            begun.served = begun.served.saturating_add(u32::from(seen.served));
            // Whoever goes on to change things is looked at again.
            if seen.writes && seen.served && begun.served == MATERIAL {
                if scope.turned && !scope.went_on {
                    scope.went_on = true;
                    self.turned.note(t);
                }
                if !scope.listed {
                    scope.listed = true;
                    self.listed.push(seen.key);
                }
            }
        } else if !scope.knows(pair) {
            // What is not there is no route; who is denied has tried.
            if !(seen.served || seen.denied) {
                return;
            }
            scope.learn(pair);
            if seen.writes {
                if self.writers.len() < WRITTEN || self.writers.contains_key(&pair) {
                    let writers = self.writers.entry(pair).or_insert(0);
                    *writers = writers.saturating_add(1);
                }
                if scope.writes == 0 && scope.is_reader(t) {
                    scope.turned = true;
                }
            }
            if t - scope.first_at >= Span::DAY {
                scope.begun += 1.0;
                if scope.today.len() < TODAY {
                    let (requests, denied) = (1, u32::from(seen.denied));
                    let served = u32::from(seen.served);
                    scope.today.push(Begun {
                        route: seen.route,
                        pair,
                        at: t,
                        last_at: t,
                        writes: seen.writes,
                        requests,
                        denied,
                        served,
                    });
                }
                if !scope.listed {
                    scope.listed = true;
                    self.listed.push(seen.key);
                }
                if self.begun.len() >= BEGUN {
                    self.begun.retain(|_, (at, _)| t - *at < Span::DAY);
                }
                if self.begun.len() < BEGUN {
                    let (at, keys) = self.begun.entry(pair).or_insert_with(|| (t, SmallVec::new()));
                    if t - *at >= Span::DAY {
                        (*at, *keys) = (t, SmallVec::new());
                    }
                    if keys.len() < ALIKE && !keys.contains(&seen.key) {
                        keys.push(seen.key);
                    }
                }
            }
        }
        let count = if seen.writes { &mut scope.writes } else { &mut scope.reads };
        *count = count.saturating_add(u32::from(seen.served));
    }

    /// What a key does.
    pub fn of(&self, key: Id) -> Option<&Scope> {
        self.keys.get(&key)
    }

    /// How many other keys began the same within a day.
    pub fn others(&self, begun: &Begun, key: Id) -> usize {
        let keys = self.begun.get(&begun.pair).map(|(_, keys)| keys.iter().filter(|id| **id != key).count());
        keys.unwrap_or(0)
    }

    /// Whether hardly any other key changes something there: at most two, or one in twenty.
    pub fn is_rarely_written(&self, begun: &Begun) -> bool {
        let others = usize::from(self.writers.get(&begun.pair).copied().unwrap_or(0).saturating_sub(1));
        begun.writes && others <= (self.keys.len() / 20).max(2)
    }

    /// How many readers other than this key begin to change things in a week, as far as is known here.
    pub fn turn_a_week(&self, key: Id, now: Timestamp) -> f64 {
        let own = f64::from(u8::from(self.keys.get(&key).is_some_and(|scope| scope.went_on)));
        // Four weeks of fading memory weigh as much as 28 / ln 2 days of full memory.
        let fading = 28.0 / std::f64::consts::LN_2;
        let watched = fading * (1.0 - (-(now - self.turned.since).max(Span::ZERO).days_f64() / fading).exp());
        7.0 * ((self.turned.as_of(now) - own).max(0.0) + 0.5) / (watched + 1.0)
    }

    /// Takes the list of keys that began something since the last call.
    pub fn take_listed(&mut self) -> Vec<Id> {
        let listed = std::mem::take(&mut self.listed);
        for id in &listed {
            if let Some(scope) = self.keys.get_mut(id) {
                scope.listed = false;
            }
        }
        listed
    }

    /// Bytes in use.
    pub fn bytes(&self) -> usize {
        self.keys.len() * KEY_BYTES + self.begun.len() * 64 + self.writers.len() * 8
    }

    /// Those known longest and seen lately stay.
    fn make_room(&mut self, most: usize) {
        let order: Vec<((i64, u32), Id)> =
            self.keys.iter().map(|(id, s)| ((s.last_at.bucket(Span::DAY), s.requests()), *id)).collect();
        for (_, id) in all_but(order, most - most / 4) {
            self.keys.remove(&id);
        }
    }
}

/// The saved form: in order, so that the same memory gives the same bytes.
#[derive(Serialize, Deserialize)]
struct Saved(Vec<(Id, Scope)>, Vec<(u32, Beginners)>, Vec<Id>, Vec<(u32, u16)>, Turned);

impl Serialize for Scopes {
    fn serialize<S: serde::Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        let mut keys: Vec<(Id, Scope)> = self.keys.iter().map(|(id, scope)| (*id, scope.clone())).collect();
        keys.sort_unstable_by_key(|(id, _)| *id);
        let mut begun: Vec<_> = self.begun.iter().map(|(pair, who)| (*pair, who.clone())).collect();
        begun.sort_unstable_by_key(|(pair, _)| *pair);
        let mut writers: Vec<(u32, u16)> = self.writers.iter().map(|(pair, keys)| (*pair, *keys)).collect();
        writers.sort_unstable();
        Saved(keys, begun, self.listed.clone(), writers, self.turned).serialize(s)
    }
}

impl<'de> Deserialize<'de> for Scopes {
    fn deserialize<D: serde::Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        let Saved(keys, begun, listed, writers, turned) = Saved::deserialize(d)?;
        let (keys, begun) = (keys.into_iter().collect(), begun.into_iter().collect());
        Ok(Scopes { keys, begun, listed, writers: writers.into_iter().collect(), turned })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: Timestamp = Timestamp::from_secs(1_790_000_000);

    fn seen(day: i64, key: u64, route: u64, writes: bool) -> Use {
        let time = START + Span::from_days(day);
        let mixed = Id(route.wrapping_mul(0x9E37_79B9_7F4A_7C15));
        Use { time, day, key: Id(key), route: mixed, writes, denied: false, served: true }
    }

    #[test]
    fn what_is_begun_is_new_once() {
        let mut scopes = Scopes::default();
        for day in 0..10 {
            for route in 0..5 {
                scopes.absorb(&seen(day, 1, route, false), 1000);
            }
        }
        assert!(scopes.take_listed().is_empty() && scopes.of(Id(1)).is_some_and(|s| s.today().is_empty()));
        scopes.absorb(&seen(10, 1, 3, true), 1000);
        assert_eq!(scopes.take_listed(), [Id(1)], "to change what it only read is new");
        for key in 2..5 {
            scopes.absorb(&seen(0, key, 1, false), 1000);
            scopes.absorb(&seen(10, key, 3, true), 1000);
        }
        let scope = scopes.of(Id(1)).unwrap();
        assert_eq!(scope.today().iter().map(|b| (b.writes, scopes.others(b, Id(1)))).collect::<Vec<_>>(), [(true, 3)]);
        assert!(scope.usual(START + Span::from_days(10)).0 < 0.06);
        scopes.absorb(&seen(11, 1, 3, true), 1000);
        assert!(scopes.of(Id(1)).is_some_and(|s| s.today().is_empty()));
    }

    #[test]
    fn many_routes_are_known_in_little_memory() {
        let mut scopes = Scopes::default();
        for route in 0..100 {
            scopes.absorb(&seen(0, 1, route, false), 1000);
        }
        for route in 0..100 {
            scopes.absorb(&seen(5, 1, route, false), 1000);
        }
        assert!(scopes.of(Id(1)).is_some_and(|s| s.today().is_empty()), "all are known");
        let new = (1000..1100).filter(|route| {
            scopes.absorb(&seen(6, 1, *route, false), 1000);
            !scopes.take_listed().is_empty()
        });
        let new = new.count();
        assert!(new >= 80, "{new} of 100");
        let bytes = postcard::to_stdvec(&scopes).unwrap();
        assert_eq!(postcard::from_bytes::<Scopes>(&bytes).unwrap().keys, scopes.keys);
        for key in 0..2000 {
            scopes.absorb(&seen(7, 10 + key, 1, false), 128);
        }
        assert!(scopes.keys.len() <= 128 && scopes.bytes() < 500_000);
    }
}
