//! What is usual on a route: how long runs of one call get there, how long a call takes, and who is failing there now.

use serde::{Deserialize, Serialize};

use crate::event::{Id, Method};
use crate::measure::slots::Slot;
use crate::time::{Span, Timestamp};

/// Bins of run lengths, one an octave: the last one is eight million calls.
const BINS: usize = 24;

/// Callers failing on one route that are told apart; from this many on it is the route's trouble, not theirs.
pub(super) const CALLERS: usize = 4;

/// How long a caller counts as failing after its last failure.
const FAILING_FOR: Span = Span::from_mins(10);

/// Calls before a route's median latency is believed.
const MIN_TIMED: u32 = 100;

/// Step of the median's estimate, in octaves.
const MEDIAN_STEP: f32 = 0.05;

/// One method on one route.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Route {
    hash: u64,
    used: Timestamp,
    /// Runs that ended (or the day's part of one that goes on), by the octave of their length: succeeding, failing.
    lengths: [[u16; BINS]; 2],
    failing: [(Id, Timestamp); CALLERS],
    /// Binary logarithm of the median of milliseconds.
    median: f32,
    timed: u32,
}

impl Route {
    /// What a route with a method is found by.
    pub(super) fn hash_of(route: Id, method: Method) -> u64 {
        route.0.rotate_left(8) ^ (method as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15)
    }

    /// Nothing known yet.
    pub(super) fn new(hash: u64, now: Timestamp) -> Self {
        let failing = [(Id::NONE, Timestamp::MIN); CALLERS];
        Route { hash, used: now, lengths: [[0; BINS]; 2], failing, median: 0.0, timed: 0 }
    }

    /// Takes notice of a call's latency. The median is followed by small steps up and down in the logarithm
    /// (frugal streaming: Ma, Muthukrishnan, Sandler 2013).
    pub(super) fn timed(&mut self, latency_ms: u32, now: Timestamp) {
        self.used = self.used.max(now);
        let octave = (latency_ms.max(1) as f32).log2();
        self.median = match self.timed {
            0 => octave,
            _ if octave > self.median => self.median + MEDIAN_STEP,
            _ if octave < self.median => self.median - MEDIAN_STEP,
            _ => self.median,
        };
        self.timed = self.timed.saturating_add(1);
    }

    /// Takes notice of a caller that repeats a failing call here.
    pub(super) fn failed(&mut self, caller: Id, now: Timestamp) {
        self.used = self.used.max(now);
        let place = self.failing.iter().position(|(id, _)| *id == caller);
        let oldest = (0..CALLERS).min_by_key(|&i| self.failing[i].1).unwrap_or(0);
        self.failing[place.unwrap_or(oldest)] = (caller, now);
    }

    /// How many callers repeat failing calls here in the ten minutes before `now`: at most [`CALLERS`].
    pub(super) fn failing_callers(&self, now: Timestamp) -> u32 {
        self.failing.iter().filter(|(id, at)| id.is_some() && now - *at <= FAILING_FOR).count() as u32
    }

    /// Learns the length of a run.
    pub(super) fn ended(&mut self, length: u32, failing: bool) {
        let bins = &mut self.lengths[usize::from(failing)];
        let bin = &mut bins[(length.max(1).ilog2() as usize).min(BINS - 1)];
        *bin = bin.saturating_add(1);
    }

    /// The length that 99.5 % of the runs here stay below. One single run teaches nothing: it takes two long ones to
    /// make long runs usual. 0 if nothing is known.
    pub(super) fn longest_usual(&self, failing: bool) -> u32 {
        let bins = &self.lengths[usize::from(failing)];
        let all: u32 = bins.iter().map(|&n| u32::from(n)).sum();
        let few = (all / 200).max(1);
        let mut above = 0;
        for (octave, &count) in bins.iter().enumerate().rev() {
            above += u32::from(count);
            if above > few {
                return (f64::from(1u32 << octave) * std::f64::consts::SQRT_2) as u32;
            }
        }
        0
    }

    /// The median latency in milliseconds, once there were enough calls.
    pub(super) fn median_ms(&self) -> Option<f64> {
        (self.timed >= MIN_TIMED).then(|| f64::from(self.median).exp2())
    }

    /// Old runs weigh half as much from now on.
    pub(super) fn fade(&mut self) {
        self.lengths.iter_mut().flatten().for_each(|count| *count /= 2);
    }
}

impl Slot for Route {
    fn hash(&self) -> u64 {
        self.hash
    }

    fn worth(&self, _: Timestamp) -> (u8, i64) {
        (0, self.used.millis())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_runs_are_usual_where_two_of_them_were_seen() {
        let mut route = Route::new(1, Timestamp::MIN);
        assert_eq!(route.longest_usual(false), 0);
        route.ended(5000, false);
        assert_eq!(route.longest_usual(false), 0, "one long run is no custom");
        route.ended(4100, false);
        assert_eq!(route.longest_usual(false), 5792);
        for _ in 0..1000 {
            route.ended(3, false);
        }
        assert_eq!(route.longest_usual(false), 2, "two of a thousand are within the last half percent");
        assert_eq!(route.longest_usual(true), 0, "failing runs are another matter");
    }

    #[test]
    fn the_median_is_followed() {
        let mut route = Route::new(1, Timestamp::MIN);
        for n in 0u32..3000 {
            assert!(n != 50 || route.median_ms().is_none());
            route.timed(if n % 10 == 0 { 9000 } else { 30 + n % 5 }, Timestamp::MIN);
        }
        let median = route.median_ms().unwrap();
        assert!((28.0..38.0).contains(&median), "{median}");
    }

    #[test]
    fn failing_callers_are_counted_once_and_forgotten_after_ten_minutes() {
        let mut route = Route::new(1, Timestamp::MIN);
        let t = Timestamp::from_secs(1_770_000_000);
        for n in 0..40 {
            route.failed(Id(1 + n % 3), t + Span::from_secs(n as i64));
        }
        assert_eq!(route.failing_callers(t + Span::MINUTE), 3);
        route.failed(Id(9), t + Span::from_mins(9));
        assert_eq!(route.failing_callers(t + Span::from_mins(9)), 4);
        assert_eq!(route.failing_callers(t + Span::from_mins(12)), 1);
    }
}
