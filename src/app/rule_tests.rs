//! The tests that stand beside rules: lines in, notices expected. Each runs through the real pipeline, alone, with only
//! its own rule.

use std::sync::Arc;

use super::pipeline::{Pipeline, Secrets};
use super::telling::Teller;
use crate::config::{Config, Expected, RuleTest, Source, TestLine};
use crate::diag::Diagnostic;
use crate::format::{Choice, Registry};
use crate::incident::Change;
use crate::notice::{Notice, NoticeType};
use crate::source::Skipped;
use crate::time::{Span, Timestamp};

/// Tests are run as if the log had been watched for so long and had been empty: what did not come is known.
const WATCHED: Span = Span::from_days(91);
/// Notices shown of a failed test.
const SHOWN: usize = 5;

/// What came of the tests of all rules.
#[derive(Debug, Default)]
pub struct Outcome {
    /// Tests that ran.
    pub run: usize,
    /// What failed, each at its place.
    pub failed: Vec<Diagnostic>,
}

/// Runs every test beside a rule.
pub fn run(config: &Config, registry: &Arc<Registry>) -> Outcome {
    let mut outcome = Outcome::default();
    for test in &config.rule_tests {
        // A rule that cannot run has its own error.
        if !config.user_rules.iter().any(|rule| rule.name == test.rule) {
            continue;
        }
        outcome.run += 1;
        match one(config, registry, test) {
            Ok(told) => outcome.failed.extend(compare(test, &told)),
            Err(failed) => outcome.failed.push(*failed),
        }
    }
    outcome
}

/// The configuration of one test: only its rule, and a source of its own.
fn alone(config: &Config, test: &RuleTest) -> Result<Config, Box<Diagnostic>> {
    let mut config = config.clone();
    config.user_rules = config.user_rules.iter().filter(|rule| rule.name == test.rule).cloned().collect();
    config.budgets.clear();
    for rule in &mut config.rules {
        rule.enabled &= rule.name == test.rule;
    }
    let mut source = match &test.source {
        None => Source::default(),
        Some(name) => {
            let Some(source) = config.sources.iter().find(|source| source.files.name == *name) else {
                let known = config.sources.iter().map(|source| source.files.name.as_str());
                let help = crate::diag::suggest(name, known.collect::<Vec<_>>());
                return Err(at_test(test, &format!("no source is called \"{name}\"")).maybe_help(help).into());
            };
            source.clone()
        }
    };
    if let Some(format) = &test.format {
        source.format = Choice::Named(format.clone());
    }
    if source.files.name.is_empty() {
        source.files.name = "test".to_owned();
    }
    config.sources = vec![source];
    // The end of an incident is a matter of minutes; the daily summary is none of a test.
    config.summary = None;
    Ok(config)
}

fn at_test(test: &RuleTest, message: &str) -> Diagnostic {
    let diagnostic = Diagnostic::error(format!("test \"{}\" of the rule \"{}\": {message}", test.name, test.rule));
    match &test.place {
        Some(place) => diagnostic.at(place, ""),
        None => diagnostic,
    }
}

/// What is told of a test's lines.
fn one(config: &Config, registry: &Arc<Registry>, test: &RuleTest) -> Result<Vec<Notice>, Box<Diagnostic>> {
    let config = Arc::new(alone(config, test)?);
    let cannot = |message: &str| Box::new(at_test(test, message));
    let teller = Teller::new(config.clone()).map_err(|e| cannot(&e.to_string()))?;
    let (mut pipeline, _) =
        Pipeline::new(&config, registry.clone(), &Secrets::for_replay(), None).map_err(|e| cannot(&e.to_string()))?;
    pipeline.watched_before(WATCHED);
    pipeline.near_now(test.start);
    let mut changes: Vec<Change> = Vec::new();
    let mut written = Vec::new();
    // Where each line of the whole comes from.
    let mut places: Vec<&TestLine> = Vec::new();
    let mut time = test.start;
    let mut number = 0;
    for line in &test.lines {
        time += line.after;
        for i in 0..line.times {
            number += 1;
            time += if i == 0 { Span::ZERO } else { line.every };
            written.extend_from_slice(filled(&line.text, time, number, i + 1).as_bytes());
            written.push(b'\n');
            places.push(line);
        }
    }
    pipeline.take(0, &written, Skipped::default(), &mut changes);
    let tally = pipeline.tallies().first().map(|(_, tally)| (tally.parsed, tally.rejected.clone()));
    if let Some((parsed, rejected)) = tally.filter(|(parsed, _)| *parsed < places.len() as u64) {
        let why: Vec<&str> = rejected.keys().map(String::as_str).collect();
        let message = format!(
            "{} of its {} lines cannot be read: {}",
            places.len() as u64 - parsed,
            places.len(),
            why.join(", ")
        );
        let line = if parsed == 0 { places.first() } else { None };
        let mut diagnostic = at_test(test, &message)
            .help("lapwing parse shows how lines are read; \"format\" or \"source\" says which format they have");
        if let Some(line) = line {
            diagnostic = diagnostic.at(&line.place, "");
        }
        return Err(diagnostic.into());
    }
    pipeline.finish(&mut changes);
    let notices = changes.iter().map(|change| teller.notice(change));
    Ok(notices.filter(|notice| notice.kept.is_none() && notice.rule == test.rule).collect())
}

/// A line as it is written at a time: `{time}` as Apache and nginx write it, `{iso}`, `{unix}`, `{n}` of all lines and
/// `{i}` of those that are alike.
fn filled(text: &str, time: Timestamp, number: u32, i: u32) -> String {
    if !text.contains('{') {
        return text.to_owned();
    }
    text.replace("{time}", &time.utc().format("%d/%b/%Y:%H:%M:%S +0000").to_string())
        .replace("{iso}", &time.to_rfc3339_millis())
        .replace("{unix}", &time.secs().to_string())
        .replace("{n}", &number.to_string())
        .replace("{i}", &i.to_string())
}

/// What is not as expected, at the place of the expectation.
fn compare(test: &RuleTest, told: &[Notice]) -> Option<Diagnostic> {
    let looked_at = |notice: &&Notice| {
        notice.kind == NoticeType::Opened || test.expect.iter().any(|expected| expected.kind == notice.kind)
    };
    let told: Vec<&Notice> = told.iter().filter(looked_at).collect();
    for (number, expected) in test.expect.iter().enumerate() {
        let Some(notice) = told.get(number) else {
            let message = format!("expected {}, but {}", said(expected), nothing(&told));
            return Some(at_test(test, &message).at(&expected.place, ""));
        };
        if let Some((what, wanted, found)) = differs(expected, notice) {
            let message = format!("expected {what} {wanted}, found {found}, in the notice {}", shown(notice));
            return Some(at_test(test, &message).at(&expected.place, ""));
        }
    }
    let more = told.get(test.expect.len())?;
    let message = match test.expect.len() {
        0 => format!("expected silence, but told was {}", shown(more)),
        n => format!("expected no more than {n}, but told was also {}", shown(more)),
    };
    Some(at_test(test, &message))
}

/// The first thing that is not as expected: what, as it should be, as it is.
fn differs(expected: &Expected, notice: &Notice) -> Option<(&'static str, String, String)> {
    let quoted = |text: &str| format!("\"{text}\"");
    if expected.kind != notice.kind {
        return Some(("a notice that is", kind(expected.kind).to_owned(), kind(notice.kind).to_owned()));
    }
    let subject = notice.subject.to_string();
    if let Some(wanted) = expected.subject.as_ref().filter(|wanted| **wanted != subject) {
        return Some(("the subject", quoted(wanted), quoted(&subject)));
    }
    if let Some(wanted) = expected.severity.filter(|wanted| *wanted != notice.severity) {
        return Some(("the severity", wanted.to_string(), notice.severity.to_string()));
    }
    if let Some(wanted) = expected.title.as_ref().filter(|wanted| !notice.title.contains(wanted.as_str())) {
        return Some(("a title with", quoted(wanted), quoted(&notice.title)));
    }
    if let Some(wanted) = expected.summary.as_ref().filter(|wanted| !notice.summary.contains(wanted.as_str())) {
        return Some(("a summary with", quoted(wanted), quoted(&notice.summary)));
    }
    if let Some(wanted) = expected.at.filter(|wanted| *wanted != notice.at) {
        return Some(("the time", wanted.to_rfc3339(), notice.at.to_rfc3339()));
    }
    let close = |wanted: f64| (wanted - notice.observed).abs() <= 0.005 * wanted.abs().max(1e-9);
    if let Some(wanted) = expected.observed.filter(|wanted| !close(*wanted)) {
        return Some(("observed", wanted.to_string(), notice.observed.to_string()));
    }
    None
}

fn kind(kind: NoticeType) -> &'static str {
    match kind {
        NoticeType::Opened => "opened",
        NoticeType::Updated => "updated",
        NoticeType::Resolved => "resolved",
    }
}

fn said(expected: &Expected) -> String {
    let mut text = format!("a notice that is {}", kind(expected.kind));
    if let Some(subject) = &expected.subject {
        text.push_str(" about ");
        text.push_str(subject);
    }
    text
}

fn shown(notice: &Notice) -> String {
    format!("\"{}\" ({}, {}, at {})", notice.title, kind(notice.kind), notice.subject, notice.at.to_rfc3339())
}

fn nothing(told: &[&Notice]) -> String {
    if told.is_empty() {
        return "nothing was told".to_owned();
    }
    let list: Vec<String> = told.iter().take(SHOWN).map(|notice| shown(notice)).collect();
    format!("all that was told was {}", list.join("; "))
}
