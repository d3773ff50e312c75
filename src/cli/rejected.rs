//! What could not be read of a log, for people: by reason and by where in the line it was, a sample of each.

use std::collections::BTreeMap;
use std::fmt::Write;

use crate::sanitize;

/// Columns that far apart belong together.
const NEAR_COLUMNS: u32 = 24;
/// Groups of columns of one reason; further ones join the nearest.
const GROUPS: usize = 4;
/// Reasons that are told apart; there are fewer, but for separators that a format may name.
const REASONS: usize = 64;
/// The longest sample, in characters.
const SAMPLE_CHARS: usize = 160;

/// Rejected lines by reason; what it holds is bounded whatever the log is.
#[derive(Debug, Default)]
pub(super) struct Rejected {
    reasons: BTreeMap<String, Vec<Group>>,
    count: u64,
}

/// Lines that were rejected for one reason at about one place.
#[derive(Debug)]
struct Group {
    count: u64,
    first_line: u64,
    /// From and to, both counted from 1; `None` of lines that were not looked into.
    columns: Option<(u32, u32)>,
    /// Of the first line, secrets masked.
    sample: String,
}

impl Group {
    fn distance(&self, column: Option<u32>) -> u32 {
        match (self.columns, column) {
            (Some((from, to)), Some(column)) => from.saturating_sub(column).max(column.saturating_sub(to)),
            (None, None) => 0,
            _ => u32::MAX,
        }
    }

    fn take(&mut self, column: Option<u32>) {
        self.count += 1;
        if let (Some((from, to)), Some(column)) = (self.columns, column) {
            self.columns = Some((from.min(column), to.max(column)));
        }
    }
}

impl Rejected {
    /// Notes a line that was rejected at a column; `None` where it was not looked into.
    pub(super) fn note(&mut self, reason: &str, line: u64, column: Option<u32>, text: &[u8]) {
        self.count += 1;
        let reason = if self.reasons.len() < REASONS || self.reasons.contains_key(reason) { reason } else { "others" };
        let groups = self.reasons.entry(reason.to_owned()).or_default();
        let is_full = groups.len() >= GROUPS;
        let nearest = groups.iter_mut().min_by_key(|group| group.distance(column));
        match nearest.filter(|group| is_full || group.distance(column) <= NEAR_COLUMNS) {
            Some(group) => group.take(column),
            None => groups.push(Group {
                count: 1,
                first_line: line,
                columns: column.map(|column| (column, column)),
                sample: sanitize::terminal(&sanitize::clip(&sanitize::redact_line(text), SAMPLE_CHARS)),
            }),
        }
    }

    /// How many lines were read and how many not, then what stood in the way, the most frequent first.
    pub(super) fn summary(&self, file: &str, parsed: u64) -> String {
        let mut text = format!("{file}: {parsed} lines read, {} not", self.count);
        let mut groups: Vec<(&str, &Group)> =
            self.reasons.iter().flat_map(|(reason, groups)| groups.iter().map(move |g| (reason.as_str(), g))).collect();
        groups.sort_by_key(|(_, group)| (std::cmp::Reverse(group.count), group.first_line));
        for (reason, group) in groups {
            let _ = write!(text, "\n  {} {reason}", group.count);
            let _ = match group.columns {
                Some((from, to)) if from == to => write!(text, ", column {from}"),
                Some((from, to)) => write!(text, ", columns {from} to {to}"),
                None => Ok(()),
            };
            let _ = write!(text, ", first in line {}", group.first_line);
            if !group.sample.is_empty() {
                let _ = write!(text, ":\n    {}", group.sample);
            }
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_told_by_reason_and_place_the_most_frequent_first_with_a_masked_sample_each() {
        let mut rejected = Rejected::default();
        rejected.note("not a time", 3, Some(21), b"GET /?api_key=sk_live_51H8xJ2eZvKYlo2C9f3a yesterday");
        for (line, column) in [(4, 60), (5, 70), (9, 58)] {
            rejected.note("unquoted request", line, Some(column), b"\x1b[2Jx");
        }
        rejected.note("unquoted request", 11, Some(400), b"y");
        rejected.note("line too long", 12, None, b"");
        let summary = rejected.summary("a.log", 7);
        let lines: Vec<&str> = summary.lines().collect();
        assert_eq!(lines[0], "a.log: 7 lines read, 6 not");
        assert_eq!(lines[1], "  3 unquoted request, columns 58 to 70, first in line 4:");
        assert_eq!(lines[3], "  1 not a time, column 21, first in line 3:");
        assert_eq!(
            &lines[5..],
            ["  1 unquoted request, column 400, first in line 11:", "    y", "  1 line too long, first in line 12"]
        );
        assert!(!summary.contains("51H8xJ2eZvKYlo2C") && !summary.contains('\x1b'), "{summary}");
    }

    #[test]
    fn what_is_held_is_bounded() {
        let mut rejected = Rejected::default();
        for n in 0..10_000u32 {
            rejected.note(&format!("reason {n}"), u64::from(n), Some(1), b"x");
            rejected.note("one", u64::from(n), Some(n * 1000), b"x");
        }
        assert!(rejected.reasons.len() <= REASONS + 1);
        assert!(rejected.reasons.values().all(|groups| groups.len() <= GROUPS));
        assert_eq!(rejected.reasons.values().flatten().map(|g| g.count).sum::<u64>(), 20_000);
    }
}
