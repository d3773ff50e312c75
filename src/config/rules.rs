//! `rules/*.toml` and `[rule.NAME]`: the built-in rules, tuned key by key.
//!
//! A built-in rule's file is the list of what can be set and the default of each; a key that is not there is unknown,
//! and a value of another type is wrong.

use std::collections::BTreeMap;
use std::path::Path;

use super::{Consumer, budgets};
use crate::assets::{self, Asset, Folder};
use crate::detect::budget;
use crate::detect::rule::{Rule, Setting};
use crate::detect::scene::Sensitivity;
use crate::diag::{Diagnostic, Origin, Place, Report, suggest};
use crate::event::Severity;
use crate::options::{Entry, Kind, Options, Table, Value};
use crate::time::Span;

/// The built-in rules with their defaults.
pub fn built_in() -> Vec<Rule> {
    let report = Report::new();
    let tables = built_in_tables(&report);
    tables
        .iter()
        .map(|(name, table)| match name.as_str() {
            budget::NAME => budgets::read(name, options_of(name, table, None, &report), &[], &report).0,
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

/// The rules that hold: built-in ones under what the rules directory and then the configuration say.
pub(super) fn read(
    dir: &Path,
    own: Vec<(&Entry, Options<'_>)>,
    consumers: &[Consumer],
    report: &Report,
) -> (Vec<Rule>, Vec<budget::Settings>) {
    let built_in = built_in_tables(report);
    let mut tables = built_in.clone();
    for (name, table) in super::load::toml_files(dir, report) {
        lay(&mut tables, &name, table);
    }
    for (entry, options) in own {
        super::load::check_name(entry, report);
        options.accept_rest();
        if let Kind::Table(table) = &entry.value.kind {
            lay(&mut tables, &entry.key, with_place(table, entry));
        }
    }
    let (mut rules, mut limits) = (Vec::with_capacity(tables.len()), Vec::new());
    let common = tables.iter().find(|(name, _)| name == budget::NAME).map(|(_, table)| common_of_budgets(table));
    for (name, table) in &tables {
        let detector = detector_of(name, table, &built_in, report);
        let Some(detector) = detector else { continue };
        if detector == budget::NAME {
            let mut whole = common.clone().unwrap_or_default();
            whole.merge(table.clone());
            // Where the user wrote it, for what is missing.
            let place = table.entries.first().map(|entry| entry.place.clone());
            let (rule, settings) = budgets::read(name, options_of(name, &whole, place, report), consumers, report);
            rules.push(rule);
            limits.extend(settings);
            continue;
        }
        let Some((_, defaults)) = built_in.iter().find(|(n, _)| *n == detector) else { continue };
        let mut whole = defaults.clone();
        whole.merge(table.clone());
        rules.push(read_one(name, defaults, &whole, report));
    }
    (rules, limits)
}

/// What `[rule.budget]` says for all budgets: everything but its own limit, if it has one.
fn common_of_budgets(table: &Table) -> Table {
    Table { entries: table.entries.iter().filter(|entry| entry.key != "limit").cloned().collect() }
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
            if detector == budget::NAME {
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
                .maybe_help(suggest(name, known()));
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
        if let Some(setting) = setting(&options, &entry.key, &entry.value.kind) {
            settings.insert(entry.key.clone(), setting);
        }
    }
    options.finish();
    Rule { name: name.to_owned(), detector, enabled, sensitivity, severity, settings }
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
