//! `detector = "budget"`: rules of the user that limit requests, tokens or cost.

use crate::detect::budget::{Limits, Settings, Step};
use crate::detect::rule::{Rule, Setting};
use crate::detect::scene::Sensitivity;
use crate::diag::{Diagnostic, Report, suggest};
use crate::event::{Severity, SubjectKind};
use crate::measure::budgets::NANOS;
use crate::measure::period::Period;
use crate::options::{Entry, Kind, Options, Value};

use super::Consumer;

/// The largest limit of requests or tokens: beyond it, numbers are no longer exact everywhere.
const MOST_UNITS: i64 = 1 << 52;
/// The most percent that a step may have.
const MOST_PERCENT: i64 = 10_000;
/// Steps of one budget.
const MOST_STEPS: usize = 20;

const SUBJECTS: [(&str, SubjectKind); 5] = [
    ("key", SubjectKind::Key),
    ("client", SubjectKind::Client),
    ("endpoint", SubjectKind::Endpoint),
    ("source", SubjectKind::Source),
    ("site", SubjectKind::Site),
];

const SEVERITIES: [(&str, Severity); 3] =
    [("info", Severity::Info), ("warning", Severity::Warning), ("critical", Severity::Critical)];

/// Reads one budget: the rule as it is listed, and what it counts unless it is turned off. The rule `budget` itself holds
/// what all have in common, and needs no limit.
pub(super) fn read(
    name: &str,
    options: Options<'_>,
    consumers: &[Consumer],
    report: &Report,
) -> (Rule, Option<Settings>) {
    options.text("detector");
    let enabled = options.flag("enabled").unwrap_or(true);
    let per = options.choice("per", &SUBJECTS).unwrap_or(SubjectKind::Key);
    let period = options.parsed("period", Period::parse).unwrap_or_default();
    let most = options.integer("most", 1..=1_000_000).unwrap_or(20_000) as usize;
    let steps = steps(&options, report);
    let mut keys = patterns(&options, "keys");
    let endpoints = patterns(&options, "endpoints");
    if let Some(tier) = options.text("tier") {
        keys.extend(keys_of_tier(&tier, &options, consumers));
    }
    let common = name == crate::detect::budget::NAME && !options.has("limit");
    let limits = if common { None } else { limits(&options) };
    options.finish();
    let rule = Rule {
        name: name.to_owned(),
        detector: crate::detect::budget::NAME.to_owned(),
        enabled,
        sensitivity: Sensitivity::Normal,
        // Each step has its own.
        severity: None,
        settings: [("most".to_owned(), Setting::Number(most as f64))].into(),
    };
    let settings =
        limits.map(|limits| Settings { name: name.to_owned(), per, period, limits, steps, keys, endpoints, most });
    (rule, settings.filter(|_| enabled))
}

fn limits(options: &Options<'_>) -> Option<Limits> {
    let example = "limit = { requests = 1000 }";
    if !options.has("limit") {
        options.missing("limit", example);
        return None;
    }
    let table = options.table("limit", "a limit")?;
    let limits = Limits {
        requests: table.integer("requests", 1..=MOST_UNITS).map(|n| n as u64),
        tokens: table.integer("tokens", 1..=MOST_UNITS).map(|n| n as u64),
        nanos: table.number("cost", 1e-6..=1e9).map(|cost| (cost * NANOS).round() as u64),
    };
    let named = ["requests", "tokens", "cost"].into_iter().any(|key| table.has(key));
    table.finish();
    if !named {
        options.error("limit", "\"limit\" limits nothing", "", Some(format!("for example {example}")));
    }
    (limits != Limits::default()).then_some(limits)
}

/// The steps, ascending, with what each matters.
fn steps(options: &Options<'_>, report: &Report) -> Vec<Step> {
    let expected = "\"at\" should be whole numbers of percent such as [50, 80, 100], ascending";
    let mut percents: Vec<u16> = Vec::new();
    for item in list(options.entry("at")) {
        let percent = match item.kind {
            Kind::Integer(n) if (1..=MOST_PERCENT).contains(&n) => n as u16,
            _ => {
                let label = if matches!(item.kind, Kind::Integer(_)) { "out of range" } else { item.kind.name() };
                report.push(Diagnostic::error(expected).at(&item.place, label));
                continue;
            }
        };
        if percents.last().is_some_and(|last| *last >= percent) {
            report.push(Diagnostic::error(expected).at(&item.place, "not more than the one before"));
            continue;
        }
        percents.push(percent);
    }
    if percents.is_empty() || percents.len() > MOST_STEPS {
        options.error("at", expected, &format!("one to {MOST_STEPS} of them"), None);
    }
    let natural = |percent: u16| match percent {
        ..80 => Severity::Info,
        80..100 => Severity::Warning,
        100.. => Severity::Critical,
    };
    let severities = severities(options, report);
    let given = |index: usize| match severities.as_slice() {
        [one] => Some(*one),
        several => several.get(index).copied().filter(|_| several.len() == percents.len()),
    };
    if !severities.is_empty() && given(0).is_none() {
        let message = format!(
            "\"severity\" names {} and \"at\" has {}: give one for all, or one for each",
            severities.len(),
            percents.len()
        );
        options.error("severity", message, "", None);
    }
    percents
        .iter()
        .enumerate()
        .map(|(i, &percent)| Step { percent, severity: given(i).unwrap_or_else(|| natural(percent)) })
        .collect()
}

fn severities(options: &Options<'_>, report: &Report) -> Vec<Severity> {
    let mut severities = Vec::new();
    for item in list(options.entry("severity")) {
        let Kind::Text(text) = &item.kind else {
            let message = "\"severity\" should be \"info\", \"warning\" or \"critical\", or a list of them";
            report.push(Diagnostic::error(message).at(&item.place, format!("this is {}", item.kind.name())));
            continue;
        };
        match SEVERITIES.iter().find(|(word, _)| word == text) {
            Some((_, severity)) => severities.push(*severity),
            None => report.push(
                Diagnostic::error(format!("\"{text}\" is not a \"severity\""))
                    .at(&item.place, "")
                    .maybe_help(suggest(text, SEVERITIES.iter().map(|(word, _)| *word))),
            ),
        }
    }
    severities
}

fn patterns(options: &Options<'_>, key: &str) -> Vec<String> {
    let read = |text: &str| match text {
        "" => Err("expected a name, where \"*\" stands for anything, found nothing".to_owned()),
        text => Ok(text.to_owned()),
    };
    let list = options.parsed_list(key, read);
    if list.as_ref().is_some_and(Vec::is_empty) {
        options.error(key, format!("\"{key}\" is empty, so nothing would be counted"), "leave it out for all", None);
    }
    list.unwrap_or_default()
}

/// The consumers of a tier: keys are shown, and so counted, by their consumer's name.
fn keys_of_tier(tier: &str, options: &Options<'_>, consumers: &[Consumer]) -> Vec<String> {
    let names: Vec<String> =
        consumers.iter().filter(|c| c.known.tier.as_deref() == Some(tier)).map(|c| c.name.clone()).collect();
    if names.is_empty() {
        let tiers = consumers.iter().filter_map(|c| c.known.tier.as_deref());
        let help = suggest(tier, tiers).unwrap_or_else(|| "tiers are given under [consumers.NAME]".to_owned());
        options.error("tier", format!("no consumer has the tier \"{tier}\""), "", Some(help));
    }
    names
}

/// The items of a list; a single value counts as a list of one.
fn list(entry: Option<&Entry>) -> Vec<&Value> {
    match entry.map(|entry| &entry.value) {
        Some(Value { kind: Kind::List(items), .. }) => items.iter().collect(),
        Some(value) => vec![value],
        None => Vec::new(),
    }
}
