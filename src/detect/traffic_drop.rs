//! `traffic-drop`: a source, endpoint, key or the site that should be busy has gone quiet.
//!
//! Facts: `usual_per_minute`, `per_minute` (Number), `last_seen` (Time), `silent_for` (Span, when nothing came at all),
//! `missing` (Count).

use crate::detect::grounds::Grounds;
use crate::detect::scene::{Scene, Sensitivity};
use crate::detect::{DetectorKind, Fact, Facts, Finding, Impact, Parts, Trend};
use crate::event::{Severity, SubjectKind};
use crate::measure::rows::Full;
use crate::measure::surprise::nb_lower_tail_bits;
use crate::time::{Span, Timestamp};

/// Its name in the contract.
pub const NAME: &str = "traffic-drop";

/// How it is listed.
pub const KIND: DetectorKind = DetectorKind {
    name: NAME,
    notices: "a source, endpoint, key or the site that should be busy and has gone quiet",
    rank: 80,
};

/// Requests that a silence must have cost to be told as one; in the first week, those of the quietest hour.
const SURELY: f64 = 60.0;
/// A silence must be so many times as long as all silences of the worst hour of the last day.
const GAPS: f64 = 3.0;

/// Minutes of the windows that are looked at.
const WINDOWS: [i64; 3] = [5, 15, 60];

/// How the detector is tuned.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Settings {
    /// Whether it runs.
    pub enabled: bool,
    /// How easily it speaks.
    pub sensitivity: Sensitivity,
    /// Requests that must be expected in a window before its emptiness means something.
    pub least_expected: f64,
    /// The share of the usual below which it is a drop.
    pub ratio: f64,
    /// Bits that the alert budget asks for beyond the usual.
    pub extra_bits: f64,
}

impl Default for Settings {
    fn default() -> Self {
        Settings { enabled: true, sensitivity: Sensitivity::Normal, least_expected: 30.0, ratio: 0.2, extra_bits: 0.0 }
    }
}

impl Settings {
    /// The level, in requests a minute, below which no silence is odd: half of the least that must be expected in an hour.
    pub fn least_level(&self) -> f64 {
        self.least_expected / 120.0
    }
}

/// Usual requests a minute of a site or log from which on its silence wakes people in its first week.
const WAKES: f64 = 10.0;

/// Judges one stream at the end of a minute; `site` is the share of its usual that the whole site does (at most 1): on a
/// holiday everybody is quiet.
pub fn judge(
    kind: SubjectKind,
    full: &Full,
    last_seen: Timestamp,
    scene: &Scene<'_>,
    site: f64,
    settings: &Settings,
) -> Option<Finding> {
    let days = known_days(full, scene);
    let wide = matches!(kind, SubjectKind::Site | SubjectKind::Source);
    // Without a whole day behind it, the evening looks like an outage.
    let need = match days {
        d if d < 8.0 && wide && is_dead(full, last_seen, scene) => 0.0,
        d if d < 1.5 => return None,
        d if d < 3.0 => 45.0,
        d if d < 8.0 => 35.0,
        _ => 25.0,
    } + match settings.sensitivity {
        Sensitivity::Low => 10.0,
        Sensitivity::Normal => 0.0,
        Sensitivity::High => -5.0,
    } + settings.extra_bits;
    let single = kind.is_caller();
    if single && full.today.active_days < 10 {
        return None;
    }
    let hod = scene.hour % 24;
    let mut best: Option<(f64, usize, Span, f64, f64)> = None;
    for (w, minutes) in (1usize..).zip(WINDOWS) {
        let window = Span::from_mins(minutes);
        let seen = || full.counts.minutes(scene.minute(), minutes) as f64;
        let is_usual = |expected: f64| expected < settings.least_expected || seen() > settings.ratio * expected;
        // Most streams do what they usually do, which one hour says already.
        if !wide && is_usual(site * full.normal.steadily_at_most(scene.end, window, &scene.around)) {
            continue;
        }
        let expected = if wide {
            full.normal.expected_at_least(scene.end, window, &scene.around)
        } else {
            site * full.normal.expected_steadily(scene.end, window, &scene.around)
        };
        if is_usual(expected) {
            continue;
        }
        let seen = seen();
        let bits = nb_lower_tail_bits(seen, expected, full.normal.spread(w, scene.end, hod));
        if best.is_none_or(|(most, ..)| bits > most) {
            best = Some((bits, w, window, seen, expected));
        }
    }
    // In the hour after its return a window still holds the silence.
    let (mut bits, w, window, seen, mut expected) = best.filter(|_| still(full, scene))?;
    if !wide {
        // What has been quieter than usual for hours is not odd for being a little quieter.
        expected *= lately(full, scene, window);
        bits = nb_lower_tail_bits(seen, expected, full.normal.spread(w, scene.end, hod));
        if seen > settings.ratio * expected {
            return None;
        }
    }
    if bits < need {
        return None;
    }
    let started_at = onset(full, last_seen, scene, settings.ratio);
    let since = scene.end - started_at;
    let usual = expected / window.mins_f64();
    let came = full.counts.minutes(scene.minute(), (since.mins_f64().ceil() as i64).clamp(1, 60));
    // What surely is missing speaks; what usually comes is what people miss.
    let surely = (usual * since.mins_f64() - came as f64).max(0.0);
    let missing = (full.normal.usual(scene.end, since, &scene.around) - came as f64).max(surely);
    let mut finding = finding(kind, full, last_seen, scene, (seen, usual, window));
    finding.started_at = started_at;
    finding.bits = bits;
    finding.excess = surely;
    finding.impact.requests = came;
    finding.facts.insert("missing".into(), Fact::Count(missing.round() as u64));
    finding.grounds = Grounds::bits(bits, need)
        .line(format!("In {:.0} min: {seen:.0} seen, {expected:.0} usual at least.", window.mins_f64()))
        .line(format!("{days:.1} days of history ask for {need:.0} bits."));
    Some(finding)
}

/// Today's numbers of an open drop, of the newest window in which the usual brings enough.
pub fn current(
    kind: SubjectKind,
    full: &Full,
    last_seen: Timestamp,
    scene: &Scene<'_>,
    settings: &Settings,
) -> Finding {
    let expected = |window: Span| full.normal.usual(scene.end, window, &scene.around);
    let enough = |minutes: &i64| expected(Span::from_mins(*minutes)) >= settings.least_expected;
    let minutes = WINDOWS.into_iter().find(enough).unwrap_or(60);
    let window = Span::from_mins(minutes);
    let seen = full.counts.minutes(scene.minute(), minutes) as f64;
    finding(kind, full, last_seen, scene, (seen, expected(window) / window.mins_f64(), window))
}

/// What is told of so many requests in a window, where so many a minute are usual.
fn finding(
    kind: SubjectKind,
    full: &Full,
    last_seen: Timestamp,
    scene: &Scene<'_>,
    (seen, usual, window): (f64, f64, Span),
) -> Finding {
    let wide = matches!(kind, SubjectKind::Site | SubjectKind::Source);
    // What came before a silence that says enough by itself is no part of it.
    let silent = usual * (scene.end - last_seen).mins_f64() >= SURELY;
    let per_minute = if silent { 0.0 } else { seen / window.mins_f64() };
    let mut facts = Facts::new();
    facts.insert("usual_per_minute".into(), Fact::Number(usual));
    facts.insert("per_minute".into(), Fact::Number(per_minute));
    facts.insert("last_seen".into(), Fact::Time(last_seen));
    if scene.end - last_seen >= Span::from_mins(2) {
        facts.insert("silent_for".into(), Fact::Span(scene.end - last_seen));
    }
    // Hardly anybody misses what a small site does on its first days.
    let wakes = wide && (usual >= WAKES || known_days(full, scene) >= 8.0);
    Finding {
        detector: NAME,
        started_at: last_seen,
        observed: per_minute,
        expected: usual,
        unit: "requests/min",
        bits: 0.0,
        excess: 0.0,
        severity: if wakes { Severity::Critical } else { Severity::Warning },
        trend: Trend::Steady,
        impact: Impact { requests: seen as u64, errors: 0, cost: None },
        facts,
        parts: Parts::default(),
        grounds: Grounds::default(),
    }
}

/// How long both the site and the stream have been watched.
fn known_days(full: &Full, scene: &Scene<'_>) -> f64 {
    scene.history.days_f64().min(full.normal.age(scene.end).days_f64())
}

/// The share of its usual, at most 1, that came in the two hours before the one in which a window begins.
fn lately(full: &Full, scene: &Scene<'_>, window: Span) -> f64 {
    let first = (scene.end - window).bucket(Span::HOUR);
    let usual = full.normal.expected(Timestamp::of_bucket(first, Span::HOUR), Span::from_hours(2), &scene.around);
    let seen = full.counts.hours.sum(first - 2, first - 1) as f64;
    ((seen + 1.0) / (usual + 1.0)).min(1.0)
}

/// Whether nothing has come for so long that even the quietest hour of the last day would have brought many requests.
/// In the first week, in which nobody knows how much the hours of this site vary, this is what can be said.
fn is_dead(full: &Full, last_seen: Timestamp, scene: &Scene<'_>) -> bool {
    let silent = scene.end - last_seen;
    let newest = last_seen.bucket(Span::HOUR) - 1;
    if silent < Span::from_mins(5) || full.normal.age(last_seen) < Span::from_hours(25) {
        return false;
    }
    // Where nothing comes for minutes now and then, that is how it comes.
    let gaps = (newest - 23..=newest).map(|hour| 60.0 - scene.around.calendar.exposure(hour)).fold(0.0, f64::max);
    let quietest = (newest - 23..=newest).map(|hour| full.counts.hours.get(hour)).min().unwrap_or(0);
    f64::from(quietest) * silent.hours_f64() >= SURELY && silent.mins_f64() >= GAPS * gaps
}

/// Whether an open drop goes on: less than half the usual over the last five minutes.
pub fn still(full: &Full, scene: &Scene<'_>) -> bool {
    let seen = full.counts.ticks(scene.tick, 30) as f64;
    seen < 0.5 * full.normal.expected(scene.end, Span::from_mins(5), &scene.around)
}

/// Requests a minute from which on a minute with one or none is odd.
const BUSY: f64 = 5.0;

/// The first of the unbroken run of minutes in which almost nothing came.
fn onset(full: &Full, last_seen: Timestamp, scene: &Scene<'_>, ratio: f64) -> Timestamp {
    let silent = scene.end - last_seen >= Span::from_mins(2);
    // Where a minute without a request is nothing odd, only the silence itself says since when.
    if silent && full.normal.expected(scene.end, Span::MINUTE, &scene.around) < BUSY {
        return last_seen;
    }
    let last = scene.minute();
    let mut start = last;
    for minute in (last - 59..=last).rev() {
        let end = Timestamp::of_bucket(minute + 1, Span::MINUTE);
        let usual = full.normal.expected(end, Span::MINUTE, &scene.around);
        if f64::from(full.counts.mins.get(minute)) > (2.0 * ratio * usual).max(1.0) {
            break;
        }
        start = minute;
    }
    let start = Timestamp::of_bucket(start, Span::MINUTE);
    if silent { start.min(last_seen) } else { start }
}
