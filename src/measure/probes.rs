//! Who tries things out: callers whose requests are rejected again and again, each time for something else.
//!
//! Only rejected requests are noted, so whoever is served costs nothing. What counts is how many *different* things were
//! asked for in vain: a broken link that is polled for ever is one. A run is over after half an hour without a rejection,
//! and after a day in any case.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use smallvec::SmallVec;

use crate::event::{Event, Id};
use crate::measure::distinct::Distinct;
use crate::measure::least::all_but;
use crate::measure::walk::{self, Numbers};
use crate::time::{Span, Timestamp};

/// A run ends after so long without a rejection, and after so long in any case.
const PAUSE: Span = Span::from_mins(30);
const LONGEST: Span = Span::DAY;
/// One of the things asked for in vain is forgotten in so long: whoever is slower never has many at once.
const LEAK: Span = Span::from_secs(10);
/// Things that are known to have been asked for a moment ago.
const RECENT: usize = 32;
/// So many times as many different things as there are in all is somebody who goes in a circle.
const CIRCLE: f64 = 1.25;
/// Routes of a run that are told apart, and walked.
const ROUTES: usize = 4;
const WALKS: usize = 2;
/// Callers are never fewer or more than this, however much memory there is.
const MOST: (usize, usize) = (256, 20_000);
/// What is left of the largest earlier run after a day.
const KEPT: f32 = 0.98;

/// A request that was rejected.
#[derive(Clone, Copy, Debug)]
pub struct Rejection {
    /// When.
    pub time: Timestamp,
    /// What was asked for.
    pub resource: Id,
    /// On which route.
    pub route: Id,
    /// The number in its path, [`Event::UNKNOWN`] if there is none.
    pub number: u32,
    /// With which status.
    pub status: u16,
    /// Only scanners ask for it.
    pub scanner: bool,
    /// The agent declares itself a crawler.
    pub crawler: bool,
}

/// The beginning of something, and what came since.
#[derive(Clone, Copy, PartialEq, Debug, Serialize, Deserialize)]
pub struct Onset {
    /// When it began.
    pub at: Timestamp,
    /// Rejections since.
    pub rejected: u32,
    /// Different things among them, about.
    pub things: f64,
}

/// What one caller asked for in vain. At most some 700 bytes.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Probe {
    /// When the run began.
    pub started_at: Timestamp,
    /// The newest rejection, and the newest one for something else than before.
    pub last_at: Timestamp,
    /// See `last_at`.
    pub newest: Timestamp,
    /// Rejections of the run.
    pub rejected: u32,
    /// Of something else than before, for what only scanners ask.
    pub scanned: u32,
    /// By a declared crawler.
    crawled: u32,
    /// With 400, 403, 404 and other statuses.
    pub statuses: [u32; 4],
    level: f32,
    /// Since when there was always something in `level`, and what was rejected since.
    dense: Onset,
    things: Distinct,
    recent: Vec<u32>,
    next: u8,
    routes: SmallVec<[(Id, u32); ROUTES]>,
    walks: Vec<Numbers>,
    /// Days on which it did so before, the most things on one of them, and the last such day.
    earlier: (u16, f32, i64),
    day: i64,
    /// Whether it waits to be looked at.
    listed: bool,
}

impl Probe {
    fn new(t: Timestamp) -> Self {
        Probe {
            started_at: t,
            last_at: t,
            newest: t,
            rejected: 0,
            scanned: 0,
            crawled: 0,
            statuses: [0; 4],
            level: 0.0,
            dense: Onset { at: t, rejected: 0, things: 0.0 },
            things: Distinct::default(),
            recent: Vec::new(),
            next: 0,
            routes: SmallVec::new(),
            walks: Vec::new(),
            earlier: (0, 0.0, i64::MIN),
            day: t.bucket(Span::DAY),
            listed: false,
        }
    }

    fn is_over(&self, now: Timestamp) -> bool {
        now - self.last_at > PAUSE || now - self.started_at > LONGEST
    }

    /// Begins another run; what the one before came to is remembered.
    fn begin(&mut self, t: Timestamp) {
        let things = self.things() as f32;
        let day = t.bucket(Span::DAY);
        let (mut days, mut most, mut last) = self.earlier;
        if things >= 10.0 {
            if self.day > last {
                (days, last) = (days.saturating_add(1), self.day);
            }
            most = most.max(things);
        }
        let passed = (day - self.day).clamp(0, 400) as i32;
        let earlier = (days, most * KEPT.powi(passed), last);
        *self = Probe { earlier, listed: self.listed, ..Probe::new(t) };
    }

    fn take(&mut self, rejection: &Rejection) {
        let t = rejection.time;
        self.last_at = self.last_at.max(t);
        if self.level_at(t) <= 0.0 {
            self.dense = Onset { at: t, rejected: 0, things: 0.0 };
        }
        self.dense.rejected = self.dense.rejected.saturating_add(1);
        self.rejected = self.rejected.saturating_add(1);
        self.crawled = self.crawled.saturating_add(u32::from(rejection.crawler));
        let status = match rejection.status {
            400 => 0,
            403 => 1,
            404 => 2,
            _ => 3,
        };
        if let Some(n) = self.statuses.get_mut(status) {
            *n = n.saturating_add(1);
        }
        if let Some((_, n)) = self.routes.iter_mut().find(|(route, _)| *route == rejection.route) {
            *n += 1;
        } else if self.routes.len() < ROUTES {
            self.routes.push((rejection.route, 1));
        } else if let Some(least) = self.routes.iter_mut().min_by_key(|(_, n)| *n) {
            // The smallest gives way and leaves its count: none that matters is overlooked.
            *least = (rejection.route, least.1 + 1);
        }
        let thing = (rejection.resource.0 ^ (rejection.resource.0 >> 32)) as u32;
        if self.recent.contains(&thing) {
            return;
        }
        if self.recent.len() < RECENT {
            self.recent.push(thing);
        } else if let Some(place) = self.recent.get_mut(usize::from(self.next) % RECENT) {
            *place = thing;
            self.next = (self.next + 1) % RECENT as u8;
        }
        self.level = self.level_at(t) + 1.0;
        self.dense.things += 1.0;
        self.newest = self.newest.max(t);
        self.things.insert(rejection.resource.0);
        self.scanned = self.scanned.saturating_add(u32::from(rejection.scanner));
        if rejection.number != Event::UNKNOWN {
            walk::note(&mut self.walks, WALKS, rejection.route.0 as u32, rejection.number);
        }
    }

    /// Different things asked for in vain lately, each forgotten after ten seconds of their own.
    pub fn level_at(&self, now: Timestamp) -> f32 {
        let leaked = (now - self.newest).max(Span::ZERO).secs_f64() / LEAK.secs_f64();
        (self.level - leaked as f32).max(0.0)
    }

    /// Different things asked for in vain in this run.
    pub fn things(&self) -> f64 {
        self.things.count()
    }

    /// Since when it does so, and what was rejected since: of somebody whose requests are rejected now and then, since they
    /// came one after the other.
    pub fn onset(&self) -> Onset {
        if self.level >= 10.0 {
            // Whoever goes in a circle comes back to what was forgotten meanwhile; what is known of all is known within 7 %.
            let things = self.things();
            let around = self.dense.things > CIRCLE * things;
            return Onset { things: if around { things.round() } else { self.dense.things }, ..self.dense };
        }
        Onset { at: self.started_at, rejected: self.rejected, things: self.things() }
    }

    /// Whether a declared crawler asks for most of it.
    pub fn is_crawler(&self) -> bool {
        self.crawled * 2 > self.rejected
    }

    /// Days before this one on which it did so, and how much on the worst of them.
    pub fn earlier(&self) -> (u16, f64) {
        (self.earlier.0, f64::from(self.earlier.1))
    }

    /// The route that rejected most, and how often.
    pub fn worst_route(&self) -> Option<(Id, u32)> {
        self.routes.iter().copied().max_by_key(|(route, n)| (*n, *route))
    }

    /// Shares of the routes in all rejections, largest first.
    pub fn routes(&self) -> Vec<(Id, f64)> {
        let mut routes: Vec<(Id, f64)> =
            self.routes.iter().map(|(id, n)| (*id, f64::from(*n) / f64::from(self.rejected.max(1)))).collect();
        routes.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
        routes
    }

    /// Share of the rejected numbers that follow each other, and how many do, if it walks through them.
    pub fn in_sequence(&self) -> Option<(f64, u32)> {
        self.walks.iter().filter_map(|walk| Some((walk.share()?, walk.steps))).max_by(|a, b| a.0.total_cmp(&b.0))
    }

    /// A cheap first look: with less nobody could have anything to say.
    fn may_matter(&self) -> bool {
        self.level >= 10.0 || self.rejected >= 50 || self.walks.iter().any(|walk| walk.steps >= 30)
    }

    /// Bytes in use.
    fn bytes(&self) -> usize {
        size_of::<Self>()
            + self.things.bytes()
            + 4 * self.recent.capacity()
            + self.walks.capacity() * size_of::<Numbers>()
    }
}

/// What a run that is over came to: it teaches what is usual here.
#[derive(Clone, Copy, PartialEq, Debug, Serialize, Deserialize)]
pub struct Over {
    /// Whether a key did it.
    pub keyed: bool,
    /// Different things asked for in vain.
    pub things: f64,
}

/// Everybody whose requests are rejected, within a limit.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
pub struct Probes {
    /// By whether the caller is a key, and its id.
    callers: BTreeMap<(bool, Id), Probe>,
    listed: Vec<(bool, Id)>,
    over: Vec<Over>,
}

impl Probes {
    /// How many callers fit into so many bytes.
    pub fn most_in(bytes: usize) -> usize {
        (bytes / 700).clamp(MOST.0, MOST.1)
    }

    /// Takes a rejection of a caller; `most` callers are remembered.
    pub fn absorb(&mut self, caller: (bool, Id), rejection: &Rejection, most: usize) {
        if !self.callers.contains_key(&caller) && self.callers.len() >= most {
            self.make_room(most, rejection.time);
        }
        let probe = self.callers.entry(caller).or_insert_with(|| Probe::new(rejection.time));
        if probe.is_over(rejection.time) {
            self.over.extend(over(caller, probe));
            probe.begin(rejection.time);
        }
        probe.take(rejection);
        if !probe.listed && probe.may_matter() {
            probe.listed = true;
            self.listed.push(caller);
        }
    }

    /// What is remembered of a caller.
    pub fn of(&self, caller: (bool, Id)) -> Option<&Probe> {
        self.callers.get(&caller)
    }

    /// Takes the list of callers that may matter and were rejected since the last call.
    pub fn take_listed(&mut self) -> Vec<(bool, Id)> {
        let listed = std::mem::take(&mut self.listed);
        for caller in &listed {
            if let Some(probe) = self.callers.get_mut(caller) {
                probe.listed = false;
            }
        }
        listed
    }

    /// Forgets whoever did nothing of note for a day, and answers with the runs that ended.
    pub fn sweep(&mut self, now: Timestamp) -> Vec<Over> {
        let ended = &mut self.over;
        self.callers.retain(|caller, probe| {
            if probe.rejected > 0 && now - probe.last_at > PAUSE {
                ended.extend(over(*caller, probe));
                probe.begin(probe.last_at);
            }
            let keep = if probe.earlier.0 > 0 { Span::from_days(28) } else { PAUSE };
            now - probe.last_at <= keep
        });
        std::mem::take(ended)
    }

    /// Bytes in use.
    pub fn bytes(&self) -> usize {
        self.callers.values().map(|probe| probe.bytes() + size_of::<(bool, Id)>() + 16).sum()
    }

    /// Keeps the half that matters most: who has just asked for many things, then who did so most lately.
    fn make_room(&mut self, most: usize, now: Timestamp) {
        let order: Vec<((u32, Timestamp), (bool, Id))> = self
            .callers
            .iter()
            .map(|(caller, probe)| {
                ((probe.level_at(now) as u32 + u32::from(probe.earlier.0 > 0), probe.last_at), *caller)
            })
            .collect();
        for (_, caller) in all_but(order, most / 2) {
            if let Some(probe) = self.callers.remove(&caller) {
                self.over.extend(over(caller, &probe));
            }
        }
    }
}

/// A run that asked for hardly anything says nothing of what is usual.
fn over((keyed, _): (bool, Id), probe: &Probe) -> Option<Over> {
    let things = probe.things();
    (things >= 5.0 && !probe.is_crawler()).then_some(Over { keyed, things })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::Hasher;

    fn rejection(t: Timestamp, n: u32) -> Rejection {
        let resource = Hasher::new(1).id(&n.to_le_bytes());
        Rejection {
            time: t,
            resource,
            route: Id(7),
            number: n,
            status: 404,
            scanner: n.is_multiple_of(2),
            crawler: false,
        }
    }

    const START: Timestamp = Timestamp::from_secs(1_790_000_000);

    #[test]
    fn a_broken_link_is_one_thing_however_often_it_is_polled() {
        let mut probes = Probes::default();
        for n in 0..5000 {
            probes.absorb((false, Id(1)), &rejection(START + Span::from_secs(n), 4), 100);
        }
        let probe = probes.of((false, Id(1))).unwrap();
        assert_eq!((probe.things(), probe.scanned, probe.rejected), (1.0, 1, 5000));
        assert!(probe.level_at(START + Span::from_secs(5000)) < 1.5);
    }

    #[test]
    fn a_walk_is_seen_and_a_run_ends() {
        let mut probes = Probes::default();
        for n in 0..100 {
            probes.absorb((true, Id(1)), &rejection(START + Span::from_secs(n), 1000 + n as u32), 100);
        }
        assert_eq!(probes.take_listed(), [(true, Id(1))]);
        assert!(probes.take_listed().is_empty());
        let probe = probes.of((true, Id(1))).unwrap();
        assert!((probe.things() / 100.0 - 1.0).abs() < 0.2, "{}", probe.things());
        assert!(probe.level_at(START + Span::from_secs(99)) > 85.0);
        assert!(probe.in_sequence().is_some_and(|(share, steps)| share > 0.9 && steps >= 90));
        assert_eq!(probe.worst_route(), Some((Id(7), 100)));
        // Two days later it does so again: that is known then.
        probes.absorb((true, Id(1)), &rejection(START + Span::from_days(2), 1), 100);
        let probe = probes.of((true, Id(1))).unwrap();
        assert_eq!((probe.things(), probe.earlier().0), (1.0, 1));
        assert!(probe.earlier().1 > 80.0);
        let over = probes.sweep(START + Span::from_days(3));
        assert_eq!(over.len(), 1, "{over:?}");
        for day in 4..6 {
            let t = START + Span::from_days(day);
            (0..20).for_each(|n| probes.absorb((true, Id(1)), &rejection(t + Span::from_secs(n), n as u32), 100));
            probes.sweep(t + Span::HOUR);
        }
        assert_eq!(probes.of((true, Id(1))).map(|probe| probe.earlier().0), Some(3));
    }

    #[test]
    fn of_the_often_rejected_only_what_comes_at_once_is_one_thing() {
        let mut probes = Probes::default();
        for n in 0..100 {
            probes.absorb((true, Id(1)), &rejection(START + Span::from_mins(5 * n), n as u32), 100);
        }
        let begins = START + Span::from_hours(9);
        for n in 0..40 {
            probes.absorb((true, Id(1)), &rejection(begins + Span::from_secs(2 * n), 5000 + n as u32), 100);
        }
        let onset = probes.of((true, Id(1))).unwrap().onset();
        assert_eq!((onset.at, onset.rejected, onset.things), (begins, 40, 40.0));
    }

    #[test]
    fn whoever_goes_in_a_circle_asks_for_nothing_new() {
        let mut probes = Probes::default();
        for n in 0..400 {
            probes.absorb((true, Id(1)), &rejection(START + Span::from_secs(n), 1 + n as u32 % 80), 100);
        }
        let probe = probes.of((true, Id(1))).unwrap();
        assert!((70.0..=90.0).contains(&probe.onset().things), "{:?}", probe.onset());
        let (share, steps) = probe.in_sequence().unwrap();
        assert!(share > 0.85 && steps == 79, "{share} {steps}");
    }

    #[test]
    fn memory_is_bounded_and_whoever_matters_stays() {
        let mut probes = Probes::default();
        for n in 0..60 {
            probes.absorb((false, Id(1)), &rejection(START + Span::from_secs(n), n as u32), 256);
        }
        for n in 0..20_000u64 {
            let t = START + Span::from_secs(60) + Span::from_millis(n as i64);
            probes.absorb((false, Id(100 + n)), &rejection(t, n as u32), 256);
            assert!(probes.callers.len() <= 256);
        }
        assert!(probes.of((false, Id(1))).is_some_and(|probe| probe.rejected == 60));
        let bytes = postcard::to_stdvec(&probes).unwrap();
        let again: Probes = postcard::from_bytes(&bytes).unwrap();
        assert_eq!(again.callers.len(), probes.callers.len());
        assert!(probes.bytes() < 256 * 700, "{}", probes.bytes());
        probes.sweep(Timestamp::MAX);
        assert!(probes.callers.is_empty());
    }
}
