//! Texts of rules that have a language of their own: what is wrong with them is shown in the file, at the very place.

use std::ops::Range;

use crate::diag::{Diagnostic, Place, Report};
use crate::options::{Kind, Options, Value};
use crate::rule::words::{self, Text};
use crate::rule::{self, Condition, Problem};

/// Reads a condition.
pub(super) fn condition(value: &Value, key: &str, report: &Report) -> Option<Condition> {
    let text = plain(value, key, report)?;
    match rule::compile(text) {
        Ok(condition) => Some(condition),
        Err(problems) => {
            for problem in &problems {
                note(problem, text, &value.place, report);
            }
            None
        }
    }
}

/// Reads words with names in braces.
pub(super) fn words(options: &Options<'_>, key: &str) -> Option<Text> {
    words_of(&options.entry(key)?.value, key, options.report())
}

/// The same of one value.
pub(super) fn words_of(value: &Value, key: &str, report: &Report) -> Option<Text> {
    let text = plain(value, key, report)?;
    words::parse(text).map_err(|problem| note(&problem, text, &value.place, report)).ok()
}

pub(super) fn plain<'v>(value: &'v Value, key: &str, report: &Report) -> Option<&'v str> {
    if let Kind::Text(text) = &value.kind {
        return Some(text);
    }
    let message = format!("\"{key}\" should be a text in quotes");
    report.push(Diagnostic::error(message).at(&value.place, format!("this is {}", value.kind.name())));
    None
}

fn note(problem: &Problem, text: &str, place: &Place, report: &Report) {
    report.push(
        Diagnostic::error(problem.message.clone())
            .at(&within(place, text, &problem.span), problem.label.clone())
            .maybe_help(problem.help.clone()),
    );
}

/// The place in the file of some bytes of a TOML text that was written there: quotes and escapes are counted along.
pub(super) fn within(place: &Place, text: &str, span: &Range<usize>) -> Place {
    let written = place.origin.text.get(place.span.clone()).unwrap_or("");
    let open = ["\"\"\"", "'''", "\"", "'"].into_iter().find(|quote| written.starts_with(quote)).unwrap_or("");
    let mut at = open.len();
    // A line end right behind three quotes belongs to neither.
    if open.len() == 3 {
        let rest = written.get(at..).unwrap_or("");
        at += if rest.starts_with("\r\n") { 2 } else { usize::from(rest.starts_with('\n')) };
    }
    let escapes = open.starts_with('"');
    // Where each byte of the text stands.
    let (mut read, mut start, mut end) = (0, None, None);
    while read <= text.len() {
        if start.is_some() && read >= span.end {
            end = Some(at);
            break;
        }
        let rest = written.get(at..).unwrap_or("");
        let (took, gave) = if escapes && rest.starts_with('\\') { escape(rest) } else { character(rest) };
        // What stands for nothing belongs to what comes before it.
        if start.is_none() && read >= span.start && (gave > 0 || took == 0) {
            start = Some(at);
            if span.is_empty() {
                continue;
            }
        }
        if took == 0 {
            break;
        }
        at += took;
        read += gave;
    }
    let whole = place.span.clone();
    let from = whole.start + start.unwrap_or(0);
    let to = whole.start + end.unwrap_or(written.len());
    Place { origin: place.origin.clone(), span: from.min(whole.end)..to.clamp(from.min(whole.end), whole.end) }
}

/// Bytes of a character as it is written, and of what it stands for.
fn character(rest: &str) -> (usize, usize) {
    let length = rest.chars().next().map_or(0, char::len_utf8);
    // TOML turns CR LF into LF or leaves it; the text has what it has.
    (length, length)
}

fn escape(rest: &str) -> (usize, usize) {
    match rest.as_bytes().get(1) {
        Some(digits @ (b'u' | b'U' | b'x')) => {
            let length = match digits {
                b'x' => 2,
                b'u' => 4,
                _ => 8,
            };
            let code = rest.get(2..2 + length).and_then(|hex| u32::from_str_radix(hex, 16).ok());
            (2 + length, code.and_then(char::from_u32).map_or(1, char::len_utf8))
        }
        // A backslash at a line's end swallows the blanks that follow.
        Some(b'\n' | b'\r' | b' ' | b'\t') => {
            let after = rest.get(1..).unwrap_or("");
            (1 + after.len() - after.trim_start().len(), 0)
        }
        Some(_) => (2, 1),
        None => (0, 0),
    }
}
