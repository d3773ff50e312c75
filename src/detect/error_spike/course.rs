//! The course of a spike: when it began, and whether it rises or falls.

use crate::detect::Trend;
use crate::detect::scene::Scene;
use crate::measure::failures::Failures;
use crate::measure::ring::TICK;
use crate::measure::rows::Full;
use crate::time::{Span, Timestamp};

/// When it began: the minute from which on a constant share explains the failures of the last hour best (maximum
/// likelihood of one change against the usual share). A stray failure before it, and what worked in between, speak against
/// an earlier start.
pub(super) fn onset(failures: &Failures, full: &Full, scene: &Scene<'_>) -> Timestamp {
    let usual = failures.share().clamp(0.005, 0.9);
    let last = (scene.end - Span::from_millis(1)).bucket(Span::MINUTE);
    let (mut errors, mut requests, mut best, mut start) = (0.0f64, 0.0f64, 0.0f64, last);
    for minute in (last - 59..=last).rev() {
        let failed = f64::from(failures.mins.get(minute));
        errors += failed;
        requests += f64::from(full.counts.mins.get(minute)).max(failed);
        let share = (errors / requests.max(1.0)).min(0.999);
        if failed >= 1.0 && share > usual {
            let gain = errors * (share / usual).ln() + (requests - errors) * ((1.0 - share) / (1.0 - usual)).ln();
            if gain >= best {
                (best, start) = (gain, minute);
            }
        }
    }
    // Within its first minute, the first ten seconds that hold a failure, where the ring still knows them.
    let base = Timestamp::of_bucket(start, Span::MINUTE);
    let ticks = base.bucket(TICK);
    (0..6).find(|i| failures.tens.get(ticks + i) > 0).map_or(base, |i| Timestamp::of_bucket(ticks + i, TICK))
}

/// Whether the share that fails rises: the last third of its time against the first.
pub(super) fn trend(failures: &Failures, full: &Full, scene: &Scene<'_>, started_at: Timestamp) -> Trend {
    let third = ((scene.end - started_at).mins_f64() / 3.0) as i64;
    if third < 3 {
        return Trend::Steady;
    }
    let third = third.min(20);
    let last = scene.minute();
    let first_end = (started_at + Span::from_mins(third)).bucket(Span::MINUTE).max(last - 60 + third);
    let share = |end: i64| {
        let errors = failures.mins.sum(end - third + 1, end) as f64;
        errors / (full.counts.mins.sum(end - third + 1, end) as f64).max(1.0)
    };
    match share(last) / share(first_end).max(0.001) {
        r if r > 1.3 => Trend::Rising,
        r if r < 0.77 => Trend::Falling,
        _ => Trend::Steady,
    }
}
