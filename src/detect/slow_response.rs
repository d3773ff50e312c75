//! `slow-response`: an endpoint answers far more slowly than usual.
//!
//! Most of the newest answers must take at least twice as long as the middle of the usual ones, for five minutes. Only
//! requests that succeed count: what fails is an error spike. Left out are web sockets and routes that wait by design:
//! those that usually take ten seconds or more, and those whose slow answers usually take thirty times as long as their
//! middle ones. What was as slow on two days before is no news.
//!
//! Facts: `latency`, `usual_latency` (spans), `factor` (number), `calls` (count: slow ones), `slow_share` (share of the
//! newest).

use super::grounds::Grounds;
use super::scene::Sensitivity;
use super::{DetectorKind, Fact, Facts, Finding, Impact, Parts, Trend};
use crate::event::Severity;
use crate::measure::sizes::Sizes;
use crate::time::{Span, Timestamp};

/// The detector's name in the contract.
pub const NAME: &str = "slow-response";

/// The detector as it is listed.
pub const KIND: DetectorKind =
    DetectorKind { name: NAME, notices: "an endpoint's response time far above its baseline", rank: 65 };

/// How the detector is tuned.
#[derive(Clone, PartialEq, Debug)]
pub struct Settings {
    /// Whether it runs.
    pub enabled: bool,
    /// How easily it speaks.
    pub sensitivity: Sensitivity,
    /// So many times the usual is nothing.
    pub factor: f64,
    /// Answers faster than this are fast enough, however fast they usually are.
    pub least: Span,
    /// It must last for so long.
    pub lasts: Span,
    /// Endpoints that wait by design: `*` stands for anything.
    pub waiting: Vec<String>,
}

/// As in `rules/slow-response.toml`.
const WAITING: &[&str] = &[
    "*/ws",
    "*/ws/*",
    "*/websocket*",
    "*/socket.io*",
    "*/sockjs*",
    "*/stream",
    "*/stream/*",
    "*/sse*",
    "*/poll*",
    "*/longpoll*",
];

impl Default for Settings {
    fn default() -> Self {
        Settings {
            enabled: true,
            sensitivity: Sensitivity::Normal,
            factor: 2.5,
            least: Span::from_millis(250),
            lasts: Span::from_mins(5),
            waiting: WAITING.iter().map(|path| (*path).to_owned()).collect(),
        }
    }
}

/// Of the newest 64 so many must be slow, and so many while it lasts.
const MANY: (u32, u32) = (44, 24);
/// An endpoint must be known for so long.
const KNOWN_FOR: Span = Span::DAY;
/// Usual answers that take so long, or whose slow ones take so many times as long as the middle ones, wait by design.
const WAITS: (f64, f64) = (10_000.0, 30.0);
/// So many times as many as on the second worst day before are news.
const NEWS: f64 = 1.5;
/// It is over when nothing came for so long.
const OVER_AFTER: Span = Span::from_mins(15);

/// Whether an endpoint waits by design, by its name.
pub fn waits(settings: &Settings, endpoint: &str) -> bool {
    settings.waiting.iter().any(|pattern| super::pattern::fits(pattern, endpoint))
}

/// Judges an endpoint.
pub fn judge(sizes: &Sizes, now: Timestamp, settings: &Settings) -> Option<Finding> {
    let ease = match settings.sensitivity {
        Sensitivity::Low => 2.0,
        Sensitivity::Normal => 1.0,
        Sensitivity::High => 0.7,
    };
    let (_, far, latency) = sizes.far();
    let usual = sizes.quantile(0.5);
    let (today, before) = sizes.days();
    let waits = usual >= WAITS.0 || sizes.quantile(0.9) >= WAITS.1 * usual;
    let fires = !waits
        && sizes.newest() >= 64
        && sizes.far_of_newest(64) >= MANY.0
        && sizes.age(now) >= KNOWN_FOR
        && sizes.far_for() >= settings.lasts
        && f64::from(far) >= 20.0 * settings.lasts.mins_f64().max(1.0) / 5.0
        && latency >= ease * settings.factor * usual
        && latency >= settings.least.millis() as f64
        && today > NEWS * before;
    fires.then(|| finding(sizes))
}

/// Whether it goes on.
pub fn still(sizes: &Sizes, now: Timestamp) -> bool {
    now - sizes.last_at() <= OVER_AFTER && sizes.far_of_newest(64) >= MANY.1
}

/// What is to be told.
pub fn finding(sizes: &Sizes) -> Finding {
    let (since, far, latency) = sizes.far();
    let usual = sizes.quantile(0.5);
    let share = f64::from(sizes.far_of_newest(64)) / f64::from(sizes.newest().max(1));
    let span = |millis: f64| Fact::Span(Span::from_millis(millis.round() as i64));
    let mut facts = Facts::new();
    let mut put = |name: &str, fact| facts.insert(name.to_owned(), fact);
    put("latency", span(latency));
    put("usual_latency", span(usual));
    put("factor", Fact::Number(latency / usual.max(1.0)));
    put("calls", Fact::Count(u64::from(far)));
    put("slow_share", Fact::Share(share.min(1.0)));
    let (today, before) = sizes.days();
    Finding {
        detector: NAME,
        started_at: since,
        observed: latency.round(),
        expected: usual.round(),
        unit: "ms",
        bits: 0.0,
        excess: f64::from(far),
        severity: Severity::Warning,
        trend: Trend::Steady,
        impact: Impact { requests: u64::from(far), errors: 0, cost: None },
        facts,
        parts: Parts::default(),
        grounds: Grounds::count(f64::from(sizes.far_of_newest(64)), f64::from(MANY.0))
            .line(format!(
                "Of the newest 64 answers {} took more than twice as long as usual.",
                sizes.far_of_newest(64)
            ))
            .line(format!("Today {today:.0} did, on the second worst of the days before {before:.0}.")),
    }
}
