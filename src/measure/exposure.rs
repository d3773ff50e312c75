//! Which keys are used by browsers, or by whatever else homes and phones hold: by how many networks that servers of the key never called from, and how many of those
//! are usual on a day.
//!
//! A key that no browser uses takes no place here: what is not listed was used by servers only, for as long as this has
//! been watching.

use hashbrown::HashMap;
use serde::{Deserialize, Serialize};

use crate::event::Id;
use crate::measure::distinct::Distinct;
use crate::measure::least::all_but;
use crate::time::{Span, Timestamp};

/// Networks of a day that are told apart.
const USERS: usize = 32;
/// How long a network counts.
const WINDOW: Span = Span::DAY;
/// Weight of a new day in what is usual, and what is left of it after a day without browsers.
const LEARN: f32 = 0.25;
const FADE: f32 = 0.97;
/// After so long without browsers a key is one of servers again.
const FORGOTTEN: Span = Span::from_days(30);
/// Keys are never fewer or more than this, however much memory there is.
const MOST: (usize, usize) = (64, 20_000);
/// Bytes of a key without users, and of a user.
const KEY_BYTES: usize = 160;
const USER_BYTES: usize = 64;

/// A network from which browsers use a key.
#[derive(Clone, Copy, PartialEq, Debug, Serialize, Deserialize)]
pub struct User {
    network: Id,
    /// The address and the family of browsers that it came with first.
    pub client: Id,
    /// See `client`.
    pub agent: Id,
    /// Its first request of this day, and the newest.
    pub first: Timestamp,
    /// See `first`.
    pub last: Timestamp,
    /// Requests, and those that a web page made: with a Referer or an Origin.
    pub requests: u32,
    /// See `requests`.
    pub pages: u32,
    /// Whether a browser is among them; if not, it is a network of homes and phones.
    pub browser: bool,
}

/// One request of a browser with a key, or of anything else in a network of homes and phones.
#[derive(Clone, Copy, Debug)]
pub struct Visit {
    /// When.
    pub time: Timestamp,
    /// On which local day.
    pub day: i64,
    /// With which key.
    pub key: Id,
    /// From which network and address.
    pub network: Id,
    /// See `network`.
    pub client: Id,
    /// With which family of browsers.
    pub agent: Id,
    /// Whether a web page made it.
    pub page: bool,
    /// Whether it was a browser.
    pub browser: bool,
    /// Whether the key's servers call from there as well.
    pub home: bool,
}

/// The browsers that use one key.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Exposure {
    /// The first request of a browser that is remembered.
    pub first_at: Timestamp,
    /// The newest from elsewhere than its servers.
    pub last_at: Timestamp,
    newest_at: Timestamp,
    day: i64,
    /// Networks with browsers on a usual day with browsers.
    usual: f32,
    /// Days on which browsers used it from where its servers are, old ones fading.
    home_days: f32,
    home_today: bool,
    /// Requests on earlier days.
    before: u32,
    requests_today: u32,
    held: bool,
    users: Vec<User>,
    /// Networks today, and those beyond the list.
    today: Distinct,
}

impl Exposure {
    fn new(visit: &Visit) -> Self {
        Exposure {
            first_at: visit.time,
            last_at: Timestamp::MIN,
            newest_at: visit.time,
            day: visit.day,
            usual: 0.0,
            home_days: 0.0,
            home_today: false,
            before: 0,
            requests_today: 0,
            held: false,
            users: Vec::new(),
            today: Distinct::default(),
        }
    }

    /// Networks with browsers on a usual day.
    pub fn usual(&self) -> f64 {
        f64::from(self.usual)
    }

    /// Days on which browsers used it from where its servers are.
    pub fn home_days(&self) -> f64 {
        f64::from(self.home_days)
    }

    /// Requests of browsers on earlier days.
    pub fn requests_before(&self) -> u32 {
        self.before
    }

    /// Those that came since `from`, first come first.
    pub fn users(&self, from: Timestamp) -> impl Iterator<Item = &User> {
        self.users.iter().filter(move |user| user.first >= from)
    }

    /// Networks in all: those told apart, or today's where there are more.
    pub fn networks(&self) -> usize {
        if self.users.len() < USERS { self.users.len() } else { (self.today.count() as usize).max(USERS) }
    }

    /// While an incident about it is open, nothing is learned and nobody forgotten.
    pub fn hold(&mut self, held: bool) {
        self.held = held;
        if !held {
            self.users.clear();
        }
    }

    fn end_days(&mut self, day: i64) {
        if !self.held {
            // Whatever the list has no place for is in the count of the day.
            let seen = self.today.count() as f32;
            self.usual += LEARN * (seen - self.usual).max(-self.usual);
            self.before = self.before.saturating_add(self.requests_today);
        }
        self.home_days += f32::from(u8::from(self.home_today));
        let silent = FADE.powi((day - self.day - 1).clamp(0, 60) as i32);
        (self.usual, self.home_days) = (self.usual * silent, self.home_days * silent * FADE);
        (self.home_today, self.requests_today) = (false, 0);
        self.today = Distinct::default();
        self.day = day;
    }

    /// True when a network is met, or a web page shows itself for the first time.
    fn take(&mut self, visit: &Visit) -> bool {
        if visit.day > self.day {
            self.end_days(visit.day);
        }
        if visit.time - self.newest_at > FORGOTTEN && !self.held {
            (self.first_at, self.before) = (visit.time, 0);
        }
        self.newest_at = self.newest_at.max(visit.time);
        self.requests_today = self.requests_today.saturating_add(1);
        // Who comes on while it is told of does not become one of its servers.
        if visit.home && !self.held {
            self.home_today = true;
            return false;
        }
        self.last_at = self.last_at.max(visit.time);
        self.today.insert(visit.network.0);
        if !self.held && self.users.iter().any(|user| visit.time - user.last > WINDOW) {
            self.users.retain(|user| visit.time - user.last <= WINDOW);
        }
        let page = u32::from(visit.page);
        if let Some(user) = self.users.iter_mut().find(|user| user.network == visit.network) {
            user.last = user.last.max(visit.time);
            user.requests = user.requests.saturating_add(1);
            user.pages = user.pages.saturating_add(page);
            user.browser |= visit.browser;
            // Now and then, for what is counted in requests.
            return user.requests <= 8 || user.requests.is_multiple_of(16);
        }
        if self.users.len() < USERS {
            self.users.push(User {
                network: visit.network,
                client: visit.client,
                agent: visit.agent,
                first: visit.time,
                last: visit.time,
                requests: 1,
                pages: page,
                browser: visit.browser,
            });
            return true;
        }
        // Whoever the list has no place for counts with one that has: how many requests there are stays known.
        let other = visit.network.0 as usize % USERS;
        if let Some(user) = self.users.get_mut(other) {
            user.requests = user.requests.saturating_add(1);
            user.pages = user.pages.saturating_add(page);
        }
        true
    }

    fn bytes(&self) -> usize {
        KEY_BYTES + self.users.capacity() * USER_BYTES + self.today.bytes()
    }
}

/// The keys that browsers use, within a limit.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Exposures {
    /// When watching began: before, browsers would not have been noticed.
    since: Option<Timestamp>,
    /// The same of networks of homes and phones.
    access_since: Option<Timestamp>,
    keys: HashMap<Id, Exposure>,
}

impl Exposures {
    /// How many keys fit into so many bytes.
    pub fn most_in(bytes: usize) -> usize {
        (bytes / (KEY_BYTES + USERS * USER_BYTES)).clamp(MOST.0, MOST.1)
    }

    /// From now on browsers are noticed.
    pub fn watch(&mut self, now: Timestamp) {
        self.since.get_or_insert(now);
    }

    /// From now on networks of homes and phones are told apart.
    pub fn watch_access(&mut self, now: Timestamp) {
        self.access_since.get_or_insert(now);
    }

    /// Since when networks of homes and phones are told apart.
    pub fn access_watched_from(&self) -> Option<Timestamp> {
        self.access_since
    }

    /// Since when browsers are noticed.
    pub fn watched_from(&self) -> Option<Timestamp> {
        self.since
    }

    /// Takes a request of a browser; `most` keys are remembered. True when the key is to be judged.
    pub fn absorb(&mut self, visit: &Visit, most: usize) -> bool {
        if self.keys.len() >= most && !self.keys.contains_key(&visit.key) {
            self.make_room(most);
        }
        self.keys.entry(visit.key).or_insert_with(|| Exposure::new(visit)).take(visit)
    }

    /// The browsers of a key.
    pub fn of(&self, key: Id) -> Option<&Exposure> {
        self.keys.get(&key)
    }

    /// The same, to hold or to release it.
    pub fn of_mut(&mut self, key: Id) -> Option<&mut Exposure> {
        self.keys.get_mut(&key)
    }

    /// Bytes in use.
    pub fn bytes(&self) -> usize {
        self.keys.values().map(Exposure::bytes).sum()
    }

    /// Those that browsers used lately stay.
    fn make_room(&mut self, most: usize) {
        let order: Vec<(bool, Timestamp, Id)> = self.keys.iter().map(|(id, e)| (e.held, e.newest_at, *id)).collect();
        for (_, _, id) in all_but(order, most - most / 4) {
            self.keys.remove(&id);
        }
    }
}

/// The saved form: in order, so that the same memory gives the same bytes.
#[derive(Serialize, Deserialize)]
struct Saved(Option<Timestamp>, Option<Timestamp>, Vec<(Id, Exposure)>);

impl Serialize for Exposures {
    fn serialize<S: serde::Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        let mut keys: Vec<(Id, Exposure)> = self.keys.iter().map(|(id, exposure)| (*id, exposure.clone())).collect();
        keys.sort_unstable_by_key(|(id, _)| *id);
        Saved(self.since, self.access_since, keys).serialize(s)
    }
}

impl<'de> Deserialize<'de> for Exposures {
    fn deserialize<D: serde::Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        let Saved(since, access_since, keys) = Saved::deserialize(d)?;
        Ok(Exposures { since, access_since, keys: keys.into_iter().collect() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: Timestamp = Timestamp::from_secs(1_790_000_000);

    fn visit(day: i64, key: u64, network: u64) -> Visit {
        let id = |n: u64| Id(n.wrapping_mul(0x9E37_79B9_7F4A_7C15));
        let time = START + Span::from_days(day) + Span::from_secs(network as i64);
        Visit {
            time,
            day,
            key: id(key),
            network: id(network),
            client: id(network),
            agent: id(7),
            page: true,
            browser: true,
            home: false,
        }
    }

    #[test]
    fn requests_are_counted_from_more_networks_than_can_be_told_apart() {
        let mut exposures = Exposures::default();
        for network in 0..120 {
            exposures.absorb(&visit(0, 1, network), 100);
        }
        let exposure = exposures.of(visit(0, 1, 0).key).unwrap();
        let users: Vec<&User> = exposure.users(Timestamp::MIN).collect();
        assert_eq!(users.iter().map(|user| user.requests).sum::<u32>(), 120);
        assert!(exposure.networks() >= 110 && users.iter().all(|user| user.requests < 20));
    }

    #[test]
    fn days_are_learned_and_networks_forgotten() {
        let mut exposures = Exposures::default();
        for day in 0..12 {
            for network in 0..40 {
                exposures.absorb(&visit(day, 1, 100 * day as u64 + network), 100);
            }
        }
        let exposure = exposures.of(visit(0, 1, 0).key).unwrap();
        assert!((36.0..42.0).contains(&exposure.usual()), "{}", exposure.usual());
        assert!((36..44).contains(&exposure.networks()), "{}", exposure.networks());
        for day in 30..34 {
            exposures.absorb(&Visit { home: true, ..visit(day, 1, 1) }, 100);
        }
        exposures.absorb(&visit(34, 1, 1), 100);
        let exposure = exposures.of(visit(0, 1, 0).key).unwrap();
        assert!((3.0..4.0).contains(&exposure.home_days()), "{}", exposure.home_days());
        assert!((6.0..30.0).contains(&exposure.usual()), "what is not used is not forgotten soon");
        assert_eq!(exposure.networks(), 1);
    }

    #[test]
    fn what_is_held_is_not_learned_and_memory_is_bounded() {
        let mut exposures = Exposures::default();
        exposures.watch(START);
        exposures.watch(START + Span::DAY);
        assert_eq!(exposures.watched_from(), Some(START));
        exposures.absorb(&visit(0, 1, 1), 100);
        exposures.of_mut(visit(0, 1, 1).key).unwrap().hold(true);
        for day in 0..9 {
            exposures.absorb(&visit(day, 1, 1000 + day as u64), 100);
        }
        let exposure = exposures.of(visit(0, 1, 1).key).unwrap();
        assert_eq!((exposure.usual(), exposure.networks()), (0.0, 10));
        for key in 0..5_000 {
            exposures.absorb(&visit(10, 10 + key, key), 100);
        }
        assert!(exposures.keys.len() <= 100 && exposures.bytes() < 100 * (KEY_BYTES + USERS * USER_BYTES));
        assert!(exposures.of(visit(0, 1, 1).key).is_some(), "an open incident is not forgotten");
        let bytes = postcard::to_stdvec(&exposures).unwrap();
        assert_eq!(postcard::from_bytes::<Exposures>(&bytes).unwrap(), exposures);
    }
}
