//! The course of a burst: when it began, what came since, and whether it rises or falls.

use crate::detect::Trend;
use crate::detect::scene::Scene;
use crate::measure::ring::{Counts, TICK};
use crate::measure::rows::Full;
use crate::time::{Span, Timestamp};

/// When it began: the start that explains the ring best (maximum likelihood of "rate times rho since s" against the
/// usual), in tens of seconds for the last five minutes, else in minutes, else in hours; never finer than the window that
/// spoke.
pub fn onset(full: &Full, scene: &Scene<'_>, window: Span) -> Timestamp {
    let tolerance = 1.3;
    let usual = |end: Timestamp, width: Span| {
        (full.normal.expected(end, width, &scene.around) * tolerance).max(0.02 * width.mins_f64())
    };
    // Likelihood gain of a change at each start, from the newest bucket backwards; the first bucket is the ring's edge.
    let search = |newest: i64, buckets: i64, width: Span, count: &dyn Fn(i64) -> f64| -> (i64, bool) {
        let (mut seen, mut expected, mut best, mut at) = (0.0f64, 0.0, 0.0f64, newest);
        for i in 0..buckets {
            let bucket = newest - i;
            seen += count(bucket);
            expected += usual(Timestamp::of_bucket(bucket + 1, width), width);
            if seen > expected {
                let gain = seen * (seen / expected).ln() - (seen - expected);
                if gain > best {
                    (best, at) = (gain, bucket);
                }
            }
        }
        (at, at == newest - buckets + 1)
    };
    let counts = &full.counts;
    if window <= Span::from_mins(5) {
        let (tick, at_edge) = search(scene.tick, 30, TICK, &|b| f64::from(counts.tens.get(b)));
        if !at_edge {
            return Timestamp::of_bucket(tick, TICK);
        }
    }
    if window <= Span::HOUR {
        let (minute, at_edge) = search(scene.minute(), 60, Span::MINUTE, &|b| f64::from(counts.mins.get(b)));
        if !at_edge {
            return Timestamp::of_bucket(minute, Span::MINUTE);
        }
    }
    let hour = scene.end.bucket(Span::HOUR) - 1;
    let (hour, _) = search(hour, 24, Span::HOUR, &|b| f64::from(counts.hours.get(b)));
    Timestamp::of_bucket(hour, Span::HOUR).max(full.normal.born)
}

/// Requests since `start`, from the finest ring that reaches back so far.
pub(super) fn since(counts: &Counts, start: Timestamp, scene: &Scene<'_>) -> f64 {
    let span = scene.end - start;
    if span <= Span::from_mins(5) {
        counts.tens.sum(start.bucket(TICK), scene.tick) as f64
    } else if span <= Span::HOUR {
        counts.mins.sum(start.bucket(Span::MINUTE), scene.end.bucket(Span::MINUTE)) as f64
    } else {
        counts.hours.sum(start.bucket(Span::HOUR), scene.end.bucket(Span::HOUR)) as f64
    }
}

/// The last third of the time since the start against the first third, each between 3 and 30 minutes.
pub fn trend(full: &Full, scene: &Scene<'_>, started_at: Timestamp) -> Trend {
    let minutes = ((scene.end - started_at).mins_f64() / 3.0) as i64;
    if minutes < 3 {
        return Trend::Steady;
    }
    let third = minutes.min(30);
    let last = scene.minute();
    let first_end = (started_at + Span::from_mins(third)).bucket(Span::MINUTE).max(last - 60 + third);
    let new = full.counts.mins.sum(last - third + 1, last) as f64;
    let old = full.counts.mins.sum(first_end - third + 1, first_end) as f64;
    match new / old.max(1.0) {
        r if r > 1.3 => Trend::Rising,
        r if r < 0.77 => Trend::Falling,
        _ => Trend::Steady,
    }
}
