//! `error-spike`: a share of failing requests far above the usual, for an endpoint, key, client or the site.
//!
//! Facts: `class` (Text), `share`, `usual_share` (Share), `errors` (Count), `callers` (Count, at most 8 are told
//! apart), `statuses` (List); of an endpoint `others_fail` (flag: also the calls of all but the caller that fails most).
//!
//! Errors are judged against the stream's own learned share (beta-binomial), and must last: a deploy that fails for 25
//! seconds cannot fill two whole minutes.

mod course;
mod lasting;

use course::{onset, trend};
use lasting::{Window, exceeds, lasts};

use crate::detect::grounds::Grounds;
use crate::detect::scene::{Scene, Sensitivity};
use crate::detect::{DetectorKind, Fact, Facts, Finding, Impact, Parts};
use crate::event::{Id, Severity, SubjectKind};
use crate::measure::failures::{Class, Failures};
use crate::measure::mix::Mix;
use crate::measure::ring::TICK;
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

/// So many times the least share must fail in windows of less than an hour.
const BRIEFLY: f64 = 2.5;
/// Share of the newest minute that must fail for it to be told after little more than a minute: of one caller, and of what
/// many call, which goes before.
const QUICK: (f64, f64) = (0.4, 0.3);
/// Callers that must fail where one makes most of the calls, and failures of those beside it.
const FEW: usize = 3;
/// Of what hardly ever fails, of a hundred calls one at most, so many of both are enough.
const HARDLY: (usize, f64) = (2, 0.01);
/// Share of an endpoint's calls that are made by two callers, so that these two are everybody.
const NEARLY_ALL: f64 = 0.8;
/// A caller that hardly ever failed in so many requests,
const SOUND: f64 = 300.0;
/// and in whose newest minute such a share fails,
const WHOLLY: f64 = 0.8;
/// is told after such a part of the failures that it takes otherwise: nothing works for it any more.
const SOONER: f64 = 0.6;
/// Share of the failures at one endpoint from which on something does not work, and not everything: if it is one call over
/// and over, it is better told as the loop that it is.
const ONE_THING: f64 = 0.9;

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
        if kind.is_caller() { self.caller_floor } else { self.floor }
    }

    /// With fewer errors than that nothing is told of such a stream.
    fn least_of(&self, kind: SubjectKind) -> f64 {
        if kind.is_caller() { SOONER * self.caller_floor } else { self.floor }
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
    /// Whether so much fails for so long that it is to be told, and nothing that the usual share is learned from.
    pub fires: bool,
    /// Whether what fires is the trouble of a few callers, who are told themselves, and not the stream's ([`is_of_few`]).
    pub of_few: bool,
    /// What was needed.
    pub need: f64,
}

impl Judgement {
    /// Whether it is to be told of the stream.
    pub fn is_told(&self) -> bool {
        self.fires && !self.of_few
    }

    /// Nothing fails beyond the usual.
    fn nothing(class: Class, need: f64) -> Self {
        Judgement { class, bits: 0.0, window: Span::ZERO, share: 0.0, fires: false, of_few: false, need }
    }
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
    let floor = settings.least_of(kind);
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
    let floor = settings.least_of(kind);
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
    let single = kind.is_caller();
    let quick = if single { QUICK.0 } else { QUICK.1 };
    let mut best = Judgement::nothing(class, need);
    // Most streams fail now and then: too few to say anything in any window that is due.
    if is_few(failures, kind, scene, settings) {
        return Some(best);
    }
    let wholly = single
        && failures.share() <= HARDLY.1
        && failures.weight() >= SOUND
        && Window::of(failures, full, scene, 1).share() >= WHOLLY
        && failures.endpoints.shares().first().is_some_and(|top| top.now < ONE_THING);
    let floor = if wholly { settings.least_of(kind) } else { settings.floor_of(kind) };
    for minutes in [1i64, 5, 15, 60] {
        if minutes > 5 && !scene.ends_minute() {
            continue;
        }
        // Nothing is expected to fail less than never.
        let Some(window) = Window::with(failures, full, scene, minutes, floor) else { continue };
        let share = window.share();
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
    best.of_few = best.fires && !single && !is_of_many(kind, failures, full, scene, settings);
    Some(best)
}

/// Whether the failures of a class are the trouble of a few callers, whether or not they are too many.
pub fn is_of_few(kind: SubjectKind, full: &Full, class: Class, scene: &Scene<'_>, settings: &Settings) -> bool {
    let failures = full.failures[class.index()].as_deref().filter(|_| !kind.is_caller());
    failures.is_some_and(|failures| {
        !is_few(failures, kind, scene, settings) && !is_of_many(kind, failures, full, scene, settings)
    })
}

/// Failures of a few callers are those callers' trouble, whoever else calls the same. Where only a few call at all, it is
/// the endpoint's if all of them fail; where one makes most of the calls, if those of the others fail as well.
fn is_of_many(kind: SubjectKind, failures: &Failures, full: &Full, scene: &Scene<'_>, settings: &Settings) -> bool {
    let failing = failures.callers.active();
    let calling = if kind == SubjectKind::Endpoint { full.keys.active() } else { 0 };
    if failing >= if calling >= 2 { calling.min(settings.callers) } else { settings.callers } {
        return true;
    }
    let all = || {
        let calls = full.keys.shares();
        let of = |id: Id| calls.iter().find(|s| s.id == id).map_or(0.0, |s| s.now);
        failures.callers.shares().iter().map(|s| of(s.id)).sum::<f64>()
    };
    let enough = || failing >= few(failures) || failing >= 2 && all() >= NEARLY_ALL;
    calling >= 2 && enough() && others_fail(failures, full, scene)
}

/// Failures of others beside the busiest caller that say that it is not that one's trouble.
fn few(failures: &Failures) -> usize {
    if failures.share() <= HARDLY.1 { HARDLY.0 } else { FEW }
}

/// Whether the calls of all but the caller that fails most fail half as often as its own, or more.
fn others_fail(failures: &Failures, full: &Full, scene: &Scene<'_>) -> bool {
    let callers = failures.callers.shares();
    let Some(top) = callers.first() else { return false };
    let calls = full.keys.shares().iter().find(|s| s.id == top.id).map_or(0.0, |s| s.now);
    let errors = failures.tens.sum(scene.tick - 11, scene.tick) as f64;
    let requests = full.counts.ticks(scene.tick, 12) as f64;
    let (others, among) = (errors * (1.0 - top.now), requests * (1.0 - calls));
    others >= few(failures) as f64 && others * requests >= 0.5 * errors * among
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
    if kind == SubjectKind::Endpoint {
        facts.insert("others_fail".into(), Fact::Flag(callers >= FEW && others_fail(failures, full, scene)));
    }
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
            "In {minutes} min: {} of {} failed, {} of them in the worst minute{spoke}.",
            window.errors as u64,
            window.requests as u64,
            window.worst(failures, full).0 as u64
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
