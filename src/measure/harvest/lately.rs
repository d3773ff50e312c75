//! How much a caller had read at the full hours: what it read in the last three or four, told from what it read before.

use serde::{Deserialize, Serialize};

use crate::time::{Span, Timestamp};

/// Full hours that are remembered: the start of the running one, and of three before it.
const HOURS: usize = 4;

/// Different resources in each of the two windows at the start of the running hour and of those before it.
#[derive(Clone, Copy, PartialEq, Debug, Default, Serialize, Deserialize)]
pub struct Lately {
    /// Number of the hour of the newest request.
    hour: i64,
    marks: [[f32; 2]; HOURS],
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

    /// What a window held three full hours before the hour that ends or runs at `now`, and when that was.
    pub(super) fn before(&self, now: Timestamp, window: usize) -> Option<(Timestamp, f64)> {
        let hour = (now - Span::SECOND).bucket(Span::HOUR);
        let at = HOURS as i64 - 1 - (hour - self.hour);
        let mark = self.marks.get(usize::try_from(at).ok()?)?;
        Some((Timestamp::of_bucket(hour - HOURS as i64 + 1, Span::HOUR), f64::from(mark[window])))
    }

    /// Whether there is anything to remember.
    pub fn is_known(&self) -> bool {
        self.marks.iter().flatten().any(|count| *count > 0.0)
    }
}
