//! Who fails to log in: per address how often, how fast and with how many different requests; and per log-in route how
//! many strangers fail there and how many get in after all.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::event::Id;
use crate::measure::distinct::Distinct;
use crate::measure::least::all_but;
use crate::measure::ring::Ring;
use crate::time::{Span, Timestamp};

/// A run of failures ends after so long without one.
const PAUSE: Span = Span::HOUR;
/// So many failures within so long are no person's.
const FAST: (usize, Span) = (10, Span::from_secs(60));
/// Different requests that are told apart.
const VARIETY: usize = 8;
/// Addresses are never fewer or more than this, however much memory there is.
const MOST: (usize, usize) = (256, 20_000);
/// While nobody attacks, failing addresses are counted for so long.
const CALM: Span = Span::from_mins(10);
/// Who failed within so long may be the first of an attack.
const JUST: Span = Span::from_mins(2);
/// Log-in routes that are followed.
const ROUTES: usize = 64;
/// Bytes an address takes, about.
const BYTES: usize = 320;

/// One attempt to log in.
#[derive(Clone, Copy, Debug)]
pub struct Attempt {
    /// When.
    pub time: Timestamp,
    /// From which address.
    pub client: Id,
    /// At which route.
    pub route: Id,
    /// What was sent, as far as the log tells it apart.
    pub request: Id,
    /// Whether the log tells apart what was sent.
    pub strong: bool,
    /// Whether the address was met a moment ago.
    pub stranger: bool,
    /// Whether it failed.
    pub failed: bool,
}

/// What one address tries.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Guesser {
    /// At which route: the newest one.
    pub route: Id,
    /// The first failure of the run, and the newest.
    pub started_at: Timestamp,
    /// See `started_at`.
    pub last_at: Timestamp,
    /// Failures of the run.
    pub failed: u32,
    /// Successes since it began.
    pub succeeded: u32,
    /// The first success after failures.
    pub got_in_at: Option<Timestamp>,
    /// Whether any ten failures came within a minute.
    pub fast: bool,
    /// Failures before the first success.
    pub failed_before: u32,
    newest: [Timestamp; FAST.0],
    gap: (f32, f32),
    sent: Vec<u32>,
    weak: bool,
    listed: bool,
    /// Whether nobody had met the address when it began to fail.
    stranger: bool,
}

impl Guesser {
    fn new(attempt: &Attempt) -> Self {
        Guesser {
            route: attempt.route,
            started_at: attempt.time,
            last_at: attempt.time,
            failed: 0,
            succeeded: 0,
            got_in_at: None,
            fast: false,
            failed_before: 0,
            newest: [Timestamp::MIN; FAST.0],
            gap: (0.0, 0.0),
            sent: Vec::new(),
            weak: false,
            listed: false,
            stranger: attempt.stranger,
        }
    }

    fn fail(&mut self, attempt: &Attempt) {
        let t = attempt.time;
        if self.failed > 0 {
            let gap = ((t - self.last_at).secs_f64().max(0.01)).ln() as f32;
            let weight = (1.0 / self.failed as f32).max(0.05);
            let off = gap - self.gap.0;
            self.gap.0 += weight * off;
            self.gap.1 = (1.0 - weight) * (self.gap.1 + weight * off * off);
        }
        if let Some(place) = self.newest.get_mut(self.failed as usize % FAST.0) {
            *place = t;
        }
        self.failed = self.failed.saturating_add(1);
        let oldest = self.newest.iter().copied().min().unwrap_or(t);
        self.fast |= self.failed as usize >= FAST.0 && t - oldest <= FAST.1;
        self.last_at = self.last_at.max(t);
        self.route = attempt.route;
        self.weak |= !attempt.strong;
        let sent = (attempt.request.0 ^ (attempt.request.0 >> 32)) as u32;
        if self.sent.len() < VARIETY && !self.sent.contains(&sent) {
            self.sent.push(sent);
        }
    }

    /// Share of its attempts that failed.
    pub fn share(&self) -> f64 {
        f64::from(self.failed) / f64::from((self.failed + self.succeeded).max(1))
    }

    /// Whether it sends the same again and again: a stored password that is wrong, not guesses. `None` where the log does
    /// not tell.
    pub fn repeats(&self) -> Option<bool> {
        (!self.weak && self.failed >= 4).then(|| self.sent.len() <= (1 + self.failed as usize / 20).min(VARIETY / 3))
    }

    /// Whether it tries at a steady beat: a machine that tries again.
    pub fn is_regular(&self) -> bool {
        self.failed >= 8 && self.gap.1 <= 0.12
    }

    /// Failures a minute since it began.
    pub fn per_minute(&self) -> f64 {
        f64::from(self.failed) / (self.last_at - self.started_at).mins_f64().max(1.0)
    }
}

/// What is known of a log-in route beside its counts.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
pub struct Door {
    /// Failures of addresses met a moment ago, by the minute.
    strange: Ring<64>,
    /// Successes of addresses that nobody had met when they failed before, by the minute.
    turned: Ring<64>,
    /// Usual share of successes after failures, as sums that fade.
    usual: (f32, f32),
    /// Addresses that failed since they were counted anew.
    failing: Distinct,
    last_failed: Timestamp,
    begun_at: Timestamp,
}

impl Door {
    /// Failures of strangers since the minute of `t`, at most an hour back.
    pub fn strange(&self, t: Timestamp) -> u64 {
        self.strange.sum(t.bucket(Span::MINUTE), i64::MAX)
    }

    /// Successes of addresses that failed before, strangers then, since the minute of `t`.
    pub fn turned(&self, t: Timestamp) -> u64 {
        self.turned.sum(t.bucket(Span::MINUTE), i64::MAX)
    }

    /// The usual share of those in all successes.
    pub fn usually_turned(&self) -> f64 {
        f64::from((self.usual.0 + 1.0) / (self.usual.1 + 10.0))
    }

    /// Different addresses that failed since an attack began, or in the last hours.
    pub fn addresses(&self) -> f64 {
        self.failing.count()
    }

    /// Nobody attacks: addresses are counted anew every few minutes, so that those of an attack are its own. Not while
    /// somebody fails just now: it may be the beginning of one.
    pub fn calm(&mut self, now: Timestamp) {
        let wait = if now - self.last_failed >= JUST { CALM } else { CALM.times(3) };
        if now - self.begun_at >= wait {
            (self.failing, self.begun_at) = (Distinct::default(), now);
        }
    }
}

/// Everybody who fails to log in, and where.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
pub struct Logins {
    guessers: BTreeMap<Id, Guesser>,
    doors: BTreeMap<Id, Door>,
    listed: Vec<Id>,
    over: Vec<f64>,
}

impl Logins {
    /// How many addresses fit into so many bytes.
    pub fn most_in(bytes: usize) -> usize {
        (bytes / BYTES).clamp(MOST.0, MOST.1)
    }

    /// Takes an attempt. Answers with the address if this is its first success after failures.
    pub fn absorb(&mut self, attempt: &Attempt, most: usize) -> Option<&Guesser> {
        let t = attempt.time;
        if self.doors.len() < ROUTES || self.doors.contains_key(&attempt.route) {
            let door = self.doors.entry(attempt.route).or_default();
            if attempt.failed {
                if t - door.last_failed >= CALM {
                    (door.failing, door.begun_at) = (Distinct::default(), t);
                }
                door.strange.add(t.bucket(Span::MINUTE), u32::from(attempt.stranger));
                door.last_failed = door.last_failed.max(t);
                door.failing.insert(attempt.client.0);
            } else {
                // Whoever is known and mistypes gets in as well, at any time.
                let turned = |g: &Guesser| g.stranger && t - g.last_at <= PAUSE;
                let turned = self.guessers.get(&attempt.client).is_some_and(turned);
                door.turned.add(t.bucket(Span::MINUTE), u32::from(turned));
                door.usual = (0.999 * door.usual.0 + f32::from(u8::from(turned)), 0.999 * door.usual.1 + 1.0);
            }
        }
        if !attempt.failed {
            let guesser = self.guessers.get_mut(&attempt.client).filter(|g| t - g.last_at <= PAUSE)?;
            guesser.succeeded = guesser.succeeded.saturating_add(1);
            if guesser.got_in_at.is_some() {
                return None;
            }
            guesser.got_in_at = Some(t);
            guesser.failed_before = guesser.failed;
            return Some(guesser);
        }
        if self.guessers.len() >= most && !self.guessers.contains_key(&attempt.client) {
            self.make_room(most);
        }
        let guesser = self.guessers.entry(attempt.client).or_insert_with(|| Guesser::new(attempt));
        if t - guesser.last_at > PAUSE {
            self.over.push(f64::from(guesser.failed));
            *guesser = Guesser { listed: guesser.listed, ..Guesser::new(attempt) };
        }
        guesser.fail(attempt);
        if guesser.failed as usize >= FAST.0 && !guesser.listed {
            guesser.listed = true;
            self.listed.push(attempt.client);
        }
        None
    }

    /// What an address tries.
    pub fn of(&self, client: Id) -> Option<&Guesser> {
        self.guessers.get(&client)
    }

    /// What is known of a route.
    pub fn door(&self, route: Id) -> Option<&Door> {
        self.doors.get(&route)
    }

    /// What is known of a route, to begin counting anew.
    pub fn door_mut(&mut self, route: Id) -> Option<&mut Door> {
        self.doors.get_mut(&route)
    }

    /// Addresses that failed at least so often at a route, nearly every time, and lately.
    pub fn guessing_at(&self, route: Id, least: u32, now: Timestamp) -> Vec<(Id, u32)> {
        let lately = |g: &Guesser| now - g.last_at <= Span::from_mins(10) && g.share() >= 0.8;
        let there = self.guessers.iter().filter(|(_, g)| g.route == route && g.failed >= least && lately(g));
        let mut found: Vec<(Id, u32)> = there.map(|(id, g)| (*id, g.failed)).collect();
        found.sort_by_key(|(id, n)| (std::cmp::Reverse(*n), *id));
        found
    }

    /// Takes the list of addresses that failed since the last call, ten times or more in all.
    pub fn take_listed(&mut self) -> Vec<Id> {
        let listed = std::mem::take(&mut self.listed);
        for client in &listed {
            if let Some(guesser) = self.guessers.get_mut(client) {
                guesser.listed = false;
            }
        }
        listed
    }

    /// Forgets whoever has not failed for an hour; answers with how often each of them had.
    pub fn sweep(&mut self, now: Timestamp) -> Vec<f64> {
        let over = &mut self.over;
        self.guessers.retain(|_, guesser| {
            let stays = now - guesser.last_at <= PAUSE;
            if !stays {
                over.push(f64::from(guesser.failed));
            }
            stays
        });
        self.doors.retain(|_, door| now - door.last_failed <= Span::from_days(28));
        std::mem::take(over)
    }

    /// Bytes in use.
    pub fn bytes(&self) -> usize {
        let doors = self.doors.values().map(|door| size_of::<Door>() + door.failing.bytes()).sum::<usize>();
        self.guessers.len() * BYTES + doors
    }

    fn make_room(&mut self, most: usize) {
        let order: Vec<(u32, Timestamp, Id)> = self.guessers.iter().map(|(id, g)| (g.failed, g.last_at, *id)).collect();
        for (.., id) in all_but(order, most / 2) {
            self.guessers.remove(&id);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: Timestamp = Timestamp::from_secs(1_790_000_000);

    fn attempt(seconds: i64, client: u64, request: u64, failed: bool) -> Attempt {
        Attempt {
            time: START + Span::from_secs(seconds),
            client: Id(client),
            route: Id(9),
            request: Id(request),
            strong: true,
            stranger: client > 100,
            failed,
        }
    }

    #[test]
    fn guesses_are_told_from_one_password_that_is_wrong() {
        let mut logins = Logins::default();
        for n in 0..40 {
            assert!(logins.absorb(&attempt(n * 3, 101, n as u64, true), 256).is_none());
            assert!(logins.absorb(&attempt(n * 60, 2, 5, true), 256).is_none());
        }
        let (guesser, job) = (logins.of(Id(101)).unwrap(), logins.of(Id(2)).unwrap());
        assert_eq!((guesser.repeats(), guesser.fast, guesser.share()), (Some(false), true, 1.0));
        assert_eq!((job.repeats(), job.fast, job.is_regular()), (Some(true), false, true));
        assert_eq!(logins.take_listed(), [Id(101), Id(2)]);
        let in_at = logins.absorb(&attempt(121, 101, 77, false), 256).map(|g| (g.got_in_at, g.failed_before));
        assert_eq!(in_at, Some((Some(START + Span::from_secs(121)), 40)));
        assert!(logins.absorb(&attempt(122, 101, 77, false), 256).is_none(), "told once");
        assert!(logins.absorb(&attempt(122, 3, 77, false), 256).is_none(), "who never failed");
        assert!(logins.absorb(&attempt(123, 2, 5, false), 256).is_some(), "who is known: no sign of an attack");
        assert_eq!(logins.guessing_at(Id(9), 10, START + Span::from_secs(2400)).len(), 1);
        assert_eq!(logins.door(Id(9)).map(|door| (door.addresses(), door.turned(START))), Some((2.0, 2)));
    }

    #[test]
    fn the_first_addresses_of_an_attack_are_counted_with_it() {
        let mut logins = Logins::default();
        let fails = |logins: &mut Logins, second: i64, client: u64| {
            logins.absorb(&attempt(second, client, client, true), 256);
            logins.door_mut(Id(9)).unwrap().calm(START + Span::from_secs(second + 1));
        };
        fails(&mut logins, 0, 1);
        fails(&mut logins, 595, 2);
        for n in 0..12 {
            fails(&mut logins, 3600 + n * 10, 300 + n as u64);
        }
        assert_eq!(logins.door(Id(9)).map(Door::addresses), Some(12.0), "nobody of an hour before, and none too few");
        for n in 0..300 {
            fails(&mut logins, 3720 + n * 10, 3);
        }
        assert!(logins.door(Id(9)).unwrap().addresses() < 5.0, "where some always fail they are counted anew as well");
    }

    #[test]
    fn people_are_slow() {
        let mut logins = Logins::default();
        for n in 0..12 {
            logins.absorb(&attempt(n * 25, 1, n as u64, true), 256);
        }
        assert_eq!(logins.of(Id(1)).map(|g| (g.fast, g.failed)), Some((false, 12)));
        logins.absorb(&attempt(2 * 3600, 1, 1, true), 256);
        assert_eq!(logins.of(Id(1)).map(|g| g.failed), Some(1), "an hour later it is another story");
        assert_eq!(logins.sweep(START + Span::from_days(1)), [12.0, 1.0]);
    }

    #[test]
    fn memory_is_bounded_and_saved() {
        let mut logins = Logins::default();
        for n in 0..30 {
            logins.absorb(&attempt(n, 1, n as u64, true), 256);
        }
        for n in 0..5000 {
            logins.absorb(&Attempt { route: Id(n % 500), ..attempt(30, 200 + n, n, true) }, 256);
        }
        assert!(logins.guessers.len() <= 256 && logins.doors.len() <= ROUTES && logins.of(Id(1)).is_some());
        let bytes = postcard::to_stdvec(&logins).unwrap();
        assert_eq!(postcard::from_bytes::<Logins>(&bytes).unwrap().guessers.len(), logins.guessers.len());
    }
}
