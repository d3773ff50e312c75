//! The first look at a stream: whether its counts alone say that nothing can be odd.

use crate::detect::scene::Scene;
use crate::measure::rows::Full;
use crate::time::Span;

/// What a stream did in the windows that are due at a tick: counts alone, the first look.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Glance {
    /// Requests in the last five minutes.
    pub five: u64,
    /// In the last hour, where such windows are due.
    sixty: u64,
    /// In the longest window of hours, where such windows are due.
    day: u64,
}

/// The first look at a stream: its counts.
pub fn glance(full: &Full, scene: &Scene<'_>) -> Glance {
    Glance {
        five: full.counts.ticks(scene.tick, 30),
        sixty: if scene.ends_minute() { full.counts.minutes(scene.minute(), 60) } else { 0 },
        day: if scene.ends_quarter() {
            let last = (scene.end - Span::from_millis(1)).bucket(Span::HOUR);
            full.counts.hours.sum(last - 23, last)
        } else {
            0
        },
    }
}

/// At least as many requests as the hour of whole minutes holds that is over, and so any part of it: that hour lies
/// within the hours of its first and last minute.
fn at_most(full: &Full, scene: &Scene<'_>) -> u64 {
    let hour = |minute: i64| minute.div_euclid(60);
    let minute = scene.minute();
    full.counts.hours.sum(hour(minute - 59), hour(minute))
}

impl Glance {
    /// Whether no window that is due holds as many requests as it must hold beyond the usual. The usual is never less than
    /// nothing, and the shorter windows lie within the longer ones (1 in 5 minutes, 15 in 60, 6 hours in 24): [`super::judge`]
    /// then passes over every window, and its bits are 0.
    pub fn is_light(&self, floor: f64) -> bool {
        (self.five.max(self.sixty).max(self.day) as f64) < floor
    }
}

/// Whether noting that a light stream is calm, and what it reached today, would change nothing: it is calm whatever is
/// usual, was found calm before, and did no more than earlier today.
pub fn rests(full: &Full, scene: &Scene<'_>, five: u64, floor: f64) -> bool {
    if !full.normal.is_at_rest() || five > u64::from(full.today.five) {
        return false;
    }
    let (minute, most, sixty) = (scene.minute(), at_most(full, scene), u64::from(full.today.sixty));
    ((most as f64) < floor / 2.0 || (full.counts.minutes(minute, 15) as f64) < floor / 2.0)
        && (most <= sixty || full.counts.minutes(minute, 60) <= sixty)
}
