//! What a caller reads: how many different resources in a day, how many it usually reads, and whether it walks through
//! them one by one.
//!
//! Two windows of 24 hours that begin twelve hours apart, at local midnight and noon, so that whoever collects through
//! the night is seen whole in one of them. Days are learned from the window that begins at midnight.

mod lately;
mod walked;

use serde::{Deserialize, Serialize};

pub use self::lately::Lately;
pub use self::walked::{Walk, Walked};
use crate::event::{Event, Id};
use crate::measure::distinct::Distinct;
use crate::measure::walk::{self, Next, Numbers};
use crate::time::{Span, Timestamp, Zone};

/// The windows begin this far apart.
const HALF: Span = Span::from_hours(12);
/// What is left of old days after a day.
const KEPT: f32 = 0.95;
/// Spread of a day's total that a caller is born with, and how many days that belief is worth.
const PRIOR_SPREAD: (f32, f32) = (0.3, 3.0);
/// Nobody is more regular than this.
const LEAST_SPREAD: f32 = 0.1;
/// What is left of a remembered peak after a day.
const PEAK_KEPT: f32 = 0.99;
/// Routes whose last number is remembered.
const WALKS: usize = 8;
/// An incident that goes on for so long is the new normal.
const ACCEPTED_AFTER: Span = Span::from_days(7);

/// What one caller reads. Some 200 bytes for who reads little, at most 800.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Harvest {
    /// Number of the half day of the newest request, in the local zone: even ones begin at midnight.
    half: i64,
    windows: [Window; 2],
    days: Days,
    walks: Vec<Numbers>,
    held_since: Option<Timestamp>,
    /// Different resources an hour when it was found to collect.
    pace: f32,
    /// Saved beside the others, since older states do not have them.
    #[serde(skip)]
    walked: Walked,
    #[serde(skip)]
    lately: Lately,
}

/// One request that read something.
#[derive(Clone, Copy, Debug)]
pub struct Reading {
    /// When, by the log.
    pub time: Timestamp,
    /// Which thing.
    pub resource: Id,
    /// By which route.
    pub route: Id,
    /// The number in its path, [`Event::UNKNOWN`] if there is none.
    pub number: u32,
    /// Whether the agent declares itself a crawler.
    pub crawler: bool,
}

/// The newest 24 hours at most.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
struct Window {
    resources: Distinct,
    requests: u32,
    crawler: u32,
    /// Whether an incident was open in it: then it teaches nothing.
    held: bool,
}

/// A window as it is judged.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Seen {
    /// When it began.
    pub start: Timestamp,
    /// Different resources.
    pub resources: f64,
    /// At least so many, estimates being what they are.
    pub at_least: f64,
    /// At least so many in the whole window of which it is a part, or which it is.
    pub of_window: f64,
    /// Requests that read them.
    pub requests: u32,
    /// Spread of the days that it is compared with: variance beyond Poisson over squared mean.
    pub spread: f64,
}

/// A day that is over: different resources, and whether a declared crawler read them.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Day {
    /// Different resources.
    pub resources: f64,
    /// Whether most requests were a declared crawler's.
    pub crawler: bool,
}

/// A caller's day totals.
#[derive(Clone, Copy, PartialEq, Debug, Default, Serialize, Deserialize)]
struct Days {
    sum: f32,
    weight: f32,
    over: f32,
    largest: (f32, f32),
    count: u16,
}

impl Days {
    fn mean(&self) -> f32 {
        if self.weight > 0.0 { self.sum / self.weight } else { 0.0 }
    }

    /// Variance beyond Poisson over squared mean.
    fn spread(&self) -> f32 {
        let known = (PRIOR_SPREAD.0 * PRIOR_SPREAD.1 + self.over) / (PRIOR_SPREAD.1 + self.weight);
        known.max(LEAST_SPREAD)
    }

    /// Learns a day. Answers with how far it was off a mean, where that is known.
    fn learn(&mut self, resources: f32) -> Option<(f32, f32)> {
        let (mean, spread) = (self.mean().max(1.0), self.spread());
        let mut taught = resources;
        let mut known = None;
        if self.count >= 2 {
            // A day teaches at most what a wild but usual day could bring.
            taught = taught.min(mean * (1.0 + 4.0 * (spread + 1.0 / mean).sqrt()) + 10.0);
            let off = taught - mean;
            self.over = self.over * KEPT + (off * off - mean) / (mean * mean);
            known = Some((off, mean));
        }
        self.sum = self.sum * KEPT + taught;
        self.weight = self.weight * KEPT + 1.0;
        let (first, second) = (self.largest.0 * PEAK_KEPT, self.largest.1 * PEAK_KEPT);
        self.largest = if resources > first { (resources, first) } else { (first, second.max(resources)) };
        self.count = self.count.saturating_add(1);
        known
    }
}

impl Harvest {
    /// A caller that is met at `time`.
    pub fn new(time: Timestamp, zone: Zone) -> Self {
        Harvest {
            half: half_of(time, zone),
            windows: [Window::default(), Window::default()],
            days: Days::default(),
            walked: Walked::default(),
            lately: Lately::default(),
            walks: Vec::new(),
            held_since: None,
            pace: 0.0,
        }
    }

    /// Reads a little of what [`Harvest::absorb`] looks at; the answer means nothing.
    pub(super) fn warm(&self) -> u64 {
        let windows = self.windows.each_ref().map(|window| window.resources.warm() ^ u64::from(window.requests));
        windows[0] ^ windows[1] ^ self.half as u64
    }

    /// Takes one request that read something. Answers with the day that it found to be over.
    pub fn absorb(&mut self, reading: &Reading, zone: Zone) -> Option<Day> {
        let half = half_of(reading.time, zone);
        let day = if half > self.half { self.turn(half, reading.time) } else { None };
        if self.lately.is_over(reading.time) {
            let counts = self.windows.each_ref().map(|window| window.resources.count());
            self.lately.mark(reading.time, counts);
        }
        for window in &mut self.windows {
            window.resources.insert(reading.resource.0);
            window.requests = window.requests.saturating_add(1);
            window.crawler = window.crawler.saturating_add(u32::from(reading.crawler));
        }
        if reading.number != Event::UNKNOWN {
            self.walk(reading.route.0 as u32, reading.number, reading.time);
        }
        day
    }

    /// Both windows as of `now`, the one that began earlier first.
    pub fn seen(&self, now: Timestamp, zone: Zone) -> [Seen; 2] {
        let one = |half: i64| {
            let window = &self.windows[half.rem_euclid(2) as usize];
            let resources = window.resources.count();
            let at_least = if window.resources.is_exact() { resources } else { 0.9 * resources };
            let start = Timestamp::of_bucket(half, HALF) - zone.offset(now);
            let spread = f64::from(self.days.spread());
            Seen { start, resources, at_least, of_window: at_least, requests: window.requests, spread }
        };
        [one(self.half - 1), one(self.half)]
    }

    /// What it read within `longer`, the first of [`Harvest::seen`], since the start of the third hour before this one, and
    /// nowhere in that window before: a lower bound. `requests` says how many it made since then. [`None`] where the window
    /// is younger.
    pub fn seen_lately(&self, longer: &Seen, now: Timestamp, requests: impl FnOnce(Timestamp) -> u64) -> Option<Seen> {
        let (start, before) = self.lately.before(now, (self.half - 1).rem_euclid(2) as usize)?;
        // Both are estimates, of much the same.
        let resources = (longer.resources - before).max(0.0);
        let at_least = (longer.at_least - before).max(0.0);
        (start > longer.start).then(|| Seen {
            start,
            resources,
            at_least,
            of_window: longer.at_least,
            requests: u32::try_from(requests(start)).unwrap_or(u32::MAX),
            // What lasts is no burst: how far its busy days go is measure enough.
            spread: self.lately.spread().unwrap_or(longer.spread),
        })
    }

    /// Requests of the longer window: a cheap first look.
    pub fn requests(&self) -> u32 {
        self.windows[0].requests.max(self.windows[1].requests)
    }

    /// Whether a declared crawler makes most of its requests.
    pub fn is_crawler(&self) -> bool {
        self.windows.iter().any(|window| window.crawler * 2 > window.requests)
    }

    /// Different resources of a usual day on which it reads at all, and how many such days there were.
    pub fn usual(&self) -> (f64, u16) {
        (f64::from(self.days.mean()), self.days.count)
    }

    /// The second largest day: what it did twice is no news.
    pub fn did_twice(&self) -> f64 {
        f64::from(self.days.largest.1)
    }

    /// Share of the numbers on its most walked route that follow each other, if it walks through them.
    pub fn in_sequence(&self) -> Option<f64> {
        self.walks.iter().filter_map(Numbers::share).max_by(f64::total_cmp)
    }

    /// The walk through numbers that goes on at `now`, if it is one that this caller has never made before.
    pub fn walks_anew(&self, now: Timestamp) -> Option<Walk> {
        let walks = self.walks.iter().filter(|walk| walk.is_likely());
        walks.filter_map(|walk| self.walked.news(walk.route, now)).max_by_key(|walk| walk.steps)
    }

    /// What it read by the hour: saved beside it.
    pub fn lately(&self) -> &Lately {
        &self.lately
    }

    /// Takes up what was saved beside it.
    pub fn remember_lately(&mut self, lately: Lately) {
        self.lately = lately;
    }

    /// How it walks: saved beside it.
    pub fn walked(&self) -> &Walked {
        &self.walked
    }

    /// Takes up what was saved beside it.
    pub fn remember(&mut self, walked: Walked) {
        self.walked = walked;
    }

    /// Bytes in use.
    pub fn bytes(&self) -> usize {
        let windows = self.windows.iter().map(|window| window.resources.bytes()).sum::<usize>();
        size_of::<Self>() + self.walks.capacity() * size_of::<Numbers>() + self.walked.heap_bytes() + windows
    }

    /// Forgets what it read lately, but not what is usual: for a second look at a log that was read to its end.
    pub fn rewind(&mut self) {
        let (days, walked, lately) = (self.days, self.walked.clone(), self.lately.rewound());
        *self = Harvest { half: i64::MIN / 2, days, walked, lately, ..Harvest::new(Timestamp::MIN, Zone::UTC) };
    }

    /// Notes that it was found to collect so many different resources an hour: from now on nothing is learned of it.
    pub fn hold(&mut self, now: Timestamp, pace: f64) {
        self.held_since.get_or_insert(now);
        self.windows.iter_mut().for_each(|window| window.held = true);
        self.pace = self.pace.max(pace as f32);
    }

    /// The incident is over. What the windows hold by now is not learned either.
    pub fn release(&mut self) {
        self.held_since = None;
    }

    /// Whether an incident about it is open.
    pub fn is_held(&self) -> bool {
        self.held_since.is_some()
    }

    /// Different resources an hour when it was found to collect.
    pub fn pace(&self) -> f64 {
        f64::from(self.pace)
    }

    fn turn(&mut self, half: i64, now: Timestamp) -> Option<Day> {
        let mut day = None;
        for begins in self.half + 1..=half.min(self.half + 2) {
            let fresh = Window { held: self.held_since.is_some(), ..Window::default() };
            let over = std::mem::replace(&mut self.windows[begins.rem_euclid(2) as usize], fresh);
            self.lately.forget(begins.rem_euclid(2) as usize);
            if begins.rem_euclid(2) == 0 && over.requests > 0 && !over.held {
                day = Some(Day { resources: over.resources.count(), crawler: over.crawler * 2 > over.requests });
            }
        }
        self.half = half;
        if day.is_some() {
            self.walked.learn(self.walks.iter().map(|walk| walk.steps).max().unwrap_or(0));
        }
        self.walks.retain_mut(|walk| {
            (walk.steps, walk.seen) = (walk.steps / 2, walk.seen / 2);
            walk.seen > 0
        });
        if self.held_since.is_some_and(|since| now - since >= ACCEPTED_AFTER) {
            self.release();
        }
        let day = day?;
        self.pace = 0.0;
        if let Some((off, mean)) = self.days.learn(day.resources as f32) {
            self.lately.learn(off, mean);
        }
        Some(day)
    }

    fn walk(&mut self, route: u32, number: u32, now: Timestamp) {
        match walk::note(&mut self.walks, WALKS, route, number) {
            Next::Nothing => {}
            Next::Step => self.walked.step(route, now),
            Next::Stray(route) => self.walked.stray(route),
        }
    }
}

fn half_of(t: Timestamp, zone: Zone) -> i64 {
    (t + zone.offset(t)).bucket(HALF)
}

#[cfg(test)]
mod tests;
