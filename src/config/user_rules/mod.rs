//! The users' own rules: `[rule.NAME]` with a condition, and what is counted of the lines that meet it.

mod examples;
mod measured;
mod sequence;
#[cfg(test)]
mod tests;
mod text;
pub(super) mod workflow;

use std::collections::BTreeSet;

use crate::diag::{Diagnostic, suggest};
use crate::event::Severity;
use crate::options::{Kind, Options, Table};
use crate::rule::field::Kind as FieldKind;
use crate::rule::schedule::Schedule;
use crate::rule::spec::{MOST_STEPS, Rule, What};
use crate::rule::words::Words;
use crate::rule::{Condition, Field};
use crate::time::Span;

pub use examples::{Expected, RuleTest, TestLine};

/// What says that a table is a rule of the user's own.
const SIGNS: [&str; 10] = [
    "when",
    "event_count",
    "value_count",
    "value_sum",
    "value_avg",
    "value_percentile",
    "event_share",
    "temporal",
    "temporal_ordered",
    "events",
];
/// The measures and sequences: a rule has one of them.
const LOOKS: [&str; 8] = [
    "event_count",
    "value_count",
    "value_sum",
    "value_avg",
    "value_percentile",
    "event_share",
    "temporal",
    "temporal_ordered",
];
/// The longest window, and the longest time of a sequence.
const LONGEST: Span = Span::from_days(90);
/// Groups that a rule follows unless it says otherwise.
const GROUPS: i64 = 10_000;
/// Fields that a rule may group by.
const MOST_FIELDS: usize = 6;

/// Whether a table is a rule of the user's own.
pub(super) fn is_one(table: &Table) -> bool {
    SIGNS.iter().any(|sign| table.get(sign).is_some())
}

/// What every rule of the user's own may say, whatever it looks for.
struct Common {
    enabled: bool,
    severity: Severity,
    route: Option<Vec<String>>,
    schedule: Schedule,
    cooldown: Option<Span>,
    group: Option<Vec<Field>>,
    over: Option<Span>,
    most: usize,
    words: Words,
    tests: Vec<RuleTest>,
}

impl Common {
    fn read(name: &str, options: &Options<'_>, channels: &BTreeSet<String>) -> Common {
        options.text("detector");
        let severities = [("info", Severity::Info), ("warning", Severity::Warning), ("critical", Severity::Critical)];
        Common {
            enabled: options.flag("enabled").unwrap_or(true),
            severity: options.choice("severity", &severities).unwrap_or(Severity::Warning),
            route: route(options, channels),
            schedule: schedule(options),
            cooldown: cooldown(options),
            group: group(options),
            over: over(options),
            most: options.integer("most", 1..=1_000_000).unwrap_or(GROUPS) as usize,
            words: words(options),
            tests: examples::read(name, options),
        }
    }

    /// The rule, if all that it needs could be read.
    fn rule(&self, name: &str, detector: &str, what: What) -> Option<Rule> {
        Some(Rule {
            name: name.to_owned(),
            detector: detector.to_owned(),
            severity: self.severity,
            route: self.route.clone(),
            schedule: self.schedule.clone(),
            cooldown: self.cooldown,
            group: self.group.clone()?,
            over: self.over?,
            what,
            most: self.most,
            words: self.words.clone(),
        })
    }
}

/// What a table of the user's own comes to.
#[derive(Debug, Default)]
pub(super) struct Own {
    /// Whether it is turned on.
    pub(super) enabled: bool,
    /// Groups that it follows at most.
    pub(super) most: usize,
    /// What runs: several for a workflow, none where something is wrong.
    pub(super) rules: Vec<Rule>,
    /// The tests beside it.
    pub(super) tests: Vec<RuleTest>,
}

/// Reads a rule with its tests: whether it is turned on, and nothing to run where something is wrong, which the report
/// says.
pub(super) fn read(name: &str, options: Options<'_>, channels: &BTreeSet<String>) -> Own {
    let common = Common::read(name, &options, channels);
    let what = look(&options);
    let sound = !options.report().has_errors();
    options.finish();
    let rule = what.filter(|_| sound).and_then(|what| common.rule(name, name, what));
    Own { enabled: common.enabled, most: common.most, rules: rule.into_iter().collect(), tests: common.tests }
}

/// What the rule looks for.
fn look(options: &Options<'_>) -> Option<What> {
    let given: Vec<&str> = LOOKS.into_iter().filter(|look| options.has(look)).collect();
    match given.as_slice() {
        [look @ ("temporal" | "temporal_ordered")] => sequence::read(options, look).map(What::Sequence),
        [look] => measured::read(options, look).map(|measured| What::Measured(Box::new(measured))),
        [] => {
            // The condition is wrong or right whatever is counted; a slip of the pen is told once, by its own name.
            if options.has("when") {
                condition(options, "when");
            }
            options.has("least");
            if options.is_mistyped(&LOOKS) {
                return None;
            }
            options.missing("event_count", "event_count = { gte = 100 }; others are value_count, value_sum, value_avg, value_percentile, event_share, temporal, temporal_ordered");
            None
        }
        [first, second, ..] => {
            let both = format!("\"{first}\" and \"{second}\" are both given");
            options.error(second, both, "a rule looks for one thing; write two rules", None);
            None
        }
    }
}

/// A key under either of its names: ours, and Sigma's.
fn either<'k>(options: &Options<'_>, ours: &'k str, sigma: &'k str) -> &'k str {
    options.only(&[ours, sigma]).unwrap_or(ours)
}

fn over(options: &Options<'_>) -> Option<Span> {
    let key = either(options, "over", "timespan");
    if !options.has(key) {
        options.missing("over", "over = \"10m\"");
        return None;
    }
    let span = options.span(key)?;
    if (Span::SECOND..=LONGEST).contains(&span) {
        return Some(span);
    }
    options.error(key, format!("\"{key}\" is out of range"), "expected between a second and 90 days", None);
    None
}

/// The fields that it groups by; `None` where one of them is wrong.
fn group(options: &Options<'_>) -> Option<Vec<Field>> {
    let key = either(options, "per", "group-by");
    let mut fields = Vec::new();
    let mut sound = true;
    for (name, place) in options.texts(key).unwrap_or_default() {
        match Field::parse(&name) {
            Ok(field) if field.kind() == FieldKind::Flag => {
                sound = false;
                let message = format!("\"{name}\" is either true or false: nothing to group by");
                options.report().push(Diagnostic::error(message).at(&place, ""));
            }
            Ok(field) if fields.contains(&field) => {
                sound = false;
                options.report().push(Diagnostic::error(format!("\"{name}\" stands there twice")).at(&place, ""));
            }
            Ok(field) => fields.push(field),
            Err((message, help)) => {
                sound = false;
                options.report().push(Diagnostic::error(message).at(&place, "").maybe_help(help));
            }
        }
    }
    if fields.len() > MOST_FIELDS {
        options.error(key, format!("\"{key}\" names more than {MOST_FIELDS} fields"), "", None);
        return None;
    }
    sound.then_some(fields)
}

fn cooldown(options: &Options<'_>) -> Option<Span> {
    let span = options.span("cooldown")?;
    if (Span::MINUTE..=LONGEST).contains(&span) {
        return Some(span);
    }
    options.error("cooldown", "\"cooldown\" is out of range", "expected between a minute and 90 days", None);
    None
}

fn schedule(options: &Options<'_>) -> Schedule {
    let mut schedule = Schedule::default();
    for (text, place) in options.texts("schedule").unwrap_or_default() {
        if let Err(sentence) = schedule.add(&text) {
            options.report().push(Diagnostic::error(format!("in \"schedule\": {sentence}")).at(&place, ""));
        }
    }
    schedule
}

fn words(options: &Options<'_>) -> Words {
    Words {
        title: text::words(options, "title"),
        summary: text::words(options, "summary"),
        actions: options.entry("actions").map(|entry| match &entry.value.kind {
            Kind::List(items) => {
                items.iter().filter_map(|item| text::words_of(item, "actions", options.report())).collect()
            }
            _ => text::words(options, "actions").into_iter().collect(),
        }),
    }
}

/// A condition that stands under a key.
fn condition(options: &Options<'_>, key: &str) -> Option<Condition> {
    text::condition(&options.entry(key)?.value, key, options.report())
}

/// Channels that hear of it, which must be there.
fn route(options: &Options<'_>, channels: &BTreeSet<String>) -> Option<Vec<String>> {
    let texts = options.texts("route")?;
    for (name, place) in &texts {
        if !channels.contains(name) {
            options.report().push(
                Diagnostic::error(format!("no channel is called \"{name}\""))
                    .at(place, "")
                    .maybe_help(suggest(name, channels.iter().map(String::as_str)))
                    .maybe_help(channels.is_empty().then(|| format!("add a table [channel.{name}]"))),
            );
        }
    }
    Some(texts.into_iter().map(|(name, _)| name).collect())
}

/// All steps of a sequence together.
const fn steps_fit(times: u32) -> bool {
    times <= MOST_STEPS
}
