//! `scope-creep`: a key does kinds of things it never did: a reader that starts to change things, routes it never used,
//! more and more of them, or such that are marked as sensitive.
//!
//! Judged with the first request of each new kind, from a week and 200 requests on. What several keys began within a day,
//! or what nobody could call before, is a release and no news.
//!
//! Facts: `new_routes` (count), `new_writes` (count of those that change something), `first_write` (flag: it had only read
//! before), `denied_routes` (count), `sensitive` (count), `known_for` (span).

use super::grounds::Grounds;
use super::scene::Sensitivity;
use super::{DetectorKind, Fact, Facts, Finding, Impact, Parts, Trend};
use crate::event::{Id, Severity};
use crate::measure::scope::{Begun, MATERIAL, Scope};
use crate::measure::surprise::nb_tail_bits;
use crate::time::{Span, Timestamp};

/// The detector's name in the contract.
pub const NAME: &str = "scope-creep";

/// The detector as it is listed.
pub const KIND: DetectorKind = DetectorKind {
    name: NAME,
    notices: "a key doing kinds of things it never did: a reader that starts to write, privileged endpoints",
    rank: 6,
};

/// How the detector is tuned.
#[derive(Clone, PartialEq, Debug)]
pub struct Settings {
    /// Whether it runs.
    pub enabled: bool,
    /// How easily it speaks.
    pub sensitivity: Sensitivity,
    /// How long a key must be known, and how many requests it must have made.
    pub known_for: Span,
    /// See `known_for`.
    pub requests: f64,
    /// Routes that matter more: `*` stands for anything.
    pub sensitive: Vec<String>,
    /// Bits that the alert budget asks for beyond the 20.
    pub extra_bits: f64,
}

/// As in `rules/scope-creep.toml`.
const SENSITIVE: &[&str] = &["*/admin*", "*/internal/*", "*/users/*/roles*", "*/permissions*", "*/keys*", "*/export*"];

impl Default for Settings {
    fn default() -> Self {
        Settings {
            enabled: true,
            sensitivity: Sensitivity::Normal,
            known_for: Span::from_days(7),
            requests: 200.0,
            sensitive: SENSITIVE.iter().map(|path| (*path).to_owned()).collect(),
            extra_bits: 0.0,
        }
    }
}

impl Settings {
    /// Whether a route matters more.
    pub fn is_sensitive(&self, path: &str) -> bool {
        self.sensitive.iter().any(|pattern| super::pattern::fits(pattern, path))
    }
}

/// Bits that a first change is worth at most, and what each sensitive route and having been denied add.
const FIRST_WRITE: f64 = 11.0;
const SENSITIVE_BITS: f64 = 3.0;
const DENIED_BITS: f64 = 4.0;
/// A reader that goes on to change things, which were served: what it adds that hardly any other key changes anything
/// there, and that readers of this site hardly ever begin to (fewer a week than this: none in two weeks, or as seldom).
const RARELY_WRITTEN: f64 = 3.0;
const READERS_STAY: (f64, f64) = (4.0, 0.275);
/// It goes on as long as anything new was called within so long.
const OVER_AFTER: Span = Span::from_mins(30);

/// Something that a key began today and others did not.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct News {
    /// What it is.
    pub begun: Begun,
    /// The rule calls the route sensitive.
    pub sensitive: bool,
    /// Hardly any other key changes something there.
    pub rarely_written: bool,
}

impl News {
    /// Changes that were served, so many that it is no mistake.
    fn is_material(&self) -> bool {
        self.begun.writes && self.begun.served >= MATERIAL
    }
}

/// A key, and what else is known.
#[derive(Clone, Copy, Debug)]
pub struct Context<'a> {
    /// What the key does.
    pub scope: &'a Scope,
    /// What it began today and others did not.
    pub news: &'a [News],
    /// Other readers of this site that begin to change things, a week.
    pub turn_a_week: f64,
}

/// Judges a key that began something today.
pub fn judge(context: &Context<'_>, now: Timestamp, settings: &Settings) -> Option<Finding> {
    let Context { scope, news, .. } = *context;
    let (_, days) = scope.usual(now);
    if news.is_empty() || days < settings.known_for.days_f64() || f64::from(scope.requests()) < settings.requests {
        return None;
    }
    let (bits, _) = score(context, now);
    let need = need(settings);
    if bits < need {
        return None;
    }
    let finding = finding(context, now, settings);
    // Where it does what many others do, the most likely reason is that its owner uses more of the service.
    let page = bits - as_others(context) >= need;
    Some(if page { finding } else { Finding { severity: Severity::Info, ..finding } })
}

fn need(settings: &Settings) -> f64 {
    20.0 + settings.extra_bits
        + match settings.sensitivity {
            Sensitivity::Low => 10.0,
            Sensitivity::Normal => 0.0,
            Sensitivity::High => -6.0,
        }
}

/// Bits, and whether it only read before.
fn score(context: &Context<'_>, now: Timestamp) -> (f64, bool) {
    let Context { scope, news, turn_a_week } = *context;
    let (usual, _) = scope.usual(now);
    let mut bits = nb_tail_bits(news.len() as f64, usual, 1.0);
    let written: u32 = news.iter().filter(|n| n.begun.writes).map(|n| n.begun.served).sum();
    let first_write = news.iter().any(|n| n.begun.writes) && scope.writes <= written;
    if first_write {
        bits += (0.8 * (f64::from(scope.reads) / 2.0 + 2.0).log2()).min(FIRST_WRITE);
        if news.iter().any(|n| n.is_material() && n.rarely_written) {
            bits += RARELY_WRITTEN;
        }
        if turn_a_week <= READERS_STAY.1 && news.iter().any(News::is_material) {
            bits += READERS_STAY.0;
        }
    }
    bits += SENSITIVE_BITS * news.iter().filter(|n| n.sensitive).count() as f64;
    if news.iter().any(|n| n.begun.denied > 0) {
        bits += DENIED_BITS;
    }
    (bits, first_write)
}

/// Bits of a reader that goes on to change only what many other keys change: enough for a line of the summary, not for a page.
fn as_others(context: &Context<'_>) -> f64 {
    let mut material = context.news.iter().filter(|n| n.is_material()).peekable();
    let alike = material.peek().is_some() && material.all(|n| !n.rarely_written && !n.sensitive);
    if alike && context.turn_a_week <= READERS_STAY.1 { READERS_STAY.0 } else { 0.0 }
}

/// Whether it goes on.
pub fn still(scope: &Scope, now: Timestamp) -> bool {
    scope.today().iter().any(|begun| now - begun.last_at <= OVER_AFTER)
}

/// What is to be told.
pub fn finding(context: &Context<'_>, now: Timestamp, settings: &Settings) -> Finding {
    let Context { scope, news, turn_a_week } = *context;
    let (bits, first_write) = score(context, now);
    let (usual, days) = scope.usual(now);
    let started_at = news.iter().map(|n| n.begun.at).min().unwrap_or(now);
    let requests: u64 = news.iter().map(|n| u64::from(n.begun.requests)).sum();
    let denied: u64 = news.iter().map(|n| u64::from(n.begun.denied)).sum();
    let count = |of: &dyn Fn(&News) -> bool| Fact::Count(news.iter().filter(|n| of(n)).count() as u64);
    let mut routes: Vec<(Id, f64)> =
        news.iter().map(|n| (n.begun.route, f64::from(n.begun.requests) / requests.max(1) as f64)).collect();
    routes.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
    let mut facts = Facts::new();
    let mut put = |name: &str, fact| facts.insert(name.to_owned(), fact);
    put("new_routes", Fact::Count(news.len() as u64));
    put("new_writes", count(&|n| n.begun.writes));
    put("first_write", Fact::Flag(first_write));
    put("denied_routes", count(&|n| n.begun.denied > 0));
    put("sensitive", count(&|n| n.sensitive));
    put("known_for", Fact::Span(now - scope.first_at));
    Finding {
        detector: NAME,
        started_at,
        observed: news.len() as f64,
        expected: 0.0,
        unit: "new kinds of requests",
        bits,
        excess: requests as f64,
        severity: Severity::Warning,
        trend: Trend::Steady,
        impact: Impact { requests, errors: denied, cost: None },
        facts,
        parts: Parts { endpoints: routes, ..Parts::default() },
        grounds: Grounds::bits(bits, need(settings))
            .line(format!(
                "It began {} kinds of requests today; {usual:.2} a day are usual in {days:.0} days.",
                news.len()
            ))
            .line(format!("In all it read {} times and changed something {} times.", scope.reads, scope.writes))
            .line(format!("Of keys that only read, {turn_a_week:.2} others a week begin to change something here.")),
    }
}
