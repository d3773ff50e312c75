//! `error-spike`: a share of failing requests far above the usual, for an endpoint, key, client or the site.
//!
//! Facts: `class` (Text), `share`, `usual_share` (Share), `errors` (Count), `callers` (Count, at most 8 are told
//! apart), `statuses` (List).
//!
//! Errors are judged against the stream's own learned share (beta-binomial), and must last: a deploy that fails for 25
//! seconds cannot fill two whole minutes.

use crate::detect::grounds::Grounds;
use crate::detect::scene::{Scene, Sensitivity};
use crate::detect::{DetectorKind, Fact, Facts, Finding, Impact, Parts, Trend};
use crate::event::{Id, Severity, SubjectKind};
use crate::measure::failures::{Class, Failures};
use crate::measure::mix::Mix;
use crate::measure::ring::{Ring, TICK};
use crate::measure::rows::Full;
use crate::measure::surprise::beta_binomial_tail_bits;
use crate::time::{Span, Timestamp};

/// Its name in the contract.
pub const NAME: &str = "error-spike";

/// How it is listed.
pub const KIND: DetectorKind = DetectorKind {
    name: NAME,
    notices: "a share of failing requests far above the usual, for an endpoint, key, client or the site",
    rank: 60,
};

/// Failures from which on it can be said how they lie in time, and the share of them in a fifth of the time that is blips.
const MANY_ERRORS: f64 = 10.0;
const IN_BITS: f64 = 0.85;
/// So many times the least share must fail in windows of less than an hour.
const BRIEFLY: f64 = 2.5;
/// Share of the newest minute that must fail for it to be told after little more than a minute: of one caller, and of what
/// many call, which goes before.
const QUICK: (f64, f64) = (0.4, 0.3);
/// Part of a failing minute's share that the minute before it must reach.
const BEFORE: f64 = 0.3;
/// Callers that must fail where one makes most of the calls, and failures of those beside it.
const FEW: usize = 3;
/// Share of a long window's failures in its last five minutes from which on those decide how they lie.
const MOST: f64 = 0.6;

/// How the detector is tuned.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Settings {
    /// Whether it runs.
    pub enabled: bool,
    /// How easily it speaks.
    pub sensitivity: Sensitivity,
    /// Errors beyond the usual that a window must hold.
    pub floor: f64,
    /// The same for one key or client: a few failing calls of one caller wake nobody.
    pub caller_floor: f64,
    /// Share of failing requests below which nothing is said.
    pub least_share: f64,
    /// Callers that must fail for it to be the endpoint's trouble and not a caller's.
    pub callers: usize,
    /// Bits that the alert budget asks for beyond the usual.
    pub extra_bits: f64,
}

impl Default for Settings {
    fn default() -> Self {
        Settings {
            enabled: true,
            sensitivity: Sensitivity::Normal,
            floor: 8.0,
            caller_floor: 20.0,
            least_share: 0.02,
            callers: 4,
            extra_bits: 0.0,
        }
    }
}

impl Settings {
    /// Errors beyond the usual that a window of such a stream must hold.
    fn floor_of(&self, kind: SubjectKind) -> f64 {
        if matches!(kind, SubjectKind::Key | SubjectKind::Client) { self.caller_floor } else { self.floor }
    }
}

/// What was judged of one class of failures.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Judgement {
    /// Which class.
    pub class: Class,
    /// Surprise in bits.
    pub bits: f64,
    /// The window that surprised most.
    pub window: Span,
    /// Share of requests that fails in it.
    pub share: f64,
    /// Whether it is to be told.
    pub fires: bool,
    /// What was needed.
    pub need: f64,
}

/// Whether every class of failures of a stream is too small to be judged in any window that is due; those are noted as
/// calm, which is what [`judge`] comes to for them.
pub fn note_quiet(kind: SubjectKind, full: &mut Full, scene: &Scene<'_>, settings: &Settings) -> bool {
    // What is over since the longest window began need not even be added up.
    let since = if scene.ends_minute() {
        Timestamp::of_bucket(scene.minute() - 59, Span::MINUTE)
    } else {
        Timestamp::of_bucket(scene.tick - 29, TICK)
    };
    let floor = settings.floor_of(kind);
    let little = || {
        full.fails_little(scene.minute(), floor)
            || (!scene.ends_minute() && full.fails_little_lately(scene.tick, floor))
    };
    if full.is_sound_since(since) || little() {
        return true;
    }
    let mut quiet = true;
    for (class, failures) in Class::ALL.into_iter().zip(&mut full.failures) {
        let Some(failures) = failures.as_deref_mut().filter(|_| is_judged(kind, class)) else { continue };
        if is_few(failures, kind, scene, settings) {
            failures.note(false, true, scene.end);
        } else {
            quiet = false;
        }
    }
    full.note_sound(quiet);
    quiet
}

/// Bare clients that probe are the business of enumeration and credential stuffing.
fn is_judged(kind: SubjectKind, class: Class) -> bool {
    kind != SubjectKind::Client || !matches!(class, Class::Client | Class::Denied)
}

/// Whether there are fewer failures than the floor in the longest window that is due, and so in any.
fn is_few(failures: &Failures, kind: SubjectKind, scene: &Scene<'_>, settings: &Settings) -> bool {
    let floor = settings.floor_of(kind);
    if failures.lately(scene.minute()).is_some_and(|most| (most as f64) < floor) {
        return true;
    }
    let recent = if scene.ends_minute() {
        failures.mins.sum(scene.minute() - 59, scene.minute())
    } else {
        failures.tens.sum(scene.tick - 29, scene.tick)
    };
    (recent as f64) < floor
}

/// Judges one class of failures of a stream.
pub fn judge(
    kind: SubjectKind,
    full: &Full,
    class: Class,
    scene: &Scene<'_>,
    settings: &Settings,
) -> Option<Judgement> {
    let failures = full.failures[class.index()].as_deref()?;
    if !is_judged(kind, class) {
        return None;
    }
    let usual = (1.5 * failures.share()).max(0.005);
    let need = match settings.sensitivity {
        Sensitivity::Low => 30.0,
        Sensitivity::Normal => 20.0,
        Sensitivity::High => 14.0,
    } + if scene.history < Span::HOUR { 10.0 } else { 0.0 }
        + settings.extra_bits;
    let single = matches!(kind, SubjectKind::Key | SubjectKind::Client);
    let quick = if single { QUICK.0 } else { QUICK.1 };
    let floor = settings.floor_of(kind);
    // Most streams fail now and then: too few to say anything in any window that is due.
    if is_few(failures, kind, scene, settings) {
        return Some(Judgement { class, bits: 0.0, window: Span::ZERO, share: 0.0, fires: false, need });
    }
    if !single && !is_of_many(kind, failures, full, scene, settings) {
        return None;
    }
    let mut best = Judgement { class, bits: 0.0, window: Span::ZERO, share: 0.0, fires: false, need };
    for minutes in [1i64, 5, 15, 60] {
        if minutes > 5 && !scene.ends_minute() {
            continue;
        }
        let window = Window::of(failures, full, scene, minutes);
        let share = window.errors / window.requests.max(1.0);
        let excess = window.errors - failures.share() * window.requests;
        // A small share must last: a rolling release makes a few percent fail for minutes.
        let least_share = settings.least_share * if single || minutes == 60 { 1.0 } else { BRIEFLY };
        if window.errors <= usual * window.requests || excess < floor || share < least_share {
            continue;
        }
        let bits = beta_binomial_tail_bits(window.errors, window.requests, usual, failures.spread());
        if bits < need {
            continue;
        }
        let fires = lasts(failures, full, scene, (usual, need, quick), &window);
        if (fires, bits) > (best.fires, best.bits) {
            best = Judgement { bits, window: Span::from_mins(minutes), share, fires, ..best };
        }
    }
    Some(best)
}

/// Failures of a few callers are those callers' trouble, whoever else calls the same. Where only a few call at all, it is
/// the endpoint's if all of them fail; where one makes most of the calls, if those of the others fail as well.
fn is_of_many(kind: SubjectKind, failures: &Failures, full: &Full, scene: &Scene<'_>, settings: &Settings) -> bool {
    let failing = failures.callers.active();
    let calling = if kind == SubjectKind::Endpoint { full.keys.active() } else { 0 };
    if failing >= if calling >= 2 { calling.min(settings.callers) } else { settings.callers } {
        return true;
    }
    let Some(top) = failures.callers.shares().first().copied() else { return false };
    let part = full.keys.shares().iter().find(|s| s.id == top.id).map_or(0.0, |s| s.now);
    let errors = failures.tens.sum(scene.tick - 11, scene.tick) as f64;
    let requests = full.counts.ticks(scene.tick, 12) as f64;
    let (others, among) = (errors * (1.0 - top.now), requests * (1.0 - part));
    calling >= 2 && failing >= FEW && others >= FEW as f64 && others * requests >= 0.5 * errors * among
}

/// What is to be told of a class that fired.
pub fn finding(kind: SubjectKind, full: &Full, scene: &Scene<'_>, judged: Judgement) -> Option<Finding> {
    let failures = full.failures[judged.class.index()].as_deref()?;
    let started_at = onset(failures, full, scene);
    let first = started_at.bucket(Span::MINUTE);
    let last = scene.end.bucket(Span::MINUTE);
    let errors = failures.mins.sum(first, last);
    let requests = full.counts.mins.sum(first, last).max(errors);
    let share = errors as f64 / (requests.max(1)) as f64;
    let callers = failures.callers.active();
    let statuses: Vec<String> =
        failures.statuses.shares().iter().filter(|s| s.now >= 0.05).map(|s| s.id.0.to_string()).collect();
    let wide = matches!(kind, SubjectKind::Endpoint | SubjectKind::Site | SubjectKind::Source);
    let severity = if wide && judged.class == Class::Server && share >= 0.5 && callers >= 4 {
        Severity::Critical
    } else {
        Severity::Warning
    };
    let mut facts = Facts::new();
    facts.insert("class".into(), Fact::Text(judged.class.as_str().to_owned()));
    facts.insert("share".into(), Fact::Share(share));
    facts.insert("usual_share".into(), Fact::Share(failures.share()));
    facts.insert("errors".into(), Fact::Count(errors));
    facts.insert("callers".into(), Fact::Count(callers as u64));
    facts.insert("statuses".into(), Fact::List(statuses));
    let parts = Parts {
        keys: shares(&failures.callers),
        endpoints: if kind == SubjectKind::Endpoint { Vec::new() } else { shares(&failures.endpoints) },
        ..Parts::default()
    };
    Some(Finding {
        detector: NAME,
        started_at,
        observed: share,
        expected: failures.share(),
        unit: "share of requests",
        bits: judged.bits,
        excess: errors as f64 - failures.share() * requests as f64,
        severity,
        trend: trend(failures, full, scene, started_at),
        impact: Impact { requests, errors, cost: None },
        facts,
        parts,
        grounds: grounds(failures, full, scene, &judged),
    })
}

/// The steps of the judgement, window by window.
fn grounds(failures: &Failures, full: &Full, scene: &Scene<'_>, judged: &Judgement) -> Grounds {
    let mut grounds = Grounds::bits(judged.bits, judged.need).line(format!(
        "Usually {:.2} % fail this way; counted against {:.2} %, spread beyond chance {:.2}.",
        100.0 * failures.share(),
        100.0 * (1.5 * failures.share()).max(0.005),
        failures.spread()
    ));
    for minutes in [1i64, 5, 15, 60] {
        let window = Window::of(failures, full, scene, minutes);
        let spoke = if Span::from_mins(minutes) == judged.window { "; this window spoke" } else { "" };
        grounds = grounds.line(format!(
            "In {minutes} min: {:.0} of {:.0} failed, {:.0} of them in the worst minute{spoke}.",
            window.errors,
            window.requests,
            window.worst(failures, full).0
        ));
    }
    grounds.line(format!("Callers that fail: {}.", failures.callers.active()))
}

fn shares(mix: &Mix) -> Vec<(Id, f64)> {
    mix.shares().iter().map(|s| (s.id, s.now)).collect()
}

/// Whether an open spike goes on: more than twice the usual share over the last three minutes with data, and at least
/// 1.5 times the least that is told.
pub fn still(full: &Full, class: Class, scene: &Scene<'_>, settings: &Settings) -> bool {
    let Some(failures) = full.failures[class.index()].as_deref() else { return false };
    let errors = failures.tens.sum(scene.tick - 17, scene.tick) as f64;
    let n = full.counts.tens.sum(scene.tick - 17, scene.tick) as f64;
    exceeds(errors, (2.0 * failures.share()).max(1.5 * settings.least_share) * n)
}

/// Requests and failures of a window.
struct Window {
    minutes: i64,
    /// A blip may lie across two minutes: short windows slide by ticks, long ones take out two minutes.
    fine: bool,
    newest: i64,
    buckets: i64,
    errors: f64,
    requests: f64,
}

impl Window {
    fn of(failures: &Failures, full: &Full, scene: &Scene<'_>, minutes: i64) -> Window {
        let fine = minutes <= 5;
        let (newest, buckets) = if fine { (scene.tick, 6 * minutes) } else { (scene.minute(), minutes) };
        let mut window = Window { minutes, fine, newest, buckets, errors: 0.0, requests: 0.0 };
        (window.errors, window.requests) = window.sum(failures, full, newest - buckets + 1, newest);
        window
    }

    /// Failures and requests in a part of it.
    fn sum(&self, failures: &Failures, full: &Full, from: i64, to: i64) -> (f64, f64) {
        let (errors, requests) = if self.fine {
            (failures.tens.sum(from, to), full.counts.tens.sum(from, to))
        } else {
            (failures.mins.sum(from, to), full.counts.mins.sum(from, to))
        };
        (errors as f64, requests.max(errors) as f64)
    }

    /// Failures and requests of its worst minute.
    fn worst(&self, failures: &Failures, full: &Full) -> (f64, f64) {
        let width = if self.fine { 6 } else { 2 };
        (self.newest - self.buckets + 1..=self.newest - width + 1)
            .map(|from| self.sum(failures, full, from, from + width - 1))
            .fold((0.0, 0.0), |worst, one| if one.0 > worst.0 { one } else { worst })
    }
}

/// Not a blip: without its worst minute the window would still be odd, and the last minute still is. A minute alone
/// is asked for the minute before it, which must fail as much.
/// `usual` share, `need`ed bits, and `least` share of the newest minute that is told at once.
fn lasts(
    failures: &Failures,
    full: &Full,
    scene: &Scene<'_>,
    (usual, need, least): (f64, f64, f64),
    window: &Window,
) -> bool {
    let quick = fails_now(failures, full, scene, usual, least);
    if window.minutes == 1 || (quick && window.minutes == 5) {
        return quick;
    }
    let share = window.errors / window.requests.max(1.0);
    let high = |(errors, n): (f64, f64)| errors >= 1.0 && errors >= (0.5 * share).max(usual) * n;
    let (worst_errors, worst_requests) = window.worst(failures, full);
    let (errors, requests) = (window.errors - worst_errors, window.requests - worst_requests);
    let rest = beta_binomial_tail_bits(errors, requests, usual, failures.spread());
    // What thin streams lack in a minute they may show in three; long windows are asked for the last five.
    let ticks = if window.minutes <= 5 { 18 } else { 30 };
    let recent = failures.tens.sum(scene.tick - ticks + 1, scene.tick) as f64;
    let recently = full.counts.tens.sum(scene.tick - ticks + 1, scene.tick) as f64;
    let clearly = exceeds(recent, (0.5 * share).max(usual) * recently);
    let now = clearly && (high(minute_of(failures, full, scene, 0)) || recently < 20.0 || window.minutes > 5);
    now && errors > usual * requests
        && errors >= 3.0
        && rest >= 0.4 * need
        && !is_in_bits(failures, full, scene, window)
}

/// Failures and requests of the minute that ended `ago` minutes ago.
fn minute_of(failures: &Failures, full: &Full, scene: &Scene<'_>, ago: i64) -> (f64, f64) {
    let (first, last) = (scene.tick - 6 * ago - 5, scene.tick - 6 * ago);
    let errors = failures.tens.sum(first, last) as f64;
    (errors, (full.counts.tens.sum(first, last) as f64).max(errors))
}

/// Whether it has failed for more than a minute and still does: it began somewhere in the minute before the newest, of
/// which `least` fails, and its tens of seconds say that it is no blip.
fn fails_now(failures: &Failures, full: &Full, scene: &Scene<'_>, usual: f64, least: f64) -> bool {
    let (errors, requests) = minute_of(failures, full, scene, 0);
    let share = errors / requests.max(1.0);
    let (before, of) = minute_of(failures, full, scene, 1);
    share >= least
        && before >= 1.0
        && before >= (BEFORE * share).max(usual) * of
        && errors >= 1.0
        && fills_a_minute(failures, full, scene, share)
}

/// Whether a fifth of the time holds nearly all failures, though not most of the requests: hosts that restart one after
/// the other fail for seconds each, and work in between. Long windows are asked by the minute, and, where most of their
/// failures are of the last five minutes, by ten seconds too.
fn is_in_bits(failures: &Failures, full: &Full, scene: &Scene<'_>, window: &Window) -> bool {
    let minutes = window.minutes.min(5);
    let fine = || lie_in_bits(&failures.tens, &full.counts.tens, scene.tick, 6 * minutes);
    if window.minutes <= 5 {
        return fine();
    }
    let recent = failures.tens.sum(scene.tick - 6 * minutes + 1, scene.tick) as f64;
    lie_in_bits(&failures.mins, &full.counts.mins, scene.minute(), window.minutes)
        || (recent >= MOST * window.errors && fine())
}

/// Whether a fifth of so many buckets holds nearly all failures, and not most of the requests.
fn lie_in_bits<const N: usize, const M: usize>(failed: &Ring<N>, all: &Ring<M>, newest: i64, buckets: i64) -> bool {
    let mut counts: Vec<(u32, u32)> =
        (newest - buckets + 1..=newest).map(|bucket| (failed.get(bucket), all.get(bucket))).collect();
    counts.sort_unstable_by_key(|&(failed, _)| std::cmp::Reverse(failed));
    let sum = |counts: &[(u32, u32)]| {
        counts.iter().fold((0.0, 0.0), |sum, one| (sum.0 + f64::from(one.0), sum.1 + f64::from(one.1)))
    };
    let (errors, requests) = sum(&counts);
    let (most, with) = sum(&counts[..counts.len() / 5]);
    errors >= MANY_ERRORS && most >= IN_BITS * errors && with <= 0.5 * requests
}

/// Whether failing tens of seconds reach over a minute: a blip of half a minute touches four of them at most.
fn fills_a_minute(failures: &Failures, full: &Full, scene: &Scene<'_>, share: f64) -> bool {
    let failing = |i: &i64| {
        let errors = f64::from(failures.tens.get(scene.tick - i));
        errors >= 1.0 && errors >= 0.5 * share * f64::from(full.counts.tens.get(scene.tick - i))
    };
    let ticks: Vec<i64> = (0..12).filter(failing).collect();
    let reach = ticks.last().zip(ticks.first()).map_or(0, |(last, first)| last - first);
    ticks.len() >= 5 && reach >= 6
}

/// Clearly more than expected, not one error by chance.
fn exceeds(errors: f64, expected: f64) -> bool {
    errors > expected + expected.sqrt() + 1.0
}

/// When it began: the minute from which on a constant share explains the failures of the last hour best (maximum
/// likelihood of one change against the usual share). A stray failure before it, and what worked in between, speak against
/// an earlier start.
fn onset(failures: &Failures, full: &Full, scene: &Scene<'_>) -> Timestamp {
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

fn trend(failures: &Failures, full: &Full, scene: &Scene<'_>, started_at: Timestamp) -> Trend {
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
