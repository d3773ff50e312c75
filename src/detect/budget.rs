//! `budget`: a key (or client, endpoint, source, the site) has used up a share of what it may use in an hour, a day, a
//! week or a month.
//!
//! Judged with the very request that crosses a step: the 100 % of a budget of 1,000 is told by request 1,000. Counts are
//! exact, each step is told once a period, and a request that crosses several tells the highest. The users write as many
//! budgets as they like, so this detector has many rules; the one in `rules/` holds their defaults.
//!
//! Facts: `measure` (text: `requests`, `tokens` or `cost`), `spent` and `limit` (numbers in that measure), `used` (share of
//! the limit), `step` (count: percent that was crossed), `period` (text: `hour` to `month`), `period_start`, `period_end`
//! (times), `runs_out` (time, if it is expected to run out within the period), `counted_since` (time, if the period had
//! begun before it was counted).

use super::grounds::Grounds;
use super::pattern::fits;
use super::{DetectorKind, Fact, Facts, Finding, Impact, Parts, Trend};
use crate::event::{Severity, SubjectKind};
use crate::measure::budgets::{Account, NANOS, Spent};
use crate::measure::period::Period;
use crate::time::{Span, Timestamp};

/// The detector's name in the contract.
pub const NAME: &str = "budget";

/// The detector as it is listed.
pub const KIND: DetectorKind = DetectorKind {
    name: NAME,
    notices: "requests, tokens or cost of a key and period: at 50, 80 and 100 %, and when it is expected to run out",
    rank: 90,
};

/// What a budget limits. What is not limited is `None`; of several the one that is nearest to its end counts.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Limits {
    /// Requests.
    pub requests: Option<u64>,
    /// Tokens read and written by models.
    pub tokens: Option<u64>,
    /// Cost in billionths of the currency.
    pub nanos: Option<u64>,
}

/// What a limit counts.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[allow(missing_docs)]
pub enum Measure {
    Requests,
    Tokens,
    Cost,
}

impl Measure {
    /// As configuration and facts write it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Measure::Requests => "requests",
            Measure::Tokens => "tokens",
            Measure::Cost => "cost",
        }
    }

    const fn of(self, spent: &Spent) -> u64 {
        match self {
            Measure::Requests => spent.requests,
            Measure::Tokens => spent.tokens,
            Measure::Cost => spent.nanos,
        }
    }

    /// A whole number of units as people count them: costs in the currency.
    fn shown(self, units: u64) -> f64 {
        if self == Measure::Cost { units as f64 / NANOS } else { units as f64 }
    }
}

/// A share of the limit that is told, and how much it matters.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Step {
    /// Percent of the limit.
    pub percent: u16,
    /// How much it matters.
    pub severity: Severity,
}

/// One budget.
#[derive(Clone, PartialEq, Debug)]
pub struct Settings {
    /// The rule's name.
    pub name: String,
    /// What has the budget: each key, client, endpoint or source, or the site as a whole.
    pub per: SubjectKind,
    /// For how long.
    pub period: Period,
    /// How much.
    pub limits: Limits,
    /// What is told, ascending.
    pub steps: Vec<Step>,
    /// Only requests of keys whose name fits one of these patterns; of all if empty.
    pub keys: Vec<String>,
    /// Only requests to endpoints that fit one of these patterns; to all if empty.
    pub endpoints: Vec<String>,
    /// Subjects that are counted in one period, at most.
    pub most: usize,
}

impl Settings {
    /// What is counted, without how much of it is allowed: counts go on through a reload as long as this stays the same.
    pub fn shape(&self) -> String {
        format!("{}\n{}\n{:?}\n{:?}\n{:?}", self.name, self.per, self.period, self.keys, self.endpoints)
    }

    /// Whether requests of a key are counted; nobody's are where keys are chosen.
    pub fn takes_key(&self, name: &str) -> bool {
        self.keys.is_empty() || self.keys.iter().any(|pattern| fits_key(pattern, name))
    }

    /// Whether requests to an endpoint are counted.
    pub fn takes_endpoint(&self, template: &str) -> bool {
        self.endpoints.is_empty() || self.endpoints.iter().any(|pattern| fits(pattern, template))
    }

    fn limits(&self) -> impl Iterator<Item = (Measure, u64)> {
        let limits = self.limits;
        [(Measure::Requests, limits.requests), (Measure::Tokens, limits.tokens), (Measure::Cost, limits.nanos)]
            .into_iter()
            .filter_map(|(measure, limit)| Some((measure, limit?)))
    }

    /// The limit that is nearest to its end, and how much of it is used.
    fn nearest(&self, spent: &Spent) -> Option<(Measure, u64, f64)> {
        self.limits()
            .map(|(measure, limit)| (measure, limit, measure.of(spent) as f64 / (limit as f64).max(1.0)))
            .max_by(|a, b| a.2.total_cmp(&b.2))
    }

    /// The highest step that is reached.
    fn reached(&self, spent: &Spent) -> Option<Step> {
        let reaches = |step: &&Step| {
            self.limits().any(|(measure, limit)| {
                u128::from(measure.of(spent)) * 100 >= u128::from(limit) * u128::from(step.percent)
            })
        };
        self.steps.iter().rev().find(reaches).copied()
    }
}

/// A key's pattern: its name with `*`, or `fp:` and the fingerprint behind a masked secret.
fn fits_key(pattern: &str, name: &str) -> bool {
    match pattern.strip_prefix("fp:") {
        Some(fingerprint) => name.rsplit_once('·').is_some_and(|(_, shown)| shown == fingerprint),
        None => fits(pattern, name),
    }
}

/// Judges an account after a request: the step it crossed, if it was not told before. `before` is what was spent before
/// the request.
pub fn judge(settings: &Settings, account: &Account, before: &Spent) -> Option<Step> {
    let step = settings.reached(&account.spent)?;
    // After a change of the limit, what was told of the old one says nothing of steps that are ahead again.
    let told = account.told.min(settings.reached(before).map_or(0, |step| step.percent));
    (step.percent > told).then_some(step)
}

/// The period that is judged, and what is known of the pace.
#[derive(Clone, Copy)]
pub struct Outlook<'a> {
    /// The instant of judgement.
    pub now: Timestamp,
    /// The first instant of the period, and that of the next.
    pub period: (Timestamp, Timestamp),
    /// Since when it is counted, if the period had begun before.
    pub counted_since: Option<Timestamp>,
    /// Requests a minute that are usual at an instant for this subject, as far as they count here.
    pub usual: Option<&'a dyn Fn(Timestamp) -> f64>,
}

impl std::fmt::Debug for Outlook<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Outlook").field("now", &self.now).field("period", &self.period).finish_non_exhaustive()
    }
}

/// What there is to say about an account; `step` is the one that was crossed last.
pub fn finding(settings: &Settings, account: &Account, step: Step, outlook: &Outlook<'_>) -> Finding {
    let spent = &account.spent;
    let (measure, limit, used) = settings.nearest(spent).unwrap_or((Measure::Requests, 1, 0.0));
    let mut facts = Facts::new();
    let mut put = |name: &str, fact| facts.insert(name.to_owned(), fact);
    put("measure", Fact::Text(measure.as_str().to_owned()));
    put("spent", Fact::Number(measure.shown(measure.of(spent))));
    put("limit", Fact::Number(measure.shown(limit)));
    put("used", Fact::Share(used));
    put("step", Fact::Count(u64::from(step.percent)));
    put("period", Fact::Text(settings.period.as_str().to_owned()));
    put("period_start", Fact::Time(outlook.period.0));
    put("period_end", Fact::Time(outlook.period.1));
    if let Some(since) = outlook.counted_since {
        put("counted_since", Fact::Time(since));
    }
    let left = limit.saturating_sub(measure.of(spent));
    if left > 0 && outlook.now < outlook.period.1 {
        // In requests: each costs what they cost so far.
        let each = measure.of(spent) as f64 / (spent.requests as f64).max(1.0);
        if let Some(at) = runs_out(left as f64 / each.max(1e-9), pace(account, outlook), outlook) {
            put("runs_out", Fact::Time(at));
        }
    }
    let cost = (spent.nanos > 0).then(|| spent.cost());
    Finding {
        detector: NAME,
        started_at: outlook.now,
        observed: measure.shown(measure.of(spent)),
        expected: measure.shown(limit),
        unit: measure.as_str(),
        bits: 0.0,
        excess: 0.0,
        severity: step.severity,
        trend: Trend::Steady,
        impact: Impact { requests: spent.requests, errors: 0, cost },
        facts,
        parts: Parts::default(),
        grounds: Grounds::count(used * 100.0, f64::from(step.percent)).line(format!(
            "Every request is counted; the step of {} % is told by the request that reaches it.",
            step.percent
        )),
    }
}

/// Requests a minute over the last three hours, or since the period or the counting began.
fn pace(account: &Account, outlook: &Outlook<'_>) -> f64 {
    let (requests, since) = account.recent(outlook.now);
    let from = since.max(outlook.period.0).max(outlook.counted_since.unwrap_or(since));
    requests as f64 / (outlook.now - from).mins_f64().max(1.0)
}

/// When so many further requests will have been made: by what is usual from now on, or by the pace, whichever brings more
/// until the period ends.
fn runs_out(requests: f64, pace: f64, outlook: &Outlook<'_>) -> Option<Timestamp> {
    let (now, end) = (outlook.now, outlook.period.1);
    let by_pace = pace * (end - now).mins_f64();
    let (mut by_usual, mut crossed, mut t) = (0.0, None, now);
    while let Some(usual) = outlook.usual.filter(|_| t < end) {
        let next = (t.floor(Span::HOUR) + Span::HOUR).min(end);
        let step = next - t;
        let rate = usual(t + step.scale(0.5)).max(0.0);
        let more = rate * step.mins_f64();
        if crossed.is_none() && by_usual + more >= requests {
            crossed = Some(t + Span::from_secs_f64((requests - by_usual) / rate.max(1e-9) * 60.0));
        }
        by_usual += more;
        t = next;
    }
    if by_usual >= by_pace {
        return crossed;
    }
    (by_pace >= requests).then(|| now + Span::from_secs_f64(requests / pace * 60.0))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::Id;
    use crate::measure::budgets::{Budgets, Charge};

    fn settings(limits: Limits) -> Settings {
        let step = |percent, severity| Step { percent, severity };
        Settings {
            name: "partner-quota".into(),
            per: SubjectKind::Key,
            period: Period::Day,
            limits,
            steps: vec![step(50, Severity::Info), step(80, Severity::Warning), step(100, Severity::Critical)],
            keys: Vec::new(),
            endpoints: Vec::new(),
            most: 100,
        }
    }

    fn requests(limit: u64) -> Limits {
        Limits { requests: Some(limit), ..Limits::default() }
    }

    fn at(text: &str) -> Timestamp {
        Timestamp::parse(text).unwrap()
    }

    /// Charges requests, each with these tokens and this cost, and answers the number of the request and the step of each
    /// crossing.
    fn crossings(budgets: &mut Budgets, settings: &Settings, times: u64, tokens: u64, cost: f32) -> Vec<(u64, u16)> {
        let ledger = budgets.ledger_mut(0).unwrap();
        let mut found = Vec::new();
        for _ in 0..times {
            let spent = Spent::of_request(tokens, cost);
            let charge = Charge { id: Id(1), name: "acme", time: at("2026-03-02T10:00:00Z"), spent };
            let bounds = |t: Timestamp| (t.floor(Span::DAY), t.floor(Span::DAY) + Span::DAY);
            let (account, _, before) = ledger.charge(&charge, bounds, 100).unwrap();
            if let Some(step) = judge(settings, account, &before) {
                account.told = step.percent;
                found.push((account.spent.requests, step.percent));
            }
        }
        found
    }

    fn budgets() -> Budgets {
        let mut budgets = Budgets::default();
        budgets.arrange(&[Id(1)]);
        budgets
    }

    #[test]
    fn steps_are_crossed_by_their_very_request() {
        let crossed = |limits, times, tokens, cost| crossings(&mut budgets(), &settings(limits), times, tokens, cost);
        assert_eq!(crossed(requests(1000), 3000, 0, 0.0), [(500, 50), (800, 80), (1000, 100)]);
        assert_eq!(crossed(requests(7), 99, 0, 0.0), [(4, 50), (6, 80), (7, 100)]);
        assert_eq!(crossed(requests(1), 9, 0, 0.0), [(1, 100)], "several at once: the highest");
        let tokens = Limits { tokens: Some(1000), ..Limits::default() };
        assert_eq!(crossed(tokens, 99, 300, 0.0), [(2, 50), (3, 80), (4, 100)]);
        for cost in [0.7f32, 1.58, 0.1, 0.003] {
            let nanos = (f64::from(cost) * 1e6).round() as u64 * 1_000_000;
            let limits = Limits { nanos: Some(nanos), ..Limits::default() };
            assert_eq!(crossed(limits, 2000, 0, cost), [(500, 50), (800, 80), (1000, 100)], "{cost}");
        }
        let both = Limits { requests: Some(10), tokens: Some(1000), nanos: None };
        assert_eq!(crossed(both, 20, 300, 0.0), [(2, 50), (3, 80), (4, 100)], "whichever is nearer");
    }

    #[test]
    fn a_changed_limit_counts_from_the_next_request() {
        let mut budgets = budgets();
        assert_eq!(crossings(&mut budgets, &settings(requests(100)), 100, 0, 0.0).len(), 3);
        assert_eq!(crossings(&mut budgets, &settings(requests(200)), 100, 0, 0.0), [(160, 80), (200, 100)]);
        let mut lowered = self::budgets();
        assert_eq!(crossings(&mut lowered, &settings(requests(1000)), 210, 0, 0.0), []);
        assert_eq!(crossings(&mut lowered, &settings(requests(150)), 10, 0, 0.0), [(211, 100)]);
    }

    #[test]
    fn when_it_runs_out_is_said_by_the_usual_or_by_the_pace() {
        let period = (at("2026-03-02T00:00:00Z"), at("2026-03-03T00:00:00Z"));
        let now = at("2026-03-02T10:00:00Z");
        let office = |t: Timestamp| if t < at("2026-03-02T12:00:00Z") { 1.0 } else { 3.0 };
        let outlook = Outlook { now, period, counted_since: None, usual: Some(&office) };
        // 120 until noon, then three a minute.
        assert_eq!(runs_out(300.0, 0.5, &outlook), Some(at("2026-03-02T13:00:00Z")));
        assert_eq!(runs_out(300.0, 10.0, &outlook), Some(at("2026-03-02T10:30:00Z")));
        assert_eq!(runs_out(9000.0, 10.0, &outlook), None, "it lasts");
        let outlook = Outlook { usual: None, ..outlook };
        assert_eq!(runs_out(300.0, 1.0, &outlook), Some(at("2026-03-02T15:00:00Z")));
        assert_eq!(runs_out(300.0, 0.0, &outlook), None);
    }

    #[test]
    fn keys_and_endpoints_are_chosen_by_pattern_and_fingerprint() {
        let chosen = Settings {
            keys: vec!["partner-*".into(), "fp:7c41e0".into()],
            endpoints: vec!["/v1/*".into()],
            ..settings(requests(1))
        };
        assert!(chosen.takes_key("partner-7") && chosen.takes_key("sk_live_…9f3a·7c41e0"));
        assert!(!chosen.takes_key("acme") && !chosen.takes_key("") && !chosen.takes_key("7c41e0"));
        assert!(chosen.takes_endpoint("/v1/orders") && !chosen.takes_endpoint("/v2/orders"));
        assert!(settings(requests(1)).takes_key(""));
    }
}
