//! `credential-stuffing`: passwords are tried. From one address, or a little from each of hundreds; and above all, somebody
//! gets in after many failures.
//!
//! A log-in is a request to one of the routes that the rule names; what counts as failed is a matter of status, redirect
//! or size ([`outcome`]). Three judgements:
//!
//! 1. *A route*: far more of its log-ins fail than usual, most of the failures come from addresses nobody had met, there
//!    are more attempts than usual, and others still get in: log-ins that are broken for everybody fail otherwise. Or
//!    several addresses guess there at once.
//! 2. *An address*: at least ten failures, nearly all it tries, faster than a person or thirty within an hour, and far
//!    beyond what is usual there. An office behind one address fails in a small part only; one password sent again and
//!    again is a job that lost its password. Both say nothing, or are for information.
//! 3. *Somebody got in*: an address that guessed succeeds. Told at once.
//!
//! Facts: `failed_logins`, `logins`, `addresses` (counts), `share`, `usual_share` (shares of failed ones), `per_minute`
//! (number: failures), `succeeded` (count: log-ins after failures), `got_in` (flag), `first_success` (time),
//! `failures_before` (count), `spread` (flag: from many addresses), `regular` (flag: at a steady beat).

pub mod outcome;

use self::outcome::{Door, Failure};
use super::grounds::Grounds;
use super::scene::{Scene, Sensitivity};
use super::{DetectorKind, Fact, Facts, Finding, Impact, Parts, Trend, error_spike};
use crate::event::{Id, Method, Severity, SubjectKind};
use crate::measure::failures::{Class, Failures};
use crate::measure::logins::{self, Guesser};
use crate::measure::peers::{Kind, Peak, Peers};
use crate::measure::rows::Full;
use crate::measure::surprise::beta_binomial_tail_bits;
use crate::time::{Span, Timestamp};

/// The detector's name in the contract.
pub const NAME: &str = "credential-stuffing";

/// The detector as it is listed.
pub const KIND: DetectorKind = DetectorKind {
    name: NAME,
    notices: "repeated failures to log in, from one address or many, and above all failures followed by success",
    rank: 2,
};

/// How the detector is tuned.
#[derive(Clone, PartialEq, Debug)]
pub struct Settings {
    /// Whether it runs.
    pub enabled: bool,
    /// How easily it speaks.
    pub sensitivity: Sensitivity,
    /// Failures of one address that there must be, if they come fast.
    pub failures: u32,
    /// The same within an hour, however slowly they come.
    pub failures_slow: u32,
    /// Where people log in.
    pub paths: Vec<Door>,
    /// What a failed log-in looks like.
    pub failed: Vec<Failure>,
    /// Bits that the alert budget asks for beyond the usual.
    pub extra_bits: f64,
}

/// As in `rules/credential-stuffing.toml`.
const PATHS: &[&str] = &[
    "*/login*",
    "*/log-in*",
    "*/logon*",
    "*/signin*",
    "*/sign-in*",
    "*/sign_in*",
    "*/wp-login.php",
    "*/auth",
    "*/authenticate*",
    "*/auth/token*",
    "*/oauth/token",
    "*/oauth2/token",
    "*/token",
    "*/session",
    "*/sessions",
];
/// See [`PATHS`].
const FAILED: &[&str] = &["400", "401", "403", "422", "423", "429", "*/wp-login.php 200"];

impl Default for Settings {
    fn default() -> Self {
        Settings {
            enabled: true,
            sensitivity: Sensitivity::Normal,
            failures: 10,
            failures_slow: 30,
            paths: PATHS.iter().filter_map(|text| Door::parse(text).ok()).collect(),
            failed: FAILED.iter().filter_map(|text| Failure::parse(text).ok()).collect(),
            extra_bits: 0.0,
        }
    }
}

impl Settings {
    /// Whether people log in there, with any method.
    pub fn is_door(&self, method: Method, path: &str) -> bool {
        self.paths.iter().any(|door| door.is(method, path))
    }

    /// What came of a log-in: whether it failed; `None` if it says nothing of the password.
    pub fn outcome(&self, path: &str, status: u16, bytes: u32) -> Option<bool> {
        if self.failed.iter().any(|failure| failure.is(path, status, bytes)) {
            return Some(true);
        }
        (200..400).contains(&status).then_some(false)
    }

    /// Whether some log in with requests that only read.
    pub fn reads(&self) -> bool {
        self.enabled && self.paths.iter().any(Door::reads)
    }

    fn need(&self) -> f64 {
        20.0 + self.extra_bits
            + match self.sensitivity {
                Sensitivity::Low => 10.0,
                Sensitivity::Normal => 0.0,
                Sensitivity::High => -6.0,
            }
    }

    /// As error spikes are judged, so that of the same failures both speak at the same time and this one names them.
    fn errors(&self) -> error_spike::Settings {
        error_spike::Settings {
            sensitivity: self.sensitivity,
            extra_bits: self.extra_bits,
            ..error_spike::Settings::default()
        }
    }
}

/// Least share of an address's attempts that fails.
const NEARLY_ALL: f64 = 0.8;
/// Least share of a route's failures that come from addresses nobody had met.
const STRANGE: f64 = 0.5;
/// Others get in as long as so much of the usual number do.
const OTHERS_GET_IN: f64 = 0.4;
/// Share of the failures beyond the usual that must be attempts beyond the usual.
const MORE_ATTEMPTS: f64 = 0.4;
/// Addresses that guess at one route from which on it is one attack on the route.
const TOGETHER: usize = 4;
/// Failures that make one of them; and where nothing is known of what is usual at the route.
pub const EACH: (u32, u32) = (4, 10);
/// Where it is known, so many times the usual must fail, and so many more.
const RISE: (f64, f64) = (2.0, 20.0);
/// Who guesses from one address is told from so many failures a day on only, if more than one a week do as much.
const DAILY: f64 = 1.0 / 7.0;
/// So many log-ins after failures, and so many times the usual, are somebody's success.
const TURNED: (f64, f64) = (5.0, 3.0);
/// In which two strangers get in that failed before: it goes on.
const ENTERING: Span = Span::from_mins(5);
/// It is over after so long without failures.
const OVER_AFTER: Span = Span::from_mins(10);

/// A route with its counts, as a judgement needs them. Its row holds attempts as requests, failed ones as 401.
#[derive(Clone, Copy, Debug)]
pub struct Route<'a> {
    /// Attempts and failures.
    pub full: &'a Full,
    /// What else is known.
    pub door: &'a logins::Door,
    /// Addresses that guess there just now, with their failures.
    pub guessing: &'a [(Id, u32)],
    /// Whether one of them got in.
    pub got_in: bool,
}

/// A judged route.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Judged {
    /// What the share of failures came to.
    pub spike: error_spike::Judgement,
    /// Whether it is told.
    pub fires: bool,
}

/// Judges a route at the end of a tick.
pub fn judge(route: &Route<'_>, scene: &Scene<'_>, settings: &Settings) -> Option<Judged> {
    let (kind, errors) = (SubjectKind::Endpoint, settings.errors());
    let spike = error_spike::judge(kind, route.full, Class::Denied, scene, &errors)?;
    if error_spike::is_of_few(kind, route.full, Class::Denied, scene, &errors) {
        return None;
    }
    // Nothing fails beyond the usual, and hardly anybody guesses: nearly always.
    if !spike.fires && route.guessing.len() < TOGETHER {
        return Some(Judged { spike, fires: false });
    }
    let failures = route.full.failures.get(Class::Denied.index())?.as_deref()?;
    let known = route.full.normal.age(scene.end) >= Span::DAY && scene.history >= Span::DAY;
    let window = spike.window.max(Span::from_mins(5)).min(Span::HOUR);
    let since = scene.end - window;
    let (first, last) = (since.bucket(Span::MINUTE), scene.minute() + 1);
    let errors = failures.mins.sum(first, last) as f64;
    let attempts = (route.full.counts.mins.sum(first, last) as f64).max(errors);
    let expected = route.full.normal.expected(scene.end, window, &scene.around);
    let usual_in = expected * (1.0 - failures.share());
    let gets_in = usual_in < 3.0 || attempts - errors >= OTHERS_GET_IN * usual_in;
    let more = attempts - expected >= MORE_ATTEMPTS * (errors - failures.share() * attempts);
    let strange = route.door.strange(since) as f64 >= STRANGE * errors;
    let risen = errors >= RISE.0 * failures.share() * attempts + RISE.1;
    let together = route.guessing.len() >= TOGETHER && (!known || gets_in && more && risen);
    let spread = spike.fires && known && gets_in && more && strange;
    Some(Judged { spike, fires: spread || together })
}

/// Whether an attack on a route goes on: somebody guesses there, more fails than usual, or strangers who failed get in.
pub fn still(full: &Full, door: &logins::Door, scene: &Scene<'_>, settings: &Settings, guessing: usize) -> bool {
    guessing >= 2
        || door.turned(scene.end - ENTERING) >= 2
        || error_spike::still(full, Class::Denied, scene, &settings.errors())
}

/// What is to be told of a route.
pub fn finding_on_route(route: &Route<'_>, scene: &Scene<'_>, judged: Judged) -> Option<Finding> {
    let spike = error_spike::finding(SubjectKind::Endpoint, route.full, scene, judged.spike)?;
    let started_at = spike.started_at;
    let (failed, attempts) = (spike.impact.errors, spike.impact.requests);
    let turned = route.door.turned(started_at) as f64;
    let expected = TURNED.1 * route.door.usually_turned() * attempts.saturating_sub(failed) as f64;
    let got_in = route.got_in || turned >= TURNED.0.max(expected);
    // Whoever fails more than once is one; beyond some they are counted within 7 %.
    let addresses = route.door.addresses().round().max(route.guessing.len() as f64).min(failed as f64);
    let mut facts = Facts::new();
    let mut put = |name: &str, fact| facts.insert(name.to_owned(), fact);
    put("failed_logins", Fact::Count(failed));
    put("logins", Fact::Count(attempts));
    put("addresses", Fact::Count(addresses as u64));
    put("share", Fact::Share(spike.observed));
    put("usual_share", Fact::Share(spike.expected));
    put("per_minute", Fact::Number(failed as f64 / (scene.end - started_at).mins_f64().max(1.0)));
    put("succeeded", Fact::Count(if got_in { turned as u64 } else { 0 }));
    put("got_in", Fact::Flag(got_in));
    put("spread", Fact::Flag(true));
    let clients = spike.parts.keys.clone();
    Some(Finding {
        detector: NAME,
        observed: failed as f64,
        expected: (spike.expected * attempts as f64).round(),
        unit: "failed log-ins",
        severity: if got_in { Severity::Critical } else { Severity::Warning },
        facts,
        parts: Parts { clients, ..Parts::default() },
        grounds: spike
            .grounds
            .clone()
            .line(format!(
                "Addresses nobody had met made {} of the failures in an hour.",
                route.door.strange(scene.end - Span::HOUR)
            ))
            .line(format!("Addresses that guess there on their own: {}.", route.guessing.len())),
        ..spike
    })
}

/// What is known of an address that fails.
#[derive(Clone, Copy, Debug)]
pub struct Context<'a> {
    /// Failures and attempts at its route, where they are known.
    pub failures: Option<&'a Failures>,
    /// How often others fail in vain.
    pub peers: &'a Peers,
}

/// Judges one address. `got_in`: it has just succeeded.
pub fn judge_address(guesser: &Guesser, context: &Context<'_>, got_in: bool, settings: &Settings) -> Option<Finding> {
    let failed = if got_in { guesser.failed_before } else { guesser.failed };
    let ease = match settings.sensitivity {
        Sensitivity::Low => 2,
        Sensitivity::Normal | Sensitivity::High => 1,
    };
    let enough = failed >= ease * if guesser.fast { settings.failures } else { settings.failures_slow };
    // A success is one of its attempts; the failures before it are what counts.
    let share = if got_in { 1.0 } else { guesser.share() };
    // The same length is all that a log shows of a password: a job that lost its own does not get in, and codes of four
    // digits are all alike.
    let job = guesser.repeats() == Some(true) && !(got_in && guesser.fast);
    if !enough || share < NEARLY_ALL || job {
        return None;
    }
    let usual = context.failures.map_or(0.02, Failures::share);
    let spread = context.failures.map_or(1.0, Failures::spread);
    let attempts = f64::from(guesser.failed + guesser.succeeded);
    let bits = beta_binomial_tail_bits(f64::from(failed), attempts, (1.5 * usual).clamp(0.005, 0.5), spread.min(1.0));
    let regular = guesser.is_regular() && !guesser.fast;
    let rare = context.peers.lambda(Kind::Client, Peak::Day, f64::from(failed)) <= DAILY;
    let severity = match () {
        () if got_in && !regular => Severity::Critical,
        // Scripts that try passwords everywhere are the weather of the internet.
        () if rare && !regular => Severity::Warning,
        () => Severity::Info,
    };
    let need = settings.need();
    (got_in || bits >= 0.5 * need).then(|| finding(guesser, context, (bits, need), severity))
}

/// Today's numbers of an open incident on an address.
pub fn current(guesser: &Guesser, context: &Context<'_>, settings: &Settings) -> Finding {
    finding(guesser, context, (0.0, settings.need()), Severity::Info)
}

/// Whether an address goes on.
pub fn still_at(guesser: &Guesser, now: Timestamp) -> bool {
    now - guesser.last_at <= OVER_AFTER
}

fn finding(guesser: &Guesser, context: &Context<'_>, (bits, need): (f64, f64), severity: Severity) -> Finding {
    let failed = u64::from(guesser.failed);
    let attempts = failed + u64::from(guesser.succeeded);
    let mut facts = Facts::new();
    let mut put = |name: &str, fact| facts.insert(name.to_owned(), fact);
    put("failed_logins", Fact::Count(failed));
    put("logins", Fact::Count(attempts));
    put("addresses", Fact::Count(1));
    put("share", Fact::Share(guesser.share()));
    put("usual_share", Fact::Share(context.failures.map_or(0.0, Failures::share)));
    put("per_minute", Fact::Number(guesser.per_minute()));
    put("succeeded", Fact::Count(u64::from(guesser.succeeded)));
    put("got_in", Fact::Flag(guesser.got_in_at.is_some()));
    put("spread", Fact::Flag(false));
    put("regular", Fact::Flag(guesser.is_regular()));
    if let Some(at) = guesser.got_in_at {
        put("first_success", Fact::Time(at));
        put("failures_before", Fact::Count(u64::from(guesser.failed_before)));
    }
    let pace = if guesser.fast { "faster than a person" } else { "no faster than a person" };
    let variety = match guesser.repeats() {
        Some(true) => "it sends the same again and again",
        Some(false) => "what it sends differs",
        None => "the log does not show whether what it sends differs",
    };
    Finding {
        detector: NAME,
        started_at: guesser.started_at,
        observed: failed as f64,
        expected: 0.0,
        unit: "failed log-ins",
        bits,
        excess: failed as f64,
        severity,
        trend: Trend::Steady,
        impact: Impact { requests: attempts, errors: failed, cost: None },
        facts,
        parts: Parts { endpoints: vec![(guesser.route, 1.0)], ..Parts::default() },
        grounds: Grounds::count(failed as f64, 10.0)
            .line(format!("{failed} of {attempts} log-ins failed, {pace}; {variety}."))
            .line(format!(
                "Against what is usual there: {bits:.0} bits of surprise, at least {:.0} asked for.",
                0.5 * need
            )),
    }
}
