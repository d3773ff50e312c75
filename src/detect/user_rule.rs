//! The users' own rules: what they measure is judged here, and what there is to say about it.
//!
//! Facts: `measure` (text, in words), `rule_limit` (number in the incident's unit), `compare` (text: `at least`), `factor_of`
//! (text: `usual` or `before`, with the number `rule_factor`), `window` (span), `group` (list of texts such as
//! `tenant north`), `steps` (text: what came and what did not), `times` (count: how often a sequence came about),
//! `cooldown` (span), `routed` (flag: the rule says who hears of it).

use super::grounds::Grounds;
use super::{Fact, Facts, Finding, Impact, Parts, Trend};
use crate::measure::chain::Plan;
use crate::measure::groups::Harm;
use crate::measure::window::{Of, Shape, Window};
use crate::rule::bound::{Against, Bound};
use crate::rule::field::Kind;
use crate::rule::spec::{Measure, Measured, Rule, Sequence, Step, What};
use crate::time::{Span, Timestamp, Zone};

/// What evidence of a user's rule is marked with in the book; its incidents bear the rule's own name.
pub const NAME: &str = "rule";

/// How a rule is counted.
#[derive(Clone, PartialEq, Debug)]
pub enum Counted {
    /// In a window that slides.
    Window {
        /// How it is cut.
        shape: Shape,
        /// Whether what is usual is asked for.
        learns: bool,
        /// Whether a line can decide by itself; otherwise it is judged on ticks.
        at_once: bool,
        /// Whether too little is what it looks for, so that silence is judged as well.
        downward: bool,
    },
    /// As a sequence.
    Chain(Plan),
}

impl Counted {
    /// How a rule is counted.
    pub fn of(rule: &Rule) -> Counted {
        match &rule.what {
            What::Measured(measured) => {
                let of = match &measured.measure {
                    Measure::Count => Of::Count,
                    Measure::Distinct(_) => Of::Distinct,
                    Measure::Sum(_) => Of::Sum,
                    Measure::Mean(_) => Of::Mean,
                    Measure::Quantile(_, part) => Of::Quantile(*part),
                    Measure::Share(_) => Of::Share,
                };
                let bounds = &measured.bounds;
                let plain = bounds.iter().all(|b| matches!(b.against, Against::Number(_)) && b.compare.is_upward());
                Counted::Window {
                    shape: Shape::new(of, rule.over),
                    learns: bounds.iter().any(|b| matches!(b.against, Against::Usual(_))),
                    at_once: plain && matches!(of, Of::Count | Of::Distinct | Of::Sum),
                    downward: bounds.iter().any(|b| !b.compare.is_upward()),
                }
            }
            What::Sequence(sequence) => Counted::Chain(plan(sequence, rule.over)),
        }
    }
}

fn plan(sequence: &Sequence, over: Span) -> Plan {
    let mut plan = Plan { ordered: sequence.ordered, over, ..Plan::default() };
    let mut absent = 0;
    for step in &sequence.steps {
        let event = 1u32 << step.event.min(31);
        if step.absent {
            absent |= event;
        } else {
            plan.wanted.push((event, step.times));
            plan.absent.push(if sequence.ordered { std::mem::take(&mut absent) } else { 0 });
        }
    }
    plan.absent.push(absent);
    if !sequence.ordered {
        // Wherever it stands, it must not come at all.
        plan.absent = vec![absent];
    }
    plan
}

/// What a window came to when its bounds were met.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Met {
    /// What was measured.
    pub observed: f64,
    /// The limit of the first bound, in the same unit.
    pub limit: f64,
    /// What the first bound is relative to, if it is.
    pub reference: Option<f64>,
    /// Lines in the window.
    pub lines: u64,
    /// What the window before came to.
    pub before: Option<f64>,
}

/// Whether a window meets every bound of a rule by now.
pub fn judge(measured: &Measured, shape: &Shape, window: &Window, now: Timestamp, zone: Zone) -> Option<Met> {
    let lines = window.lines(shape, now);
    if lines < measured.least {
        return None;
    }
    let observed = window.value(shape, now)?;
    let mut first = None;
    for bound in &measured.bounds {
        let (limit, reference) = limit_of(bound, measured, shape, window, now, zone)?;
        // A window that was not watched as a whole is not known to hold little.
        let whole = bound.compare.is_upward() || now - window.since() >= shape.length();
        if !(whole && bound.compare.holds(observed, limit)) {
            return None;
        }
        first = first.or(Some((limit, reference)));
    }
    let (limit, reference) = first?;
    Some(Met { observed, limit, reference, lines, before: window.before(shape, now) })
}

/// The most that a window may have come to and still be learned as it is.
pub fn most_learned(measured: &Measured, window: &Window, now: Timestamp, zone: Zone) -> f64 {
    match window.usual(now, zone) {
        Some((usual, age)) if age >= measured.history && usual > 0.0 => 2.0 * usual,
        _ => f64::INFINITY,
    }
}

fn limit_of(
    bound: &Bound,
    measured: &Measured,
    shape: &Shape,
    window: &Window,
    now: Timestamp,
    zone: Zone,
) -> Option<(f64, Option<f64>)> {
    match bound.against {
        Against::Number(limit) => Some((limit, None)),
        Against::Usual(factor) => {
            let (usual, age) = window.usual(now, zone)?;
            (age >= measured.history).then_some((factor * usual, Some(usual)))
        }
        Against::Before(factor) => window.before(shape, now).map(|before| (factor * before, Some(before))),
    }
}

/// What a rule's numbers count, for people.
pub fn unit(rule: &Rule) -> &'static str {
    let What::Measured(measured) = &rule.what else { return "times" };
    match &measured.measure {
        Measure::Count => "requests",
        Measure::Distinct(fields) => match fields.as_slice() {
            [only] => match only.name().as_str() {
                "path" | "target" => "different paths",
                "client" => "different addresses",
                "network" => "different networks",
                "key" => "different keys",
                "endpoint" => "different endpoints",
                "user" => "different users",
                "user_agent" | "agent" => "different programs",
                "country" => "different countries",
                "tenant" => "different tenants",
                "session" => "different sessions",
                _ => "different values",
            },
            _ => "different combinations",
        },
        Measure::Share(_) => "share of requests",
        Measure::Sum(field) | Measure::Mean(field) | Measure::Quantile(field, _) => match field.kind() {
            Kind::Span => "seconds",
            Kind::Size => "bytes",
            _ => match field.name().as_str() {
                "tokens" | "tokens_in" | "tokens_out" => "tokens",
                "cost" => "cost",
                _ => "",
            },
        },
    }
}

/// What is measured, for people: `the 95th percentile of duration`.
fn measure_words(measure: &Measure) -> String {
    match measure {
        Measure::Count => "requests".to_owned(),
        Measure::Distinct(fields) => {
            let names: Vec<String> = fields.iter().map(crate::rule::Field::name).collect();
            format!("different values of {}", names.join(" and "))
        }
        Measure::Sum(field) => format!("the sum of {}", field.name()),
        Measure::Mean(field) => format!("the mean of {}", field.name()),
        Measure::Quantile(field, part) if *part == 0.5 => format!("the median of {}", field.name()),
        Measure::Quantile(field, part) => format!("the highest {} % of {}", round(100.0 - part * 100.0), field.name()),
        Measure::Share(_) => "the share of requests".to_owned(),
    }
}

/// How often the one thing came that was skipped to, where a sequence is about nothing else: told as a count of its own.
fn skips(sequence: &Sequence) -> Option<u32> {
    let (only, before) = sequence.steps.split_last()?;
    let skips = sequence.ordered && !only.absent && !before.is_empty() && before.iter().all(|step| step.absent);
    skips.then_some(only.times)
}

/// The steps of a sequence in a sentence: `confirm without validate before it`, `10 x fail, then success`.
fn steps_words(sequence: &Sequence) -> String {
    let name = |step: &Step| sequence.events.get(step.event).map_or("", |(name, _)| name.as_str());
    let counted_apart = skips(sequence).is_some();
    let mut words = String::new();
    let mut missing: Option<&str> = None;
    for step in &sequence.steps {
        if step.absent {
            if sequence.ordered && words.is_empty() {
                missing = Some(name(step));
            } else {
                words.push_str(if words.is_empty() { "no " } else { " without " });
                words.push_str(name(step));
                words.push_str(if sequence.ordered { " after it" } else { "" });
            }
            continue;
        }
        if !words.is_empty() {
            words.push_str(if sequence.ordered { ", then " } else { " and " });
        }
        if step.times > 1 && !counted_apart {
            words.push_str(&step.times.to_string());
            words.push_str(" x ");
        }
        words.push_str(name(step));
        if let Some(missing) = missing.take() {
            words.push_str(" without ");
            words.push_str(missing);
            words.push_str(" before it");
        }
    }
    words
}

fn round(n: f64) -> f64 {
    (n * 100.0).round() / 100.0
}

/// What was asked for and what there was; of too little there is no more than that it was so.
fn grounds_of(measured: &Measured, met: &Met) -> Grounds {
    let scale = if matches!(measured.measure, Measure::Share(_)) { 100.0 } else { 1.0 };
    if measured.bounds.first().is_some_and(|bound| bound.compare.is_upward()) {
        Grounds::count(met.observed * scale, met.limit * scale)
    } else {
        Grounds::count(1.0, 1.0)
    }
}

/// One group when it is told of.
#[derive(Clone, Copy, Debug)]
pub struct Told<'a> {
    /// Its rule.
    pub rule: &'a Rule,
    /// What its window came to; `None` for sequences.
    pub met: Option<Met>,
    /// What it has come to in all.
    pub harm: &'a Harm,
    /// What it is grouped by, in words.
    pub group: &'a [String],
    /// The same incident is told again no sooner.
    pub cooldown: Span,
    /// What it is made of, as far as the group says.
    pub parts: &'a Parts,
}

/// What there is to say about a group.
pub fn finding(told: &Told<'_>) -> Finding {
    let (rule, harm) = (told.rule, told.harm);
    let mut facts = Facts::new();
    let mut put = |name: &str, fact| facts.insert(name.to_owned(), fact);
    put("window", Fact::Span(rule.over));
    put("cooldown", Fact::Span(told.cooldown));
    put("routed", Fact::Flag(rule.route.is_some()));
    put("group", Fact::List(told.group.to_vec()));
    let mut grounds = Grounds::count(harm.times as f64, 1.0);
    let (observed, expected, trend) = match (&rule.what, told.met) {
        (What::Measured(measured), Some(met)) => {
            put("measure", Fact::Text(measure_words(&measured.measure)));
            put("rule_limit", Fact::Number(met.limit));
            let bound = measured.bounds.first();
            put("compare", Fact::Text(bound.map_or("at least", |b| b.compare.words()).to_owned()));
            match bound.map(|b| b.against) {
                Some(Against::Usual(factor)) => {
                    put("factor_of", Fact::Text("usual".to_owned()));
                    put("rule_factor", Fact::Number(factor));
                }
                Some(Against::Before(factor)) => {
                    put("factor_of", Fact::Text("before".to_owned()));
                    put("rule_factor", Fact::Number(factor));
                }
                _ => {}
            }
            let said = bound.map_or(String::new(), |b| format!("{} {}", b.compare.words(), round(met.limit)));
            grounds = grounds_of(measured, &met).line(format!(
                "Measured: {} within {}: {}; the rule asks for {said}; {} lines in the window.",
                measure_words(&measured.measure),
                rule.over,
                round(met.observed),
                met.lines
            ));
            let trend = match met.before {
                Some(before) if met.observed > 1.3 * before => Trend::Rising,
                Some(before) if met.observed < 0.77 * before => Trend::Falling,
                _ => Trend::Steady,
            };
            (met.observed, met.reference.unwrap_or(met.limit), trend)
        }
        (What::Sequence(sequence), _) => {
            let words = steps_words(sequence);
            grounds = grounds.line(format!("The sequence came about: {words}."));
            put("steps", Fact::Text(words));
            // Once told, each further time counts by itself.
            let times = harm.times + skips(sequence).map_or(0, |times| u64::from(times.saturating_sub(1)));
            put("times", Fact::Count(times));
            (times as f64, 0.0, Trend::Steady)
        }
        (What::Measured(_), None) => (0.0, 0.0, Trend::Steady),
    };
    Finding {
        detector: NAME,
        started_at: harm.since,
        observed,
        expected,
        unit: unit(rule),
        bits: 0.0,
        excess: 0.0,
        severity: rule.severity,
        trend,
        impact: Impact { requests: harm.requests, errors: harm.errors, cost: (harm.cost > 0.0).then_some(harm.cost) },
        facts,
        parts: told.parts.clone(),
        grounds,
    }
}
