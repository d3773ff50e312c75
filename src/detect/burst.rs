//! `burst`: a key, endpoint, client or the site far above its own usual, time of day and week considered.
//!
//! Facts: `factor` (Number), `per_minute`, `usual_per_minute` (Number), `hour_label` (Text), `share_of_site` (Share),
//! `window` (Span); for the site also `keys_up` and `keys_total` (Count).
//!
//! A count is odd when it is improbable under the stream's own negative binomial model, beyond what the stream has done
//! before (its second largest peaks), beyond a practical floor, sustained, and, without a long history, beyond the
//! daily peaks of its peers. A blip of 25 seconds, however high, fills at most three of the eight ten-second buckets
//! that are asked for.

mod course;
mod glance;
mod grounds;
mod peaks;

pub use self::glance::{Glance, glance, rests};

use crate::detect::scene::{Scene, Sensitivity, need_bits};
use crate::detect::{DetectorKind, Fact, Facts, Finding, Impact, Parts};
use crate::event::{Severity, SubjectKind};
use crate::measure::normal::WINDOWS_MIN;
use crate::measure::rows::Full;
use crate::measure::surprise::nb_tail_bits;
use crate::time::{Span, Timestamp};
use course::since;
pub use course::{onset, trend};

/// Its name in the contract.
pub const NAME: &str = "burst";

/// How it is listed.
pub const KIND: DetectorKind = DetectorKind {
    name: NAME,
    notices: "a key, endpoint, client or the site far above its own usual, time of day and week considered",
    rank: 70,
};

/// Below this no other evidence counts.
const LEAST_SURPRISE: f64 = 7.0;
/// Floors that an address must bring: scanners that come, make a hundred requests and go are everybody's background.
const CLIENT_FLOORS: f64 = 2.5;
/// A rise by less than this factor is nothing that a stream's own peaks alone make odd.
const CLEARLY: f64 = 3.0;
/// What stays below so many times its own peaks of other days (in five minutes and in an hour), and so many requests in five minutes, is its usual work at an
/// unusual hour: it must bring so many floors to be news.
const AT_ANOTHER_HOUR: (f64, f64, f64) = (1.5, 200.0, 4.0);
/// Requests in a minute, and times the usual, from which on a rise is loud.
const LOUD: (f64, f64) = (80.0, 8.0);
/// Bits that may be lacking for a line in the daily summary.
const NEAR: f64 = 4.0;
/// Requests a minute from which on a site at five times its usual may not keep up.
const CRITICAL_PER_MINUTE: f64 = 600.0;

/// What a stream did at this hour on another day is known up to this many times.
const KNOWN: f64 = 1.1;
/// So many times the usual of this very hour, the peak of the hours around it is that of a job.
const A_JOB: f64 = 4.0;

/// Part of the needed bits from which on two minutes far beyond a stream's own peaks are enough.
const NEARLY: f64 = 0.7;

/// How the detector is tuned.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Settings {
    /// Whether it runs.
    pub enabled: bool,
    /// How easily it speaks.
    pub sensitivity: Sensitivity,
    /// Requests beyond the usual that a key, client or endpoint must make in a window.
    pub floor: f64,
    /// The same for the site.
    pub site_floor: f64,
    /// A rise by less than this factor is nothing.
    pub tolerance: f64,
    /// Bits that the alert budget asks for beyond the usual.
    pub extra_bits: f64,
}

impl Default for Settings {
    fn default() -> Self {
        Settings {
            enabled: true,
            sensitivity: Sensitivity::Normal,
            floor: 100.0,
            site_floor: 200.0,
            tolerance: 1.3,
            extra_bits: 0.0,
        }
    }
}

impl Settings {
    /// Requests beyond the usual that such a stream must make in a window.
    pub fn floor_of(&self, kind: SubjectKind) -> f64 {
        match kind {
            SubjectKind::Site => self.site_floor,
            SubjectKind::Client => CLIENT_FLOORS * self.floor,
            _ => self.floor,
        }
    }
}

/// What a stream did in the last five minutes against its usual.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Now {
    /// Requests seen in five minutes.
    pub seen: f64,
    /// Requests expected in five minutes.
    pub expected: f64,
}

/// The last five minutes of a stream against its usual.
pub fn look(full: &Full, scene: &Scene<'_>) -> Now {
    Now { seen: full.counts.ticks(scene.tick, 30) as f64, expected: usual(full, scene) }
}

/// What is usual for a stream in the last five minutes.
pub fn usual(full: &Full, scene: &Scene<'_>) -> f64 {
    full.normal.expected(scene.end, Span::from_mins(5), &scene.around)
}

/// The same over more minutes, at most 60.
pub fn look_back(full: &Full, scene: &Scene<'_>, minutes: i64) -> Now {
    if minutes <= 5 {
        return look(full, scene);
    }
    let expected = full.normal.expected(scene.end, Span::from_mins(minutes), &scene.around);
    Now { seen: full.counts.minutes(scene.minute(), minutes) as f64, expected }
}

/// What was judged of a stream.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Judgement {
    /// Largest surprise over all windows that passed every other test.
    pub bits: f64,
    /// What is needed.
    pub need: f64,
    /// The window that surprised most.
    pub window: Span,
    /// Whether the stream is back to its usual (15 minutes).
    pub calm: bool,
    /// Whether it lasts.
    pub sustained: bool,
    /// The factor over the usual that was allowed.
    pub tolerance: f64,
    /// How many streams of its kind were judged beside it.
    pub streams: usize,
    /// Whether it is odd against its own peaks, however short its history.
    pub own: bool,
}

impl Judgement {
    /// Whether it is to be told.
    pub fn fires(&self) -> bool {
        self.bits >= self.need && self.sustained
    }

    /// Whether only a little evidence is lacking.
    pub fn is_near(&self) -> bool {
        self.bits < self.need && self.bits >= self.need - NEAR && self.sustained
    }
}

/// Judges one stream; `streams` is how many of its kind there are.
pub fn judge(
    kind: SubjectKind,
    full: &Full,
    now: Now,
    scene: &Scene<'_>,
    streams: usize,
    settings: &Settings,
) -> Judgement {
    let normal = &full.normal;
    let end = scene.end;
    let floor = settings.floor_of(kind);
    let history = match kind {
        // What came with the log itself is as old as the log; a route that came later has its own first day.
        SubjectKind::Endpoint if normal.age(end) + Span::from_hours(2) < scene.history => {
            if normal.age(end) < Span::DAY { Span::ZERO } else { normal.age(end) }
        }
        _ => scene.history,
    };
    let need = need_bits(kind, streams, history, settings.sensitivity) + settings.extra_bits;
    let hod = scene.hour % 24;
    // The site is not measured against itself.
    let g = if kind == SubjectKind::Site { 1.0 } else { scene.site_factor };
    let m0 = settings.tolerance + 1.7 * (-normal.age(end).days_f64() / 3.0).exp();
    // Asked only of what passed the floors: it takes all hours of the day to say.
    let irregular = || normal.is_irregular();
    let own_peak = |index: usize| 1.5 * normal.peak_of_bursts(index);
    let calm = is_calm(full, scene, floor);
    let mut best = Judgement {
        bits: 0.0,
        need,
        window: Span::ZERO,
        calm,
        sustained: false,
        tolerance: m0 * g * g.sqrt(),
        streams,
        own: false,
    };

    let floor = if is_at_another_hour(kind, full, now, scene) { AT_ANOTHER_HOUR.2 * floor } else { floor };
    for (w, minutes) in WINDOWS_MIN.into_iter().enumerate() {
        let window = Span::from_mins(minutes);
        let due = match minutes {
            1 | 5 => true,
            15 | 60 => scene.ends_minute(),
            _ => scene.ends_quarter(),
        };
        if !due || scene.around.calendar.is_void(end, window) {
            continue;
        }
        let (seen, expected) = match minutes {
            1 => (full.counts.ticks(scene.tick, 6) as f64, now.expected / 5.0),
            5 => (now.seen, now.expected),
            15 | 60 => {
                let seen = full.counts.minutes(scene.minute(), minutes) as f64;
                if seen < floor {
                    continue;
                }
                (seen, normal.expected(end, window, &scene.around))
            }
            _ if hours_seen(full, scene, minutes / 60) < floor => continue,
            _ => hours(full, scene, minutes / 60),
        };
        let g = if minutes <= 60 { g } else { 1.0 };
        let allowed = expected * m0 * g * g.sqrt();
        if seen <= allowed || seen - expected * g < floor {
            continue;
        }
        let known = match minutes {
            1 | 5 | 15 => is_known(now.seen, now.expected, normal.peak_of_hour(hod, false), settings),
            60 => is_known(seen, expected, normal.peak_of_hour(hod, true), settings),
            _ => false,
        };
        let usual_burst = irregular()
            && match minutes {
                1 | 5 | 15 => now.seen <= own_peak(0),
                60 => seen <= own_peak(1),
                360 => seen <= own_peak(2),
                _ => false,
            };
        if known || usual_burst {
            continue;
        }
        let bits = nb_tail_bits(seen, allowed, normal.spread(w, end, hod));
        if bits > best.bits {
            best.bits = bits;
            best.window = window;
        }
    }
    if best.bits >= LEAST_SURPRISE {
        // What the count alone nearly says needs no more than to be told from a habit; what it does not say has to go on.
        let ticks = |from: i64, to: i64| full.counts.tens.sum(scene.tick - from, scene.tick - to) as f64;
        let five = if best.bits >= NEARLY * need {
            // A hundred seconds, so that what is loud is told within two minutes.
            now.seen.max(5.0 * ticks(5, 0).min(1.5 * ticks(9, 6)))
        } else {
            now.seen.min(full.counts.minutes(scene.minute(), 10) as f64 / 2.0)
        };
        let bits = peaks::beyond(full, five, scene);
        // A young history is in its bits already.
        let usual_need = need_bits(kind, streams, Span::from_days(28), settings.sensitivity) + settings.extra_bits;
        best.own = bits >= usual_need && five >= CLEARLY * now.expected.max(1.0) * g;
        if best.bits < need {
            (best.bits, best.need) =
                if best.own { (bits, usual_need) } else { (best.bits.max(bits.min(need - 1.0)), need) };
        }
    }
    if best.bits >= need - NEAR {
        best.sustained = is_sustained(full, scene, now, best.window);
    }
    best
}

/// Whether other days brought as much at about this hour. A job that comes within an hour of its time is measured by what
/// it does at its time.
fn is_known(seen: f64, expected: f64, peak: f64, settings: &Settings) -> bool {
    seen <= peak * if peak > A_JOB * expected { KNOWN.max(settings.tolerance) } else { KNOWN }
}

/// Whether a caller does no more than it does at other hours, and nothing that is loud.
fn is_at_another_hour(kind: SubjectKind, full: &Full, now: Now, scene: &Scene<'_>) -> bool {
    let (peaks, most, _) = AT_ANOTHER_HOUR;
    kind.is_caller()
        && now.seen < most
        && (full.counts.ticks(scene.tick, 6) as f64) < LOUD.0
        && now.seen <= peaks * full.normal.peak_of_days()
        && full.counts.minutes(scene.minute(), 60) as f64 <= peaks * full.normal.peak_overall(1)
}

/// What is to be told of a stream that fired.
pub fn finding(kind: SubjectKind, full: &Full, scene: &Scene<'_>, judged: Judgement, now: Now) -> Finding {
    let started_at = onset(full, scene, judged.window);
    let minutes = (scene.end - started_at).mins_f64().max(1.0 / 6.0);
    let seen = since(&full.counts, started_at, scene);
    let expected = full.normal.expected(scene.end, scene.end - started_at, &scene.around);
    let (per_minute, usual) = (seen / minutes, (expected / minutes).max(0.0));
    let factor = per_minute / usual.max(0.1);
    let errors = full.failures.iter().flatten().map(|f| f.tens.sum(scene.tick - 29, scene.tick)).sum();
    let mut facts = Facts::new();
    facts.insert("factor".into(), Fact::Number(factor));
    facts.insert("per_minute".into(), Fact::Number(per_minute));
    facts.insert("usual_per_minute".into(), Fact::Number(usual));
    facts.insert("window".into(), Fact::Span(judged.window));
    facts.insert("hour_label".into(), Fact::Text(hour_label(scene).to_owned()));
    Finding {
        detector: NAME,
        started_at,
        observed: per_minute,
        expected: usual,
        unit: "requests/min",
        bits: judged.bits,
        excess: (seen - expected).max(now.seen - now.expected).max(0.0),
        severity: if kind == SubjectKind::Site && factor >= 5.0 && per_minute >= CRITICAL_PER_MINUTE {
            Severity::Critical
        } else {
            Severity::Warning
        },
        trend: trend(full, scene, started_at),
        impact: Impact { requests: seen as u64, errors, cost: None },
        facts,
        parts: Parts::default(),
        grounds: grounds::grounds(full, scene, &judged, now),
    }
}

/// Today's numbers of an open burst: its rate over the last five minutes, whenever it began.
pub fn current(full: &Full, scene: &Scene<'_>, judged: Judgement, now: Now) -> Finding {
    let mut finding = finding(SubjectKind::Key, full, scene, judged, now);
    let (per_minute, usual) = (now.seen / 5.0, now.expected / 5.0);
    finding.observed = per_minute;
    finding.expected = usual;
    finding.facts.insert("factor".into(), Fact::Number(per_minute / usual.max(0.1)));
    finding.facts.insert("per_minute".into(), Fact::Number(per_minute));
    finding.facts.insert("usual_per_minute".into(), Fact::Number(usual));
    finding
}

/// Whether an open burst goes on: the last two minutes are still clearly above the usual.
pub fn still(full: &Full, scene: &Scene<'_>) -> bool {
    let seen = full.counts.ticks(scene.tick, 12) as f64;
    let expected = full.normal.expected(scene.end, Span::from_mins(2), &scene.around) * scene.site_factor.max(1.0);
    seen > 1.5 * expected + 3.0 * expected.sqrt() + 3.0
}

/// The window that ends now and reaches back over `hours` hours, the current one counted from its start.
fn hours(full: &Full, scene: &Scene<'_>, hours: i64) -> (f64, f64) {
    let start = Timestamp::of_bucket((scene.end - Span::from_millis(1)).bucket(Span::HOUR) - hours + 1, Span::HOUR);
    (hours_seen(full, scene, hours), full.normal.expected(scene.end, scene.end - start, &scene.around))
}

/// What was seen in it.
fn hours_seen(full: &Full, scene: &Scene<'_>, hours: i64) -> f64 {
    let last = (scene.end - Span::from_millis(1)).bucket(Span::HOUR);
    full.counts.hours.sum(last - hours + 1, last) as f64
}

/// Back to at most 1.5 times the usual over 15 minutes, or too little beyond it to matter.
pub fn is_calm(full: &Full, scene: &Scene<'_>, floor: f64) -> bool {
    let seen = full.counts.minutes(scene.minute(), 15) as f64;
    // Whatever is expected, which is never less than nothing.
    if seen < floor / 2.0 {
        return true;
    }
    let expected = full.normal.expected(scene.end, Span::from_mins(15), &scene.around);
    seen <= 1.5 * expected || seen - expected < floor / 2.0
}

/// Of what a window of an hour or more brought beyond the usual, on the average of its parts, the newest part must still bring
/// this share: what eases is no news any more.
const EASED: f64 = 0.5;

/// Windows up to 5 minutes: at least 6 of the last 8 ten-second buckets are high. Longer ones: at least half of their
/// minutes are above the usual, and the newest two still are.
pub fn is_sustained(full: &Full, scene: &Scene<'_>, now: Now, window: Span) -> bool {
    let per_tick = now.expected / 30.0;
    if window <= Span::from_mins(5) {
        let high = (0..8).filter(|i| f64::from(full.counts.tens.get(scene.tick - i)) > 2.0 * per_tick + 3.0).count();
        // A stream too thin for tens of seconds is asked for the same in half minutes.
        let thin = (0..8)
            .filter(|i| full.counts.tens.sum(scene.tick - 3 * i - 2, scene.tick - 3 * i) as f64 > 6.0 * per_tick + 3.0)
            .count();
        // What is loud is not asked for as long; a blip of 25 seconds touches four.
        let minute = full.counts.ticks(scene.tick, 6) as f64;
        let least = if minute >= LOUD.0 && minute >= LOUD.1 * 6.0 * per_tick { 5 } else { 6 };
        return high >= least || thin >= 6;
    }
    let newest = full.counts.ticks(scene.tick, 12) as f64 > 1.3 * 12.0 * per_tick;
    let minutes = window.millis() / Span::MINUTE.millis();
    if minutes > 60 {
        // Half of its hours, and the last sixty minutes, are above the usual.
        let hours = minutes / 60;
        let last = scene.end.bucket(Span::HOUR) - 1;
        let per_hour = full.normal.expected(scene.end, window, &scene.around) / hours as f64;
        let above = (0..hours).filter(|i| f64::from(full.counts.hours.get(last - i)) > 1.2 * per_hour).count() as i64;
        let hour = full.counts.minutes(scene.minute(), 60) as f64;
        let usual = full.normal.expected(scene.end, Span::HOUR, &scene.around);
        let more = hours_seen(full, scene, hours) / hours as f64 - per_hour;
        return newest && above * 2 >= hours && hour > 1.3 * usual + usual.sqrt() + 3.0 && hour - usual >= EASED * more;
    }
    // Twelve parts of an hour, fifteen minutes of a quarter.
    let width = if minutes == 60 { 5 } else { 1 };
    let parts = minutes / width;
    let usual = full.normal.expected(scene.end, window, &scene.around) / parts as f64;
    let part = |i: i64| {
        let last = scene.minute() - i * width;
        full.counts.mins.sum(last - width + 1, last) as f64
    };
    let above = (0..parts).filter(|&i| part(i) > 1.2 * usual + usual.sqrt()).count() as i64;
    // What an hour owes to its first half is over.
    let lately = minutes < 60 || {
        let last = scene.minute();
        let quarter = full.counts.mins.sum(last - 14, last) as f64;
        let more = full.counts.minutes(last, 60) as f64 / 4.0 - 3.0 * usual;
        quarter > 1.3 * 3.0 * usual + (3.0 * usual).sqrt() + 3.0 && quarter - 3.0 * usual >= EASED * more
    };
    newest && lately && above * 2 >= parts
}

/// Whether at least four of the last five minutes were each clearly above the usual: a short flood raises a window of
/// five minutes for five minutes, but not its minutes.
pub fn fills_minutes(full: &Full, scene: &Scene<'_>, now: Now) -> bool {
    let usual = now.expected / 5.0;
    let minute = |i: i64| full.counts.tens.sum(scene.tick - 6 * i - 5, scene.tick - 6 * i) as f64;
    (0..5).filter(|&i| minute(i) > 1.5 * usual + usual.sqrt() + 3.0).count() >= 4
}

/// What "usual" refers to, in words.
fn hour_label(scene: &Scene<'_>) -> &'static str {
    match scene.history.days_f64() {
        d if d < 1.0 => "so far",
        d if d < 14.0 => "at this time of day",
        _ => "for this hour of the week",
    }
}
