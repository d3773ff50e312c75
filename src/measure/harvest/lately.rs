//! How much a caller had read at the full hours: what it read in the last three or four, told from what it read before;
//! and how far its days go above the usual, by which those hours are judged.

use serde::{Deserialize, Serialize};

use super::{KEPT, LEAST_SPREAD, PRIOR_SPREAD};
use crate::time::{Span, Timestamp};

/// Days from which on it is known how far they go.
const KNOWN_DAYS: f32 = 3.5;
/// Full hours that are remembered: the start of the running one, and of three before it.
const HOURS: usize = 4;

/// Different resources in each of the two windows at the start of the running hour and of those before it.
#[derive(Clone, Copy, PartialEq, Debug, Default, Serialize, Deserialize)]
pub struct Lately {
    /// Number of the hour of the newest request.
    hour: i64,
    marks: [[f32; 2]; HOURS],
    /// Twice the variance of its days beyond Poisson over squared mean, of those above the mean, summed, and of how many.
    above: (f32, f32),
}

impl Lately {
    /// Whether `now` lies in a later hour than the newest request.
    pub(super) fn is_over(&self, now: Timestamp) -> bool {
        now.bucket(Span::HOUR) > self.hour
    }

    /// An hour begins, by which the windows hold so many different resources.
    pub(super) fn mark(&mut self, now: Timestamp, counts: [f64; 2]) {
        let hour = now.bucket(Span::HOUR);
        let passed = (hour - self.hour).clamp(0, HOURS as i64) as usize;
        self.marks.rotate_right(passed % HOURS);
        // In hours of which nothing is known, nothing was read.
        self.marks[..passed].fill(counts.map(|count| count as f32));
        self.hour = hour;
    }

    /// A window begins anew.
    pub(super) fn forget(&mut self, window: usize) {
        for mark in &mut self.marks {
            mark[window] = 0.0;
        }
    }

    /// A day is over that differs from the mean by so much.
    pub(super) fn learn(&mut self, off: f32, mean: f32) {
        let above = off.max(0.0);
        let (sum, weight) = self.above;
        // The days below count as often as those above: half of all, if days are as often the one as the other.
        self.above = (sum * KEPT + (2.0 * above * above - mean) / (mean * mean), weight * KEPT + 1.0);
    }

    /// Spread of the days by those above the mean (the upper semivariance, twice): that somebody rests on Sundays says
    /// nothing of how far its days go. [`None`] where few are known.
    pub(super) fn spread(&self) -> Option<f64> {
        let (sum, weight) = self.above;
        let spread = (PRIOR_SPREAD.0 * PRIOR_SPREAD.1 + sum) / (PRIOR_SPREAD.1 + weight);
        (weight >= KNOWN_DAYS).then_some(f64::from(spread.max(LEAST_SPREAD)))
    }

    /// What a window held three full hours before the hour that begins or runs at `now`, and when that was.
    pub(super) fn before(&self, now: Timestamp, window: usize) -> Option<(Timestamp, f64)> {
        let hour = now.bucket(Span::HOUR);
        let at = HOURS as i64 - 1 - (hour - self.hour);
        let mark = self.marks.get(usize::try_from(at).ok()?)?;
        Some((Timestamp::of_bucket(hour - HOURS as i64 + 1, Span::HOUR), f64::from(mark[window])))
    }

    /// What is usual, without what was read.
    pub(super) fn rewound(&self) -> Self {
        Lately { above: self.above, ..Lately::default() }
    }

    /// Whether there is anything to remember.
    pub fn is_known(&self) -> bool {
        self.above.1 > 0.0 || self.marks.iter().flatten().any(|count| *count > 0.0)
    }
}
