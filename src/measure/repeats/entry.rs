//! One call that repeats: its run, its days, its rhythm.

use serde::{Deserialize, Serialize};

use super::days::Days;
use super::pace::Pace;
use super::{Call, Run};
use crate::event::{Event, Flags, Id, Method, as_written};
use crate::measure::slots::Slot;
use crate::time::{Span, Timestamp};

/// A run ends after a pause of twelve times its typical gap, but not before half an hour and not after six hours.
const PAUSE: (i64, Span, Span) = (12, Span::from_mins(30), Span::from_hours(6));

/// Gaps below this are taken as this: many logs have whole seconds only.
const SHORTEST_GAP_S: f32 = 0.5;

/// Smallest weight of a new value in a running mean: the last twenty or so count.
const LEAST_WEIGHT: f32 = 0.05;

/// A run of this length that was there from the start of all history makes its call a known one.
const CUSTOM: u32 = 40;

/// Runs shorter than this have not proved to be runs: under pressure they go first.
const PROVED: u32 = 5;

/// Share of failures below which a failing run is over.
const FAILING_ENDS: f64 = 0.6;

const CALLER_IS_KEY: u8 = 1;
const STRONG: u8 = 2;
const KNOWN: u8 = 4;
const HELD: u8 = 8;
/// The run's length (or the day's part of it) is in the route's histogram already.
const LEARNED: u8 = 16;
/// The run begins with two sightings of which only the number is known.
const PROMOTED: u8 = 32;
const COST_KNOWN: u8 = 64;
const TIMED: u8 = 128;

/// A call in the table.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Entry {
    request: Id,
    caller: Id,
    route: Id,
    last: Timestamp,
    cost: f64,
    first_s: u32,
    start_s: u32,
    failing_start_s: u32,
    calls: u32,
    failures: u32,
    failing_calls: u32,
    failing_failures: u32,
    gaps: u32,
    gap_mean: f32,
    gap_variance: f32,
    latency_ms: f32,
    days: Days,
    pace: Pace,
    last_status: u16,
    method: Method,
    flags: u8,
}

/// A run that is over, or a day of one: its length, and whether it failed.
pub(super) type Ended = Option<(u32, bool)>;

impl Entry {
    /// A call met for the third time within six to twelve hours. The two sightings before count, but when they were is
    /// not known.
    pub(super) fn new(call: &Call, days: Option<Days>) -> Self {
        let mut entry = Entry {
            request: call.request,
            caller: call.caller,
            route: call.route,
            last: call.time,
            cost: 0.0,
            first_s: seconds(call.time),
            start_s: 0,
            failing_start_s: 0,
            calls: 0,
            failures: 0,
            failing_calls: 0,
            failing_failures: 0,
            gaps: 0,
            gap_mean: 0.0,
            gap_variance: 0.0,
            latency_ms: 0.0,
            days: days.unwrap_or(Days::new(call.day)),
            pace: Pace::default(),
            last_status: 0,
            method: call.method,
            flags: 0,
        };
        entry.days.turn(call.day, false);
        entry.begin(call, PROMOTED);
        entry.count(call, 3);
        entry
    }

    /// Takes a sighting. `witnessed_from`: the start of all history.
    pub(super) fn absorb(&mut self, call: &Call, witnessed_from: Timestamp) -> Ended {
        let mut ended = None;
        let gap = call.time - self.last;
        if self.is_pause(gap) {
            ended = self.end();
            if self.calls >= CUSTOM && self.started() - witnessed_from < Span::DAY && !self.has(HELD) {
                self.flags |= KNOWN;
            }
            self.begin(call, 0);
        } else if gap >= Span::ZERO {
            self.rhythm(gap);
        }
        let today = self.days.today;
        if self.days.turn(call.day, self.has(HELD)) && ended.is_none() && today > 0 && self.calls > 0 {
            ended = self.learn(today.min(self.calls));
        }
        self.count(call, 1);
        ended
    }

    /// Somebody was told of it as a caller that goes on like this: it is no news any more.
    pub(super) fn know(&mut self) {
        self.flags |= KNOWN;
    }

    /// What the run teaches when it is over: nothing if it did already, or belongs to an incident.
    pub(super) fn end(&mut self) -> Ended {
        if self.has(LEARNED) { None } else { self.learn(self.calls) }
    }

    /// Calls of the run so far.
    pub(super) fn calls(&self) -> u32 {
        self.calls
    }

    /// Whether its run taught already what it has to teach when it is over.
    pub(super) fn has_taught(&self) -> bool {
        self.has(LEARNED)
    }

    /// Whether it has paused for longer than a run may, as of `now`.
    pub(super) fn is_over(&self, now: Timestamp) -> bool {
        self.is_pause(now - self.last)
    }

    /// Whether it may not pause for so long. Most gaps are settled by the shortest and the longest pause of any run.
    fn is_pause(&self, gap: Span) -> bool {
        gap > PAUSE.2 || (gap > PAUSE.1 && gap > self.longest_pause())
    }

    /// While held, it belongs to an open incident: what it does is not learned as usual.
    /// What was told is not learned when it is over either: two loops on a route would make a third one usual.
    pub(super) fn hold(&mut self, held: bool) {
        if held {
            self.flags |= HELD;
        } else if self.has(HELD) {
            self.flags = self.flags & !HELD | LEARNED;
        }
    }

    /// When it was last seen.
    pub(super) fn last(&self) -> Timestamp {
        self.last
    }

    /// Its days.
    pub(super) fn days(&self) -> Days {
        self.days
    }

    /// Its route and method.
    pub(super) fn route(&self) -> (Id, Method) {
        (self.route, self.method)
    }

    /// The run as it stands.
    pub(super) fn run(&self, witnessed_from: Timestamp) -> Run {
        let started_at = self.started().max(witnessed_from);
        let whole = self.failing_calls >= self.calls;
        let failing_at = if whole { started_at } else { Timestamp::from_secs(i64::from(self.failing_start_s)) };
        Run {
            request: self.request,
            caller: self.caller,
            caller_is_key: self.has(CALLER_IS_KEY),
            route: self.route,
            method: self.method,
            strong: self.has(STRONG),
            first_at: Timestamp::from_secs(i64::from(self.first_s)).min(started_at),
            started_at,
            last_at: self.last,
            calls: self.calls,
            failures: self.failures,
            cost: self.has(COST_KNOWN).then_some(self.cost),
            failing_at,
            failing_calls: self.failing_calls,
            failing_failures: self.failing_failures,
            gap: self.gap(),
            gap_variance: f64::from(self.gap_variance),
            latency_ms: self.has(TIMED).then_some(f64::from(self.latency_ms)),
            last_status: self.last_status,
            days: self.days,
            known: self.has(KNOWN),
            held: self.has(HELD),
            pace: self.pace.ratio(self.last - Timestamp::from_secs(i64::from(self.start_s))),
        }
    }

    fn begin(&mut self, call: &Call, flags: u8) {
        self.flags = self.flags & KNOWN | flags;
        self.start_s = seconds(call.time);
        (self.calls, self.failures, self.failing_calls, self.failing_failures, self.gaps) = (0, 0, 0, 0, 0);
        (self.gap_mean, self.gap_variance, self.latency_ms, self.cost) = (0.0, 0.0, 0.0, 0.0);
        self.pace = Pace::default();
    }

    fn rhythm(&mut self, gap: Span) {
        let log_gap = (gap.secs_f64() as f32).max(SHORTEST_GAP_S).ln();
        self.gaps = self.gaps.saturating_add(1);
        let weight = (1.0 / self.gaps as f32).max(LEAST_WEIGHT);
        let off = log_gap - self.gap_mean;
        self.gap_mean += weight * off;
        self.gap_variance =
            if self.gaps == 1 { 0.0 } else { (1.0 - weight) * (self.gap_variance + weight * off * off) };
    }

    fn count(&mut self, call: &Call, sightings: u32) {
        let failed = call.failed();
        let failures = if failed { sightings } else { 0 };
        self.calls = self.calls.saturating_add(sightings);
        self.failures = self.failures.saturating_add(failures);
        self.days.add(sightings, failures);
        self.count_failing(call, sightings, failed);
        if call.cost.is_finite() && call.cost > 0.0 {
            self.flags |= COST_KNOWN;
            self.cost += as_written(call.cost) * f64::from(sightings);
        }
        if call.duration_ms != Event::UNKNOWN {
            let latency = call.duration_ms as f32;
            let weight = if self.has(TIMED) { (1.0 / self.calls as f32).max(LEAST_WEIGHT) } else { 1.0 };
            self.latency_ms += weight * (latency - self.latency_ms);
            self.flags |= TIMED;
        }
        self.set(STRONG, call.flags.has(Flags::STRONG));
        self.set(CALLER_IS_KEY, call.caller_is_key);
        self.last_status = call.status;
        self.pace.add(call.time - Timestamp::from_secs(i64::from(self.start_s)));
        self.last = self.last.max(call.time);
    }

    /// A failing run begins with a failure, and lasts while most of its calls fail: so a poller of many weeks that
    /// breaks today is seen failing today.
    fn count_failing(&mut self, call: &Call, sightings: u32, failed: bool) {
        if self.failing_calls == 0 {
            if !failed {
                return;
            }
            self.failing_start_s = seconds(call.time);
        }
        self.failing_calls = self.failing_calls.saturating_add(sightings);
        self.failing_failures = self.failing_failures.saturating_add(if failed { sightings } else { 0 });
        if f64::from(self.failing_failures) < FAILING_ENDS * f64::from(self.failing_calls) {
            (self.failing_calls, self.failing_failures) = (0, 0);
        }
    }

    fn learn(&mut self, length: u32) -> Ended {
        self.flags |= LEARNED;
        let failing = f64::from(self.failures) >= 0.8 * f64::from(self.calls);
        (!self.has(HELD)).then_some((length, failing))
    }

    /// When the run began; the two sightings before promotion are taken to have come at its typical gap.
    fn started(&self) -> Timestamp {
        let start = Timestamp::from_secs(i64::from(self.start_s));
        if self.has(PROMOTED) && self.gaps > 0 { start - self.gap().times(2) } else { start }
    }

    /// The typical gap: zero while there was none.
    fn gap(&self) -> Span {
        if self.gaps == 0 { Span::ZERO } else { Span::from_secs_f64(f64::from(self.gap_mean).exp()) }
    }

    /// How long it may pause; a run of one call may be the start of any rhythm.
    fn longest_pause(&self) -> Span {
        if self.gaps == 0 {
            return PAUSE.2;
        }
        self.gap().times(PAUSE.0).max(PAUSE.1).min(PAUSE.2)
    }

    fn has(&self, flag: u8) -> bool {
        self.flags & flag != 0
    }

    fn set(&mut self, flag: u8, on: bool) {
        if on { self.flags |= flag } else { self.flags &= !flag }
    }
}

impl Slot for Entry {
    fn hash(&self) -> u64 {
        self.request.0
    }

    /// First goes what has not proved to repeat, or is idle for six hours and was active on fewer than three days; then
    /// the longest idle. What belongs to an incident goes last.
    fn worth(&self, now: Timestamp) -> (u8, i64) {
        let idle = now - self.last > PAUSE.2;
        let class = match () {
            () if self.has(HELD) => 3,
            () if self.days.active_days() >= 3 => 2,
            () if idle || self.calls < PROVED => 0,
            () => 1,
        };
        (class, self.last.millis())
    }
}

/// Whole seconds since the epoch, in the range of an `u32`.
fn seconds(time: Timestamp) -> u32 {
    time.secs().clamp(0, i64::from(u32::MAX)) as u32
}
