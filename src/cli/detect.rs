//! `lapwing formats detect`: which formats a whole log is in, why those, and what the others lack.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::anyhow;
use serde_json::{Value, json};

use super::output::Output;
use crate::app::{Failure, replay};
use crate::format::{Choice, Guess, Reason, Registry, Reject, SAMPLE_LINES, SourceParser, Turn, Vote, guess};
use crate::notice::words;
use crate::sanitize;
use crate::source::archive::{self, LineReader};
use crate::source::lines;
use crate::time::{Timestamp, Zone};

/// Formats that do not fit, of which it is said why.
const MISSES: usize = 5;

/// What a whole log is.
struct Report {
    guess: Guess,
    /// Lines that are not blank.
    lines: u64,
    /// By format: lines, and the first one.
    read: BTreeMap<String, (u64, u64)>,
    /// By reason: lines that are no request or could not be read.
    rejected: BTreeMap<&'static str, Rejected>,
    turns: Vec<Turn>,
}

struct Rejected {
    count: u64,
    first: u64,
    reject: Reject,
    sample: String,
}

/// Looks at a log from its beginning to its end.
pub(super) fn run(
    file: &Path,
    json: bool,
    registry: &Arc<Registry>,
    line_bytes: usize,
    zone: Zone,
    output: &mut Output,
) -> Result<ExitCode, Failure> {
    let report = read(file, registry, line_bytes, zone)?;
    if json {
        output.json(&report.to_json(file))?;
    } else {
        for line in report.text() {
            output.line(&sanitize::terminal(&line))?;
        }
    }
    Ok(if report.guess.format.is_some() { ExitCode::SUCCESS } else { ExitCode::from(1) })
}

fn read(file: &Path, registry: &Arc<Registry>, line_bytes: usize, zone: Zone) -> Result<Report, Failure> {
    let cannot = |e: std::io::Error| Failure::Running(anyhow!("cannot read {}: {}", file.display(), replay::plain(&e)));
    let mut parser =
        SourceParser::new(Choice::Auto, registry.clone(), zone).map_err(|e| Failure::Usage(e.to_string()))?;
    parser.near(replay::written(file));
    // Whether lines of a format without times say when does not matter here.
    parser.set_arrival(Some(Timestamp::from_secs(0)));
    let mut reader = LineReader::new(archive::open(file).map_err(cannot)?, line_bytes);
    let mut report = Report {
        guess: guess(&[], registry),
        lines: 0,
        read: BTreeMap::new(),
        rejected: BTreeMap::new(),
        turns: Vec::new(),
    };
    let (mut block, mut number) = (Vec::new(), 0);
    let mut turning = Turning::default();
    while reader.next_block(&mut block).map_err(cannot)? {
        let mut rows = Vec::new();
        for raw in block.split_inclusive(|b| *b == b'\n') {
            number += 1;
            rows.extend(lines(raw).next().map(|line| (number, line)));
        }
        if parser.wants_sample() && !parser.is_decided() {
            let sample: Vec<&[u8]> = rows.iter().map(|(_, line)| *line).take(SAMPLE_LINES).collect();
            let guess = parser.offer(&sample);
            if report.lines == 0 {
                report.guess = guess;
            }
        }
        let mut read: Vec<Result<String, Reject>> = rows.iter().map(|(_, line)| try_line(&parser, line)).collect();
        let unread: Vec<usize> = (0..rows.len()).filter(|at| is_unread(&read[*at])).collect();
        // Another format may begin anywhere: what nothing read so far votes once more.
        if unread.len() * WORTH_A_VOTE >= rows.len() && !unread.is_empty() {
            let sample: Vec<&[u8]> = unread.iter().map(|at| rows[*at].1).take(SAMPLE_LINES).collect();
            parser.offer(&sample);
            for at in unread {
                read[at] = try_line(&parser, rows[at].1);
            }
        }
        for ((number, line), read) in rows.into_iter().zip(read) {
            report.lines += 1;
            match read {
                Ok(format) => {
                    report.turns.extend(turning.took(&format, number));
                    report.read.entry(format).or_insert((0, number)).0 += 1;
                }
                Err(reject) => report.reject(reject, line, number),
            }
        }
    }
    Ok(report)
}

/// One unread line in so many of a block lets the unread ones vote.
const WORTH_A_VOTE: usize = 20;

/// So many lines of one format in a row make it the format of the log from there on.
const SETTLED: u64 = 20;

fn try_line(parser: &SourceParser, line: &[u8]) -> Result<String, Reject> {
    parser.parse(line).map(|record| record.format.to_owned())
}

fn is_unread(read: &Result<String, Reject>) -> bool {
    read.as_ref().is_err_and(|reject| !reject.reason.is_understood())
}

/// Follows the format of the log from line to line.
#[derive(Default)]
struct Turning {
    current: String,
    since: u64,
    run: u64,
    settled: Option<String>,
}

impl Turning {
    /// The line is in this format; a turn, if it settles one.
    fn took(&mut self, format: &str, number: u64) -> Option<Turn> {
        if self.current != format {
            format.clone_into(&mut self.current);
            (self.since, self.run) = (number, 0);
        }
        self.run += 1;
        if self.run != SETTLED || self.settled.as_deref() == Some(format) {
            return None;
        }
        let from = self.settled.replace(format.to_owned())?;
        Some(Turn { from, to: format.to_owned(), line: self.since })
    }
}

impl Report {
    fn reject(&mut self, reject: Reject, line: &[u8], number: u64) {
        let entry = self.rejected.entry(reject.reason.as_str()).or_insert_with(|| Rejected {
            count: 0,
            first: number,
            reject,
            sample: sanitize::clip(&sanitize::redact_line(line), 120),
        });
        entry.count += 1;
    }

    /// Formats by the number of their lines.
    fn formats(&self) -> Vec<(&str, u64, u64)> {
        let mut formats: Vec<_> =
            self.read.iter().map(|(name, (count, first))| (name.as_str(), *count, *first)).collect();
        formats.sort_by_key(|(_, count, _)| std::cmp::Reverse(*count));
        formats
    }

    fn share(&self, count: u64) -> f64 {
        if self.lines == 0 { 0.0 } else { count as f64 / self.lines as f64 }
    }

    /// Why the nearest of the formats that do not read the log do not.
    fn others(&self) -> impl Iterator<Item = &Vote> {
        let chosen =
            |vote: &&Vote| Some(&vote.format) != self.guess.format.as_ref() && !self.guess.also.contains(&vote.format);
        self.guess.votes.iter().chain(&self.guess.misses).filter(chosen).take(MISSES)
    }

    fn text(&self) -> Vec<String> {
        let number = |n: u64| words::count(n as f64);
        let mut out = vec![
            self.guess.format.clone().unwrap_or_else(|| "no known format fits".to_owned()),
            format!("Of its first lines: {}", self.guess.reason),
        ];
        if self.guess.loosely {
            out.push("No format fits strictly; stray quotes inside quoted values were put up with".to_owned());
        }
        out.push(format!("Of all {} lines:", number(self.lines)));
        for (name, count, first) in self.formats() {
            out.push(format!(
                "  {:>7} %  {count:>9}  {name}, from line {} on",
                percent(self.share(count)),
                number(first)
            ));
        }
        for (reason, r) in &self.rejected {
            let share = percent(self.share(r.count));
            let place = if r.reject.reason.is_understood() || r.reject.reason == Reason::NoFormat {
                String::new()
            } else {
                format!(" at column {}", r.reject.column)
            };
            out.push(format!(
                "  {share:>7} %  {:>9}  not read: {reason}, first in line {}{place}: {}",
                r.count,
                number(r.first),
                r.sample
            ));
        }
        for turn in &self.turns {
            out.push(format!("From line {} on: {} (before: {})", number(turn.line), turn.to, turn.from));
        }
        for (position, vote) in self.others().enumerate() {
            if position == 0 {
                out.push("What other formats lack:".to_owned());
            }
            let lack = vote.lack.as_ref().map(|l| {
                format!(
                    "{} at column {} in {} of {} lines",
                    l.reject.reason, l.reject.column, l.lines, self.guess.lines
                )
            });
            let lack = lack.unwrap_or_else(|| "reads as many lines but says less about each".to_owned());
            out.push(format!("  {} (reads {}): {lack}", vote.format, vote.fits));
        }
        out
    }

    fn to_json(&self, file: &Path) -> Value {
        let lack = |vote: &Vote| {
            vote.lack.as_ref().map(|l| json!({"reason": l.reject.reason, "column": l.reject.column, "lines": l.lines}))
        };
        let votes: Vec<Value> =
            self.guess.votes.iter().map(|v| json!({"format": v.format, "fits": v.fits, "lack": lack(v)})).collect();
        let misses: Vec<Value> =
            self.guess.misses.iter().take(MISSES).map(|v| json!({"format": v.format, "lack": lack(v)})).collect();
        let formats: Vec<Value> = self
            .formats()
            .into_iter()
            .map(|(name, count, first)| json!({"format": name, "lines": count, "share": self.share(count), "first_line": first}))
            .collect();
        let rejected: Vec<Value> = self
            .rejected
            .iter()
            .map(|(reason, r)| {
                json!({"reason": reason, "lines": r.count, "first_line": r.first, "column": r.reject.column, "sample": r.sample})
            })
            .collect();
        let envelopes: Vec<Value> = self
            .guess
            .envelopes
            .iter()
            .map(|(kind, lines)| json!({"envelope": kind.as_str(), "lines": lines}))
            .collect();
        let turns: Vec<Value> =
            self.turns.iter().map(|t| json!({"line": t.line, "from": t.from, "to": t.to})).collect();
        json!({
            "file": file.display().to_string(),
            "format": self.guess.format,
            "also": self.guess.also,
            "reason": self.guess.reason,
            "loosely": self.guess.loosely,
            "lines": self.guess.lines,
            "votes": votes,
            "misses": misses,
            "envelopes": envelopes,
            "all_lines": self.lines,
            "formats": formats,
            "rejected": rejected,
            "turns": turns,
        })
    }
}

/// With as many digits as a rare kind of line needs to be seen.
fn percent(share: f64) -> String {
    let percent = share * 100.0;
    if percent > 0.0 && percent < 0.1 { format!("{percent:.3}") } else { format!("{percent:.1}") }
}
