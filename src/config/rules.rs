//! `rules/*.toml` and `[rule.NAME]`: the built-in rules, tuned key by key.
//!
//! A built-in rule's file is the list of what can be set and the default of each; a key that is not there is unknown,
//! and a value of another type is wrong.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use super::user_rules::Own;
use super::{Consumer, RuleTest, budgets, user_rules};
use crate::assets::{self, Asset, Folder};
use crate::detect::credential_stuffing::{self, outcome};
use crate::detect::rule::{Rule, Setting};
use crate::detect::scene::Sensitivity;
use crate::detect::{budget, workflow};
use crate::diag::{Diagnostic, Origin, Place, Report, suggest};
use crate::event::Severity;
use crate::options::{Entry, Kind, Options, Table, Value};
use crate::rule::spec::Rule as UserRule;
use crate::time::Span;

/// The built-in rules with their defaults.
pub fn built_in() -> Vec<Rule> {
    let report = Report::new();
    let tables = built_in_tables(&report);
    tables
        .iter()
        .map(|(name, table)| match name.as_str() {
            budget::NAME => budgets::read(name, options_of(name, table, None, &report), &[], &report).0,
            workflow::NAME => {
                let options = options_of(name, table, None, &report);
                listed(&user_rules::workflow::read(name, options, &BTreeSet::new()), name, workflow::NAME)
            }
            _ => read_one(name, table, table, &report),
        })
        .collect()
}

/// The tables of the built-in rules, by the rule's name.
fn built_in_tables(report: &Report) -> Vec<(String, Table)> {
    built_in_files()
        .map(|file| (file.stem().to_owned(), Table::parse(&Origin::new(file.origin.as_str(), &file.text), report)))
        .collect()
}

fn built_in_files() -> impl Iterator<Item = Asset> {
    assets::names(Folder::Rules).into_iter().filter_map(|file| assets::built_in(Folder::Rules, &file))
}

/// The rules that hold.
#[derive(Debug, Default)]
pub(super) struct Read {
    /// Every rule as it is listed.
    pub(super) rules: Vec<Rule>,
    /// What those of `budget` count.
    pub(super) budgets: Vec<budget::Settings>,
    /// The users' own that run,
    pub(super) own: Vec<UserRule>,
    /// and the tests beside them.
    pub(super) tests: Vec<RuleTest>,
}

/// The rules that hold: built-in ones under what the rules directory and then the configuration say.
pub(super) fn read(
    dir: &Path,
    own: Vec<(&Entry, Options<'_>)>,
    consumers: &[Consumer],
    expected: &[(String, Table, bool)],
    channels: &BTreeSet<String>,
    report: &Report,
) -> Read {
    let built_in = built_in_tables(report);
    let mut tables = built_in.clone();
    tables.extend(expected.iter().map(|(name, table, _)| (name.clone(), table.clone())));
    for (name, table) in super::load::toml_files(dir, report) {
        // A file of several rules has them by their names, as lapwing.toml has.
        match table.entries.as_slice() {
            [Entry { key, value: Value { kind: Kind::Table(rules), .. }, .. }] if key == "rule" => {
                for entry in &rules.entries {
                    super::load::check_name(entry, report);
                    match &entry.value.kind {
                        Kind::Table(table) => lay(&mut tables, &entry.key, with_place(table, entry)),
                        other => report.push(
                            Diagnostic::error(format!("\"{}\" should be a rule", entry.key))
                                .at(&entry.place, other.name()),
                        ),
                    }
                }
            }
            _ => lay(&mut tables, &name, table),
        }
    }
    for (entry, options) in own {
        super::load::check_name(entry, report);
        options.accept_rest();
        if let Kind::Table(table) = &entry.value.kind {
            lay(&mut tables, &entry.key, with_place(table, entry));
        }
    }
    let mut found = Read::default();
    let common_of = |detector: &str, but: &[&str]| {
        tables.iter().find(|(name, _)| name == detector).map(|(_, table)| common_of(table, but))
    };
    let common = common_of(budget::NAME, &["limit"]);
    let common_workflow = common_of(workflow::NAME, &["steps", "test", "title", "summary", "actions"]);
    for (name, table) in &tables {
        if table.get("detector").is_none() && user_rules::is_one(table) && !built_in.iter().any(|(n, _)| n == name) {
            let place = table.entries.first().map(|entry| entry.place.clone());
            let own = user_rules::read(name, options_of(name, table, place, report), channels);
            // What nobody declares cannot be missed.
            if !expected.iter().any(|(known, _, asked)| known == name && !asked) {
                found.take(own, name, name);
            }
            continue;
        }
        let detector = detector_of(name, table, &built_in, report);
        let Some(detector) = detector else { continue };
        if detector == budget::NAME {
            let mut whole = common.clone().unwrap_or_default();
            whole.merge(table.clone());
            // Where the user wrote it, for what is missing.
            let place = table.entries.first().map(|entry| entry.place.clone());
            let (rule, settings) = budgets::read(name, options_of(name, &whole, place, report), consumers, report);
            found.rules.push(rule);
            found.budgets.extend(settings);
            continue;
        }
        if detector == workflow::NAME {
            let mut whole = common_workflow.clone().unwrap_or_default();
            whole.merge(table.clone());
            let place = table.entries.first().map(|entry| entry.place.clone());
            let read = user_rules::workflow::read(name, options_of(name, &whole, place, report), channels);
            found.take(read, name, workflow::NAME);
            continue;
        }
        let Some((_, defaults)) = built_in.iter().find(|(n, _)| *n == detector) else { continue };
        let mut whole = defaults.clone();
        whole.merge(table.clone());
        found.rules.push(read_one(name, defaults, &whole, report));
    }
    found
}

impl Read {
    /// Takes what a rule of the user's own comes to.
    fn take(&mut self, own: Own, name: &str, detector: &str) {
        self.rules.push(listed(&own, name, detector));
        if own.enabled {
            self.own.extend(own.rules);
            self.tests.extend(own.tests);
        }
    }
}

/// A rule of the user's own as it is listed.
fn listed(own: &Own, name: &str, detector: &str) -> Rule {
    Rule {
        name: name.to_owned(),
        detector: detector.to_owned(),
        enabled: own.enabled,
        sensitivity: Sensitivity::Normal,
        // It has its own from the beginning.
        severity: None,
        settings: [("most".to_owned(), Setting::Number(own.most as f64))].into(),
    }
}

/// What `[rule.budget]` says for all budgets: everything but its own limit, if it has one; of workflows the like.
fn common_of(table: &Table, but: &[&str]) -> Table {
    Table { entries: table.entries.iter().filter(|entry| !but.contains(&entry.key.as_str())).cloned().collect() }
}

fn options_of<'a>(name: &str, table: &'a Table, place: Option<Place>, report: &'a Report) -> Options<'a> {
    Options::new(table, place, format!("the rule \"{name}\""), report)
}

/// An empty `[rule.x]` has no key to point at; its own place stands in for the detector's.
fn with_place(table: &Table, entry: &Entry) -> Table {
    let mut table = table.clone();
    if table.entries.is_empty() {
        table.entries.push(Entry {
            key: "enabled".to_owned(),
            place: entry.place.clone(),
            value: Value { kind: Kind::Flag(true), place: entry.place.clone() },
        });
    }
    table
}

fn lay(tables: &mut Vec<(String, Table)>, name: &str, table: Table) {
    match tables.iter_mut().find(|(n, _)| n == name) {
        Some((_, mine)) => mine.merge(table),
        None => tables.push((name.to_owned(), table)),
    }
}

/// Which detector a rule runs: what it says, or its own name.
fn detector_of(name: &str, table: &Table, built_in: &[(String, Table)], report: &Report) -> Option<String> {
    let known = || built_in.iter().map(|(n, _)| n.as_str());
    match table.get("detector") {
        Some(Entry { value: Value { kind: Kind::Text(detector), place }, .. }) => {
            if detector == name {
                return Some(detector.clone());
            }
            if [budget::NAME, workflow::NAME].contains(&detector.as_str()) {
                return Some(detector.clone());
            }
            if known().any(|k| k == detector) {
                report.push(
                    Diagnostic::error(format!("the detector \"{detector}\" runs by its own rule"))
                        .at(place, "")
                        .help(format!("tune it under [rule.{detector}]")),
                );
                return None;
            }
            report.push(
                Diagnostic::error(format!("no detector is called \"{detector}\""))
                    .at(place, "")
                    .maybe_help(suggest(detector, known())),
            );
        }
        Some(entry) => report.push(
            Diagnostic::error("\"detector\" should be a text in quotes")
                .at(&entry.value.place, entry.value.kind.name()),
        ),
        None => {
            let mut d = Diagnostic::error(format!("no built-in rule is called \"{name}\", so it needs \"detector\""))
                .help(match crate::diag::nearest(name, known()) {
                    Some(near) => format!("did you mean \"{near}\"?"),
                    None => {
                        "a rule of your own needs \"when\" and what to count, such as event_count = { gte = 100 }; \
                             rules/README.md shows both"
                            .to_owned()
                    }
                });
            if let Some(first) = table.entries.first() {
                d = d.at(&first.place, "");
            }
            report.push(d);
        }
    }
    None
}

/// Reads a merged table; `defaults` says which keys there are and of which type.
fn read_one(name: &str, defaults: &Table, table: &Table, report: &Report) -> Rule {
    let options = options_of(name, table, None, report);
    let detector = options.text("detector").unwrap_or_else(|| name.to_owned());
    let enabled = options.flag("enabled").unwrap_or(true);
    let sensitivity = options
        .choice(
            "sensitivity",
            &[("low", Sensitivity::Low), ("normal", Sensitivity::Normal), ("high", Sensitivity::High)],
        )
        .unwrap_or_default();
    let severities = [("info", Severity::Info), ("warning", Severity::Warning), ("critical", Severity::Critical)];
    let severity = options.choice("severity", &severities);
    let mut settings = BTreeMap::new();
    for entry in &defaults.entries {
        if ["detector", "enabled", "sensitivity", "severity"].contains(&entry.key.as_str()) {
            continue;
        }
        let checked = check_of(&detector, &entry.key);
        if let Some(check) = checked {
            let check = |text: &str| check(text).map(|()| text.to_owned());
            if let Some(list) = options.parsed_list(&entry.key, check) {
                settings.insert(entry.key.clone(), Setting::List(list));
            }
        } else if let Some(setting) = setting(&options, &entry.key, &entry.value.kind) {
            settings.insert(entry.key.clone(), setting);
        }
    }
    options.finish();
    Rule { name: name.to_owned(), detector, enabled, sensitivity, severity, settings }
}

/// What is wrong with a text, in words.
type Check = fn(&str) -> Result<(), String>;

/// How the texts of a list are checked, where they are more than names.
fn check_of(detector: &str, key: &str) -> Option<Check> {
    match (detector, key) {
        (credential_stuffing::NAME, "paths") => Some(|text| outcome::Door::parse(text).map(|_| ())),
        (credential_stuffing::NAME, "failed") => Some(|text| outcome::Failure::parse(text).map(|_| ())),
        _ => None,
    }
}

/// A setting of the type that its default has.
fn setting(options: &Options<'_>, key: &str, default: &Kind) -> Option<Setting> {
    match default {
        Kind::Integer(_) | Kind::Number(_) => options.number(key, 0.0..=1e12).map(Setting::Number),
        Kind::Flag(_) => options.flag(key).map(Setting::Flag),
        Kind::Text(text) if Span::parse(text).is_ok() => options.span(key).map(Setting::Span),
        Kind::Text(_) => options.text(key).map(Setting::Text),
        Kind::List(_) => options.texts(key).map(|list| Setting::List(list.into_iter().map(|(text, _)| text).collect())),
        Kind::Time(_) | Kind::Table(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_built_in_rule_is_sound_and_commented() {
        let report = Report::new();
        let tables = built_in_tables(&report);
        for rule in built_in() {
            assert_eq!(rule.name, rule.detector);
            assert!(rule.enabled && rule.sensitivity == Sensitivity::Normal, "{}", rule.name);
            assert!(!rule.settings.is_empty(), "{}", rule.name);
        }
        assert_eq!(report.into_list(), []);
        assert_eq!(tables.len(), crate::detect::DETECTORS.len());
        for file in built_in_files() {
            assert!(file.text.starts_with("# "), "{} says what it notices", file.file);
        }
    }
}
