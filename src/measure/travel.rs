//! Where keys are: the last places of each, and between which of them nobody can have travelled.
//!
//! A place is everything within 200 km; what a key does in its first quarter of an hour is where it is at home. Beside the
//! places stand the networks that several keys use: gateways, behind which anybody may sit anywhere.

use hashbrown::HashMap;
use serde::{Deserialize, Serialize};
use smallvec::SmallVec;

use crate::event::{Id, Place};
use crate::measure::least::all_but;
use crate::time::{Span, Timestamp};

/// Places of a key that are remembered, and for how long.
const STAYS: usize = 6;
const REMEMBERED: Span = Span::from_days(30);
/// Kilometres within which it is the same place.
const NEAR: f64 = 200.0;
/// How long somebody at a new place is a traveller, and how long a key settles in.
const NEW_FOR: Span = Span::DAY;
const SETTLING: Span = Span::from_mins(15);
/// No flight takes longer.
const LONGEST: Span = Span::from_hours(26);
/// Keys of a network that are told apart, networks in all, and how long a key counts.
const KEYS: usize = 6;
const NETWORKS: usize = 8192;
const GATEWAY_DAYS: i64 = 14;
/// Keys are never fewer or more than this, however much memory there is.
const MOST: (usize, usize) = (64, 20_000);
/// Bytes of a key with its places.
const KEY_BYTES: usize = 96;
const STAY_BYTES: usize = size_of::<Stay>();

/// A place at which a key is used.
#[derive(Clone, Copy, PartialEq, Debug, Serialize, Deserialize)]
pub struct Stay {
    /// Where.
    pub place: Place,
    /// The network and the address that it was used from last.
    pub network: Id,
    /// See `network`.
    pub client: Id,
    /// First and last successful use.
    pub first: Timestamp,
    /// See `first`.
    pub last: Timestamp,
    /// Successful uses, and those by software of servers.
    pub requests: u32,
    /// See `requests`.
    pub by_servers: u32,
    /// Whether the key has been at home there from its beginning.
    pub home: bool,
}

/// A way that nobody can have travelled.
#[derive(Clone, Copy, PartialEq, Debug, Serialize, Deserialize)]
pub struct Leg {
    /// When the key was last used at the one place, and then at the other.
    pub left: Timestamp,
    /// See `left`.
    pub arrived: Timestamp,
    /// How far apart they are, in kilometres.
    pub km: f64,
    /// The places.
    pub from: Place,
    /// See `from`.
    pub to: Place,
}

impl Leg {
    /// Kilometres an hour that it would have taken.
    pub fn speed(&self) -> f64 {
        self.km / (self.arrived - self.left).hours_f64().max(1.0 / 60.0)
    }
}

/// One successful use of a key.
#[derive(Clone, Copy, Debug)]
pub struct Use {
    /// When.
    pub time: Timestamp,
    /// Of which key.
    pub key: Id,
    /// Where.
    pub place: Place,
    /// From which network and address.
    pub network: Id,
    /// See `network`.
    pub client: Id,
    /// Whether by software of servers.
    pub server: bool,
}

/// How far and how fast is too far and too fast.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Bounds {
    /// Kilometres.
    pub km: f64,
    /// Kilometres an hour.
    pub speed: f64,
}

/// Where one key is.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Whereabouts {
    /// Since when it is known.
    pub first: Timestamp,
    last: Timestamp,
    stays: SmallVec<[Stay; 1]>,
    /// The newest way that was too fast, to a place where it is new.
    leg: Option<Leg>,
    /// That it was told of one between these two.
    told: Option<(Place, Place)>,
}

impl Whereabouts {
    /// The newest way has been told: it is no news again.
    pub fn note_told(&mut self) {
        self.told = self.leg.as_ref().map(|leg| (leg.from, leg.to));
    }

    /// The newest way that was too fast, with its places: where it was before, and where it is new.
    pub fn leg(&self) -> Option<(&Leg, &Stay, &Stay)> {
        let leg = self.leg.as_ref()?;
        let at = |place: Place| self.stays.iter().find(|stay| stay.place == place);
        Some((leg, at(leg.from)?, at(leg.to)?))
    }

    /// True when the newest leg is to be judged.
    fn take(&mut self, seen: &Use, bounds: &Bounds) -> bool {
        let now = seen.time;
        let time_of_home = now - self.first <= SETTLING;
        self.last = self.last.max(now);
        let near = |stay: &Stay| stay.place == seen.place || stay.place.km_to(seen.place) <= NEAR;
        let at = self.stays.iter().position(near).unwrap_or_else(|| {
            self.stays.retain(|stay| now - stay.last <= REMEMBERED);
            if self.stays.len() >= STAYS {
                let oldest = self.stays.iter().enumerate().min_by_key(|(_, stay)| stay.last);
                if let Some((oldest, _)) = oldest {
                    self.stays.remove(oldest);
                }
            }
            self.stays.push(Stay {
                place: seen.place,
                network: seen.network,
                client: seen.client,
                first: now,
                last: now,
                requests: 0,
                by_servers: 0,
                home: time_of_home,
            });
            self.stays.len() - 1
        });
        let Some(here) = self.stays.get_mut(at) else { return false };
        (here.network, here.client, here.last) = (seen.network, seen.client, here.last.max(now));
        here.requests = here.requests.saturating_add(1);
        here.by_servers = here.by_servers.saturating_add(u32::from(seen.server));
        let here = *here;
        if self.stays.len() < 2 {
            return false;
        }
        let is_new = |stay: &Stay| !stay.home && now - stay.first <= NEW_FOR;
        let mut found = false;
        for (index, other) in self.stays.iter().enumerate() {
            // One of the two is new, and the other was there before.
            let (old, new) = if other.first <= here.first { (other, &here) } else { (&here, other) };
            if index == at || !is_new(new) || now - other.last > LONGEST || old.first == new.first {
                continue;
            }
            // Where several are at home, one of them may have come from elsewhere.
            if self.stays.iter().any(|stay| stay.place != old.place && may_come(stay, new, bounds)) {
                continue;
            }
            let km = here.place.km_to(other.place);
            let leg = Leg { left: other.last.min(now), arrived: now, km, from: old.place, to: new.place };
            if km > bounds.km && leg.speed() > bounds.speed {
                let same = self.leg.is_some_and(|known| (known.from, known.to) == (leg.from, leg.to));
                // The fastest of several is told.
                if !same || self.leg.is_some_and(|known| leg.speed() > known.speed()) {
                    self.leg = Some(leg);
                }
                found = true;
            }
        }
        // A way that was too fast when it began matters once the place is really used.
        let waits = self.leg.is_some_and(|leg| leg.to == here.place) && is_new(&here) && here.requests <= 64;
        (found || waits) && self.leg.map(|leg| (leg.from, leg.to)) != self.told
    }

    fn bytes(&self) -> usize {
        KEY_BYTES + if self.stays.spilled() { self.stays.capacity() * STAY_BYTES } else { STAY_BYTES }
    }
}

/// Whether somebody at a place may have come to a new one when it was first used.
fn may_come(stay: &Stay, new: &Stay, bounds: &Bounds) -> bool {
    if stay.place == new.place || stay.first >= new.first || new.first - stay.last > LONGEST {
        return false;
    }
    let km = stay.place.km_to(new.place);
    let left = stay.last.min(new.first);
    km <= bounds.km || km <= bounds.speed * (new.first - left).hours_f64()
}

/// The keys that use a network, and on which day it was used last.
type Users = (SmallVec<[u32; 2]>, i64);

/// Where all keys are, within a limit.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Travels {
    keys: HashMap<Id, Whereabouts>,
    networks: HashMap<u32, Users>,
}

impl Travels {
    /// How many keys fit into so many bytes.
    pub fn most_in(bytes: usize) -> usize {
        (bytes / (KEY_BYTES + 2 * STAY_BYTES)).clamp(MOST.0, MOST.1)
    }

    /// Takes a use; `most` keys are remembered. True when the key is to be judged.
    pub fn absorb(&mut self, seen: &Use, bounds: &Bounds, most: usize) -> bool {
        self.note_network(seen);
        if self.keys.len() >= most && !self.keys.contains_key(&seen.key) {
            self.make_room(most);
        }
        let fresh = || Whereabouts { first: seen.time, last: seen.time, stays: SmallVec::new(), leg: None, told: None };
        self.keys.entry(seen.key).or_insert_with(fresh).take(seen, bounds)
    }

    fn note_network(&mut self, seen: &Use) {
        let (network, key, day) = (seen.network.0 as u32, seen.key.0 as u32, seen.time.bucket(Span::DAY));
        if let Some((keys, last)) = self.networks.get_mut(&network) {
            *last = (*last).max(day);
            if keys.len() < KEYS && !keys.contains(&key) {
                keys.push(key);
            }
            return;
        }
        if self.networks.len() >= NETWORKS {
            self.networks.retain(|_, (_, last)| day - *last <= GATEWAY_DAYS);
            // Those with a single key go, the oldest first, and of today's one in two: gateways stay. A few of the new
            // ones would always be turned away if the same went each time.
            let turn = (seen.time.millis() / 60_000) as u32;
            for days in [7, 2, 0, -1] {
                if self.networks.len() <= NETWORKS / 4 * 3 {
                    break;
                }
                self.networks.retain(|network, (keys, last)| {
                    keys.len() > 1 || day - *last <= days || days < 0 && (network ^ turn).count_ones().is_multiple_of(2)
                });
            }
        }
        if self.networks.len() < NETWORKS {
            self.networks.insert(network, (SmallVec::from_slice(&[key]), day));
        }
    }

    /// How many keys use a network, as far as they are told apart.
    pub fn keys_of(&self, network: Id) -> usize {
        self.networks.get(&(network.0 as u32)).map_or(0, |(keys, _)| keys.len())
    }

    /// The newest way of a key has been told.
    pub fn note_told(&mut self, key: Id) {
        if let Some(key) = self.keys.get_mut(&key) {
            key.note_told();
        }
    }

    /// Where a key is.
    pub fn of(&self, key: Id) -> Option<&Whereabouts> {
        self.keys.get(&key)
    }

    /// Bytes in use.
    pub fn bytes(&self) -> usize {
        self.keys.values().map(Whereabouts::bytes).sum::<usize>() + self.networks.capacity() * 48
    }

    /// Those used lately stay.
    fn make_room(&mut self, most: usize) {
        let order: Vec<(Timestamp, Id)> = self.keys.iter().map(|(id, key)| (key.last, *id)).collect();
        for (_, id) in all_but(order, most - most / 4) {
            self.keys.remove(&id);
        }
    }
}

/// The saved form: in order, so that the same memory gives the same bytes.
#[derive(Serialize, Deserialize)]
struct Saved(Vec<(Id, Whereabouts)>, Vec<(u32, Users)>);

impl Serialize for Travels {
    fn serialize<S: serde::Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        let mut keys: Vec<(Id, Whereabouts)> = self.keys.iter().map(|(id, key)| (*id, key.clone())).collect();
        keys.sort_unstable_by_key(|(id, _)| *id);
        let mut networks: Vec<(u32, Users)> = self.networks.iter().map(|(id, users)| (*id, users.clone())).collect();
        networks.sort_unstable_by_key(|(id, _)| *id);
        Saved(keys, networks).serialize(s)
    }
}

impl<'de> Deserialize<'de> for Travels {
    fn deserialize<D: serde::Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        let Saved(keys, networks) = Saved::deserialize(d)?;
        Ok(Travels { keys: keys.into_iter().collect(), networks: networks.into_iter().collect() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: Timestamp = Timestamp::from_secs(1_790_000_000);
    const BOUNDS: Bounds = Bounds { km: 500.0, speed: 800.0 };

    fn mixed(n: u64) -> Id {
        Id(n.wrapping_mul(0x9E37_79B9_7F4A_7C15))
    }

    fn seen(minutes: i64, key: u64, place: Place, network: u64) -> Use {
        let time = START + Span::from_mins(minutes);
        Use { time, key: mixed(key), place, network: mixed(network), client: mixed(network), server: false }
    }

    fn singapore() -> Place {
        Place::new(1.3, 103.8, "SG", false)
    }

    fn frankfurt() -> Place {
        Place::new(50.1, 8.7, "DE", false)
    }

    #[test]
    fn nobody_flies_from_singapore_to_frankfurt_in_half_an_hour_but_in_a_day() {
        for (minutes, too_fast) in [(30, true), (120, true), (13 * 60, false), (20 * 60, false)] {
            let mut travels = Travels::default();
            for n in 0..40 {
                assert!(!travels.absorb(&seen(n, 1, singapore(), 1), &BOUNDS, 100));
            }
            let judged = travels.absorb(&seen(39 + minutes, 1, frankfurt(), 2), &BOUNDS, 100);
            assert_eq!(judged, too_fast, "{minutes}");
            let leg = travels.of(mixed(1)).unwrap().leg().map(|(leg, from, to)| (leg.speed(), from.place, to.place));
            assert_eq!(leg.is_some(), too_fast);
            if let Some((speed, from, to)) = leg {
                assert_eq!((from, to), (singapore(), frankfurt()));
                assert!((speed - 10_270.0 / (minutes as f64 / 60.0)).abs() < 200.0, "{speed}");
            }
        }
    }

    #[test]
    fn places_known_for_long_are_no_news() {
        let mut travels = Travels::default();
        travels.absorb(&seen(0, 1, singapore(), 1), &BOUNDS, 100);
        assert!(!travels.absorb(&seen(10, 1, frankfurt(), 2), &BOUNDS, 100), "at home in both from its beginning");
        for day in 1..20 {
            for (place, network) in [(singapore(), 1), (frankfurt(), 2)] {
                assert!(!travels.absorb(&seen(day * 1440 + network as i64, 1, place, network), &BOUNDS, 100));
            }
        }
        let paris = Place::new(48.9, 2.4, "FR", false);
        assert!(!travels.absorb(&seen(19 * 1440 + 60, 1, paris, 3), &BOUNDS, 100), "450 km from Frankfurt");
    }

    #[test]
    fn memory_is_bounded_and_comes_back() {
        let mut travels = Travels::default();
        for n in 0..30_000u64 {
            let place = Place::new((n % 170) as f64 - 85.0, (n % 350) as f64 - 175.0, "XX", false);
            travels.absorb(&seen(n as i64, n % 400, place, n), &BOUNDS, 100);
        }
        assert!(travels.keys.len() <= 100 && travels.networks.len() <= NETWORKS);
        assert!(travels.keys.values().all(|key| key.stays.len() <= STAYS));
        let bytes = postcard::to_stdvec(&travels).unwrap();
        assert_eq!(postcard::from_bytes::<Travels>(&bytes).unwrap(), travels);
        for key in 0..8 {
            travels.absorb(&seen(40_000, 90_000 + key, singapore(), 7), &BOUNDS, 100);
        }
        assert_eq!(travels.keys_of(mixed(7)), KEYS);
        // However many phones come by: gateways are found among them.
        for n in 0..60_000u64 {
            travels.absorb(&seen(41_000 + n as i64 / 40, n % 50, singapore(), 100_000 + n), &BOUNDS, 100);
            if n % 1000 == 0 {
                travels.absorb(&seen(41_000 + n as i64 / 40, 100 + n / 1000 % 4, singapore(), 50), &BOUNDS, 100);
            }
        }
        assert!(travels.keys_of(mixed(50)) >= 4 && travels.networks.len() <= NETWORKS);
    }
}
