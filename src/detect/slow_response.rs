//! `slow-response`: an endpoint answers far more slowly than usual.
//!
//! Most of the newest answers must take at least twice as long as the middle of the usual ones, for five minutes. Only
//! requests that succeed count: what fails is an error spike. Left out are web sockets and routes that wait by design:
//! those that usually take ten seconds or more, and those whose slow answers usually take thirty times as long as their
//! middle ones. What was as slow on two days before is no news.
//!
//! Where most endpoints that are called just now are slow it is the site that is: one incident, whichever of them has
//! enough calls first to show it. Endpoints that begin to be slow together are one incident, too.
//!
//! Facts: `latency`, `usual_latency` (spans), `factor` (number), `calls` (count: slow ones), `slow_share` (share of the
//! newest), of the site also `endpoints_slow` and `endpoints_asked` (counts: those called often enough to tell).

use super::grounds::Grounds;
use super::scene::Sensitivity;
use super::{DetectorKind, Fact, Facts, Finding, Impact, Parts, Trend};
use crate::event::{Id, Severity};
use crate::measure::sizes::{Lately, Sizes};
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

/// Of the newest 64 so many must be slow.
const MANY: u32 = 44;
/// An endpoint must be known for so long.
const KNOWN_FOR: Span = Span::DAY;
/// Usual answers that take so long, or whose slow ones take so many times as long as the middle ones, wait by design.
const WAITS: (f64, f64) = (10_000.0, 30.0);
/// So many times as many as on the second worst day before are news.
const NEWS: f64 = 1.5;
/// It is over when nothing came for so long,
const OVER_AFTER: Span = Span::from_mins(15);
/// or when less than this share of the latest calls are slow, or fewer of the newest eight where few come.
const STILL: f64 = 0.4;
const FEW: u32 = 4;
/// An endpoint is asked whether it is slow just now if it had so many calls lately, and is if this share of them was.
const ASKED: f64 = 3.0;
const SLOW: f64 = 0.6;
/// The site is slow if so many endpoints are, and this share of those that are asked; it stays so with the second share.
const SITE: (usize, f64, f64) = (3, 0.7, STILL);
/// Endpoints that begin to be slow within this time are slow for one reason.
pub const TOGETHER: Span = Span::from_mins(10);

/// Whether an endpoint waits by design, by its name.
pub fn waits(settings: &Settings, endpoint: &str) -> bool {
    settings.waiting.iter().any(|pattern| super::pattern::fits(pattern, endpoint))
}

/// Whether calls that usually take so many milliseconds wait by design.
pub fn takes_its_time(usual: f64) -> bool {
    usual >= WAITS.0
}

/// Judges an endpoint: its times are multiples of what is usual of their method.
pub fn judge(sizes: &Sizes, now: Timestamp, settings: &Settings) -> Option<Finding> {
    let ease = match settings.sensitivity {
        Sensitivity::Low => 2.0,
        Sensitivity::Normal => 1.0,
        Sensitivity::High => 0.7,
    };
    let (_, far, _) = sizes.far();
    let (today, before) = sizes.days();
    let fires = !waits_by_design(sizes)
        && sizes.newest() >= 64
        && sizes.far_of_newest(64) >= MANY
        && sizes.age(now) >= KNOWN_FOR
        && sizes.far_for() >= settings.lasts
        && f64::from(far) >= 20.0 * settings.lasts.mins_f64().max(1.0) / 5.0
        // All of them, not the slow ones alone: those of any endpoint take longer than twice the usual.
        && sizes.all_size() >= ease * settings.factor * sizes.mean()
        && sizes.far_amount() >= settings.least.millis() as f64
        && today > NEWS * before;
    fires.then(|| finding(sizes))
}

/// Whether it goes on.
pub fn still(sizes: &Sizes, now: Timestamp) -> bool {
    let lately = sizes.lately(now);
    let slow = if lately.calls >= ASKED { lately.far >= STILL * lately.calls } else { sizes.far_of_newest(8) >= FEW };
    slow && now - sizes.last_at() <= OVER_AFTER
}

fn waits_by_design(sizes: &Sizes) -> bool {
    sizes.quantile(0.9) >= WAITS.1 * sizes.quantile(0.5)
}

/// An endpoint that is asked whether it is slow just now.
#[derive(Clone, Copy, Debug)]
pub struct Asked<'a> {
    id: Id,
    sizes: &'a Sizes,
    lately: Lately,
}

impl<'a> Asked<'a> {
    /// Those that can answer.
    pub fn of(id: Id, sizes: &'a Sizes, now: Timestamp) -> Option<Asked<'a>> {
        let lately = sizes.lately(now);
        let asked = lately.calls >= ASKED && sizes.age(now) >= KNOWN_FOR && sizes.middle() > 0.0;
        (asked && !waits_by_design(sizes)).then_some(Asked { id, sizes, lately })
    }

    fn is_slow(&self) -> bool {
        self.lately.far >= SLOW * self.lately.calls
    }
}

/// Whether most of those that are asked are slow, in their order: what is to be told of the site. `open`: it was.
pub fn judge_all(asked: &[Asked<'_>], open: bool) -> Option<Finding> {
    let (least, most, still) = SITE;
    let mut slow: Vec<&Asked<'_>> = asked.iter().filter(|one| one.is_slow()).collect();
    let share = if open { still } else { most };
    if slow.len() < least || (slow.len() as f64) < share * asked.len() as f64 {
        return None;
    }
    slow.sort_by(|a, b| b.lately.far.total_cmp(&a.lately.far).then(a.id.cmp(&b.id)));
    let (mut calls, mut far, mut latency, mut usual, mut since_start) = (0.0, 0.0, 0.0, 0.0, 0);
    for one in &slow {
        calls += one.lately.calls;
        far += one.lately.far;
        latency += one.lately.calls * one.lately.amount;
        usual += one.lately.calls * one.lately.amount * one.sizes.quantile(0.5) / one.lately.size.max(1.0);
        since_start += u64::from(one.sizes.far().1);
    }
    let mut began: Vec<Timestamp> = slow.iter().map(|one| one.sizes.onset()).collect();
    began.sort_unstable();
    let began = began.get(began.len() / 2).copied()?;
    let seen =
        Seen { latency: latency / calls, usual: usual / calls, since: began, calls: since_start, share: far / calls };
    let grounds = Grounds::count(slow.len() as f64, share * asked.len() as f64).line(format!(
        "Of {} endpoints with calls in the last minutes {} are slow.",
        asked.len(),
        slow.len()
    ));
    let mut finding = seen.finding(grounds);
    finding.facts.insert("endpoints_slow".to_owned(), Fact::Count(slow.len() as u64));
    finding.facts.insert("endpoints_asked".to_owned(), Fact::Count(asked.len() as u64));
    finding.parts.endpoints = slow.iter().map(|one| (one.id, one.lately.far / far)).collect();
    Some(finding)
}

/// What is to be told of an endpoint.
pub fn finding(sizes: &Sizes) -> Finding {
    let (since, calls, ratio) = sizes.far();
    let latency = sizes.far_amount();
    let usual = latency * sizes.quantile(0.5) / ratio.max(1.0);
    let share = f64::from(sizes.far_of_newest(64)) / f64::from(sizes.newest().max(1));
    let (today, before) = sizes.days();
    let grounds = Grounds::count(f64::from(sizes.far_of_newest(64)), f64::from(MANY))
        .line(format!("Of the newest 64 answers {} took more than twice as long as usual.", sizes.far_of_newest(64)))
        .line(format!("Today {today:.0} did, on the second worst of the days before {before:.0}."));
    Seen { latency, usual, since, calls: u64::from(calls), share }.finding(grounds)
}

/// What was measured, of an endpoint or of all.
struct Seen {
    latency: f64,
    usual: f64,
    since: Timestamp,
    calls: u64,
    share: f64,
}

impl Seen {
    fn finding(self, grounds: Grounds) -> Finding {
        let span = |millis: f64| Fact::Span(Span::from_millis(millis.round() as i64));
        let facts: [(&str, Fact); 5] = [
            ("latency", span(self.latency)),
            ("usual_latency", span(self.usual)),
            ("factor", Fact::Number(self.latency / self.usual.max(1.0))),
            ("calls", Fact::Count(self.calls)),
            ("slow_share", Fact::Share(self.share.min(1.0))),
        ];
        Finding {
            detector: NAME,
            started_at: self.since,
            observed: self.latency.round(),
            expected: self.usual.round(),
            unit: "ms",
            bits: 0.0,
            excess: self.calls as f64,
            severity: Severity::Warning,
            trend: Trend::Steady,
            impact: Impact { requests: self.calls, errors: 0, cost: None },
            facts: facts.into_iter().map(|(name, fact)| (name.to_owned(), fact)).collect::<Facts>(),
            parts: Parts::default(),
            grounds,
        }
    }
}
