//! A stream against its own peaks: what its count alone cannot say where its hours vary by factors.

use crate::detect::scene::Scene;
use crate::measure::rows::Full;
use crate::time::Span;

/// Peaks smaller than this are taken as this.
const LEAST_PEAK: f64 = 20.0;
/// Standard deviations by which the largest five minutes of a day lie above its middle: 288 of them, far from independent.
const PEAK_AT: f64 = 2.5;
/// What is added to the spread that is known.
const UNKNOWN: f64 = 0.05;
/// Index of the power by which peaks of streams thin out that make bursts of their own.
const IRREGULAR_INDEX: f64 = 3.0;

/// Bits of surprise against the largest five minutes of each earlier day, for streams whose usual hours vary so much that
/// the count alone says little.
///
/// The second largest of `n` daily maxima is exceeded on about 2 days in n. Beyond it, what a stream brings in five minutes
/// thins out like a lognormal variable (a rate that wanders by factors), of which the peak lies [`PEAK_AT`] standard
/// deviations above the middle: the tail falls by `(z ln r)/s + (ln r)^2 / 2s^2` nats at r times the peak. A stream that
/// makes bursts of its own has a heavier one, like a power. A day has 1,440 minutes in which counts are judged, so a day's
/// surprise is worth log2(1440) bits more against the same need.
pub(super) fn beyond(full: &Full, five: f64, scene: &Scene<'_>) -> f64 {
    let normal = &full.normal;
    let days = normal.age(scene.end).days_f64().min(28.0);
    let peak = normal.peak_of_days();
    let ratio = five / peak.max(LEAST_PEAK) / scene.site_factor.max(1.0);
    if days < 1.0 || peak <= 0.0 || ratio <= 1.0 || !is_steady(full, scene) {
        return 0.0;
    }
    // How far its hours vary, and not how little is known of them: the peaks are known.
    let variance = (normal.known_spread(3, scene.hour % 24) + UNKNOWN).max(0.05).ln_1p();
    let beyond = if normal.is_irregular() {
        IRREGULAR_INDEX * ratio.log2()
    } else {
        (PEAK_AT * ratio.ln() / variance.sqrt() + ratio.ln().powi(2) / (2.0 * variance)) / std::f64::consts::LN_2
    };
    (days / 2.0).log2() + beyond + 1440f64.log2()
}

/// Whether a stream was there in most hours of the last day: what comes once a day or once a week has no peaks to go by.
fn is_steady(full: &Full, scene: &Scene<'_>) -> bool {
    let last = scene.end.bucket(Span::HOUR) - 1;
    (0..24).filter(|i| full.counts.hours.get(last - i) > 0).count() >= 12
}
