//! `[[rule.NAME.test]]`: lines in, notices expected. Read here, run by `lapwing check`.

use super::text;
use crate::diag::{Diagnostic, Place, Report};
use crate::event::Severity;
use crate::notice::NoticeType;
use crate::options::{Kind, Options, Table, Value};
use crate::time::{Span, Timestamp};

/// Lines of one test at most.
const MOST_LINES: i64 = 200_000;
/// When tests begin unless they say otherwise: a Monday.
const START: &str = "2026-03-02T09:00:00Z";

/// A test of a rule.
#[derive(Clone, PartialEq, Debug)]
pub struct RuleTest {
    /// The rule.
    pub rule: String,
    /// What it shows.
    pub name: String,
    /// Where it stands.
    pub place: Option<Place>,
    /// When its first line is written.
    pub start: Timestamp,
    /// The configured source whose lines they are: its format, keys and fields.
    pub source: Option<String>,
    /// Their format, where no source says it.
    pub format: Option<String>,
    /// What comes in.
    pub lines: Vec<TestLine>,
    /// What is told, in order. What is not mentioned is not looked at: updates and ends are only where one is expected.
    pub expect: Vec<Expected>,
}

/// A line, or the same line several times.
#[derive(Clone, PartialEq, Debug)]
pub struct TestLine {
    /// As it stands in the log, with `{time}`, `{iso}`, `{unix}`, `{n}` and `{i}`.
    pub text: String,
    /// How many times.
    pub times: u32,
    /// How far apart.
    pub every: Span,
    /// How long after what comes before it.
    pub after: Span,
    /// Where it stands.
    pub place: Place,
}

/// A notice that is expected; what is not said may be anything.
#[derive(Clone, PartialEq, Debug)]
pub struct Expected {
    /// Opened, updated or resolved.
    pub kind: NoticeType,
    /// As alerts name it: `key acme`, `site`.
    pub subject: Option<String>,
    /// How much it matters.
    pub severity: Option<Severity>,
    /// A part of its title.
    pub title: Option<String>,
    /// A part of its summary.
    pub summary: Option<String>,
    /// When it was told, by the log.
    pub at: Option<Timestamp>,
    /// What was measured.
    pub observed: Option<f64>,
    /// Where it stands.
    pub place: Place,
}

pub(super) fn read(rule: &str, options: &Options<'_>) -> Vec<RuleTest> {
    let Some(entry) = options.entry("test") else { return Vec::new() };
    let items = match &entry.value.kind {
        Kind::List(items) => items.as_slice(),
        Kind::Table(_) => std::slice::from_ref(&entry.value),
        _ => &[],
    };
    if items.is_empty() {
        let help = "write [[rule.NAME.test]] above its keys, or [[test]] in a file of one rule";
        options.error("test", "\"test\" should be tables", entry.value.kind.name(), Some(help.to_owned()));
    }
    let one = |item: &Value| match &item.kind {
        Kind::Table(table) => test(rule, table, &item.place, options.report()),
        other => {
            options.report().push(Diagnostic::error("\"test\" should be tables").at(&item.place, other.name()));
            None
        }
    };
    items.iter().filter_map(one).collect()
}

fn test(rule: &str, table: &Table, place: &Place, report: &Report) -> Option<RuleTest> {
    // A table that is spread over lines has no place of its own: its first key stands for it.
    let place = table.entries.first().map_or(place, |entry| &entry.place).clone();
    let options = Options::new(table, Some(place.clone()), format!("a test of the rule \"{rule}\""), report);
    let name = options.text("name").unwrap_or_else(|| "unnamed".to_owned());
    let instant = |text: &str| {
        Timestamp::parse(text).ok_or_else(|| format!("expected a time such as \"{START}\", found \"{text}\""))
    };
    let start = options.parsed("start", instant).or_else(|| Timestamp::parse(START)).unwrap_or_default();
    let (source, format) = (options.text("source"), options.text("format"));
    if !options.has("lines") {
        options.missing("lines", "lines = '''…'''");
    }
    if !options.has("expect") {
        options.missing("expect", "expect = [{ subject = \"key acme\" }], or expect = [] for silence");
    }
    let lines = options.entry("lines").map_or_else(Vec::new, |entry| lines(&entry.value, report));
    let count: i64 = lines.iter().map(|line| i64::from(line.times)).sum();
    if count > MOST_LINES {
        options.error("lines", format!("this test has more than {MOST_LINES} lines"), "", None);
        return None;
    }
    let expect = options.entry("expect").map_or_else(Vec::new, |entry| expected(&entry.value, report));
    options.finish();
    Some(RuleTest { rule: rule.to_owned(), name, place: Some(place), start, source, format, lines, expect })
}

/// Lines as one text, or a list of texts and of tables.
fn lines(value: &Value, report: &Report) -> Vec<TestLine> {
    match &value.kind {
        Kind::Text(whole) => {
            let mut found = Vec::new();
            let mut at = 0;
            for part in whole.split_inclusive('\n') {
                let line = part.trim_end_matches(['\n', '\r']);
                if !line.trim().is_empty() {
                    found.push(TestLine {
                        text: line.to_owned(),
                        times: 1,
                        every: Span::ZERO,
                        after: Span::ZERO,
                        place: text::within(&value.place, whole, &(at..at + line.len())),
                    });
                }
                at += part.len();
            }
            found
        }
        Kind::List(items) => items.iter().flat_map(|item| line_of(item, report)).collect(),
        other => {
            let message = "\"lines\" should be a text, or a list of texts and tables";
            report.push(Diagnostic::error(message).at(&value.place, other.name()));
            Vec::new()
        }
    }
}

fn line_of(item: &Value, report: &Report) -> Vec<TestLine> {
    let Kind::Table(table) = &item.kind else { return lines(item, report) };
    let options = Options::new(table, Some(item.place.clone()), "a line of a test", report);
    if !options.has("line") {
        options.missing("line", "line = '203.0.113.{n} - acme [{time}] \"GET / HTTP/1.1\" 200 512'");
    }
    let line = options.text("line");
    let times = options.integer("times", 1..=MOST_LINES).unwrap_or(1) as u32;
    let every = options.span("every").unwrap_or(Span::SECOND);
    let after = options.span("after").unwrap_or(Span::ZERO);
    let place = options.place("line").unwrap_or_else(|| item.place.clone());
    options.finish();
    line.map(|text| TestLine { text, times, every, after, place }).into_iter().collect()
}

fn expected(value: &Value, report: &Report) -> Vec<Expected> {
    let Kind::List(items) = &value.kind else {
        let message = "\"expect\" should be a list of tables such as [{ subject = \"key acme\" }]";
        report.push(Diagnostic::error(message).at(&value.place, value.kind.name()));
        return Vec::new();
    };
    items.iter().filter_map(|item| notice(item, report)).collect()
}

fn notice(item: &Value, report: &Report) -> Option<Expected> {
    let Kind::Table(table) = &item.kind else {
        let message = "\"expect\" should be a list of tables such as [{ subject = \"key acme\" }]";
        report.push(Diagnostic::error(message).at(&item.place, item.kind.name()));
        return None;
    };
    let options = Options::new(table, Some(item.place.clone()), "an expected notice", report);
    let kinds = [("opened", NoticeType::Opened), ("updated", NoticeType::Updated), ("resolved", NoticeType::Resolved)];
    let severities = [("info", Severity::Info), ("warning", Severity::Warning), ("critical", Severity::Critical)];
    let instant = |text: &str| {
        Timestamp::parse(text).ok_or_else(|| format!("expected a time such as \"{START}\", found \"{text}\""))
    };
    let expected = Expected {
        kind: options.choice("type", &kinds).unwrap_or(NoticeType::Opened),
        subject: options.text("subject"),
        severity: options.choice("severity", &severities),
        title: options.text("title"),
        summary: options.text("summary"),
        at: options.parsed("at", instant),
        observed: options.number("observed", 0.0..=1e15),
        place: item.place.clone(),
    };
    options.finish();
    Some(expected)
}
