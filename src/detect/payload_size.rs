//! `payload-size`: answers, requests or tokens per call far larger than a key's usual.
//!
//! Sizes are compared on a logarithmic scale with what the key usually sends and gets, each against what is usual of its
//! route and method: who begins to call another route is no news, nor is a route that grew for everybody. Ten of the newest calls
//! must be at least twice as large as what hardly any was before. What was as far out on two days before, a report each
//! night, is no news either.
//!
//! Facts: `what` (text: `responses`, `requests`, `tokens read`, `tokens written`), `size` and `usual_size` (numbers, in
//! bytes or tokens), `factor` (number), `calls` (count: calls as large), `far_share` (share of the newest calls).

use super::grounds::Grounds;
use super::scene::Sensitivity;
use super::{DetectorKind, Fact, Facts, Finding, Impact, Parts, Trend};
use crate::event::Severity;
use crate::measure::sizes::{Sizes, What};
use crate::time::{Span, Timestamp};

/// The detector's name in the contract.
pub const NAME: &str = "payload-size";

/// The detector as it is listed.
pub const KIND: DetectorKind = DetectorKind {
    name: NAME,
    notices: "response bytes, request bytes or tokens per call far from a key's usual",
    rank: 50,
};

/// How the detector is tuned.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Settings {
    /// Whether it runs.
    pub enabled: bool,
    /// How easily it speaks.
    pub sensitivity: Sensitivity,
    /// Calls that must be far out.
    pub calls: u32,
    /// So many times the usual is nothing.
    pub factor: f64,
    /// Answers and requests below so many bytes are nothing, however much larger than usual,
    pub least_bytes: f64,
    /// and calls of fewer tokens.
    pub least_tokens: f64,
}

impl Default for Settings {
    fn default() -> Self {
        let sensitivity = Sensitivity::Normal;
        Settings { enabled: true, sensitivity, calls: 10, factor: 4.0, least_bytes: 65_536.0, least_tokens: 2_000.0 }
    }
}

/// It must last for so long: a page that loads many large things, or a report of everything once, is none.
const LASTS: Span = Span::from_mins(5);
/// A key must be known for so long: what it does every day has then been seen.
const KNOWN_FOR: Span = Span::from_days(4);
/// So many times as many as on the second worst day before are news.
const NEWS: f64 = 1.5;
/// It is over when none came for so long, or hardly any of the newest is far out.
const OVER_AFTER: Span = Span::from_mins(30);

/// A cheap first look: with fewer of the newest calls far out, or for a shorter time, there is nothing to judge.
pub fn may_matter(sizes: &Sizes, settings: &Settings) -> bool {
    f64::from(sizes.far_of_newest(32)) >= 0.5 * f64::from(settings.calls).min(32.0) && sizes.far_for() >= LASTS
}

/// Judges one series of a key.
pub fn judge(what: What, sizes: &Sizes, now: Timestamp, settings: &Settings) -> Option<Finding> {
    let ease = match settings.sensitivity {
        Sensitivity::Low => 2.0,
        Sensitivity::Normal => 1.0,
        Sensitivity::High => 0.5,
    };
    let (_, far, ratio) = sizes.far();
    let (today, before) = sizes.days();
    let least = if is_tokens(what) { settings.least_tokens } else { settings.least_bytes };
    let factor = ratio / sizes.quantile(0.5).max(1.0);
    let many = f64::from(sizes.far_of_newest(32)) >= ease * f64::from(settings.calls).min(32.0);
    let news = today > NEWS * before;
    // What others get there is compared as of now: what is over for all must not look like this key's.
    let goes_on = sizes.far_of_newest(8) >= 3;
    let fires = many
        && news
        && goes_on
        && f64::from(far) >= ease * f64::from(settings.calls)
        && sizes.far_for() >= LASTS
        && sizes.age(now) >= KNOWN_FOR
        && factor >= ease * settings.factor
        && sizes.far_amount() >= least;
    fires.then(|| finding(what, sizes, settings))
}

/// Whether it goes on.
pub fn still(sizes: &Sizes, now: Timestamp) -> bool {
    now - sizes.last_at() <= OVER_AFTER && sizes.far_of_newest(32) >= 4
}

/// What is to be told.
pub fn finding(what: What, sizes: &Sizes, settings: &Settings) -> Finding {
    let (since, far, ratio) = sizes.far();
    let size = sizes.far_amount();
    let own = size * sizes.quantile(0.5) / ratio.max(1.0);
    let share = f64::from(sizes.far_of_newest(64)) / f64::from(sizes.newest().max(1));
    let (name, unit) = match what {
        What::Request => ("requests", "bytes"),
        What::TokensIn => ("tokens read", "tokens"),
        What::TokensOut => ("tokens written", "tokens"),
        What::Response | What::Duration => ("responses", "bytes"),
    };
    let mut facts = Facts::new();
    let mut put = |name: &str, fact| facts.insert(name.to_owned(), fact);
    put("what", Fact::Text(name.to_owned()));
    put("size", Fact::Number(size.round()));
    put("usual_size", Fact::Number(own.round()));
    put("factor", Fact::Number(size / own.max(1.0)));
    put("calls", Fact::Count(u64::from(far)));
    put("far_share", Fact::Share(share.min(1.0)));
    let (today, before) = sizes.days();
    let grounds = Grounds::count(f64::from(sizes.far_of_newest(32)), f64::from(settings.calls))
        .line(format!("Of the newest 32 calls {} are far beyond what hardly any was before.", sizes.far_of_newest(32)))
        .line(format!("Today {today:.0} were, on the second worst of the days before {before:.0}."))
        .line(format!("Against what is usual on each route; {:.0} calls are known.", sizes.weight()));
    Finding {
        detector: NAME,
        started_at: since,
        observed: size.round(),
        expected: own.round(),
        unit,
        bits: 0.0,
        excess: f64::from(far),
        severity: Severity::Warning,
        trend: Trend::Steady,
        impact: Impact { requests: u64::from(far), errors: 0, cost: None },
        facts,
        parts: Parts::default(),
        grounds,
    }
}

fn is_tokens(what: What) -> bool {
    matches!(what, What::TokensIn | What::TokensOut)
}
