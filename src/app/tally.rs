//! What was counted of a source's lines.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::format::Reject;
use crate::sanitize;
use crate::source::Skipped;
use crate::time::Timestamp;

/// The reason under which lines are counted that a defect kept from being read or judged.
pub(super) const DEFECT: &str = "internal error";

/// What was counted of one source: survives restarts, since it is how people check that no line is lost.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Tally {
    /// Lines that were read.
    pub parsed: u64,
    /// Lines that were not, by reason.
    pub rejected: BTreeMap<String, u64>,
    /// Lines over the length limit.
    pub oversize: u64,
    /// Unfinished last lines of files that are over.
    pub partial: u64,
    /// NUL bytes in holes.
    pub nul_bytes: u64,
    /// The first rejected line, made safe to show.
    pub sample: Option<String>,
    /// Where reading of that line stopped: column, and what was wrong.
    pub sample_reason: Option<String>,
    /// The oldest line's time.
    pub first: Option<Timestamp>,
    /// The newest line's time.
    pub newest: Option<Timestamp>,
    /// Where the lines last turned to another format, in words. Told since the start only.
    #[serde(skip)]
    pub turned: Option<String>,
}

impl Tally {
    /// Lines that could not be read.
    pub fn rejected_lines(&self) -> u64 {
        self.rejected.values().sum()
    }

    /// Every line that was there: agrees with `wc -l` but for blank lines.
    pub fn lines(&self) -> u64 {
        self.parsed + self.rejected_lines() + self.oversize + self.partial
    }

    /// Adds another's counts.
    pub fn add(&mut self, other: &Tally) {
        self.parsed += other.parsed;
        for (reason, count) in &other.rejected {
            *self.rejected.entry(reason.clone()).or_default() += count;
        }
        self.oversize += other.oversize;
        self.partial += other.partial;
        self.nul_bytes += other.nul_bytes;
        if self.sample.is_none() {
            self.sample.clone_from(&other.sample);
            self.sample_reason.clone_from(&other.sample_reason);
        }
        self.first = [self.first, other.first].into_iter().flatten().min();
        self.newest = self.newest.max(other.newest);
    }

    pub(super) fn pass(&mut self, skipped: Skipped) {
        self.oversize += skipped.oversize_lines;
        self.partial += skipped.partial_lines;
        self.nul_bytes += skipped.nul_bytes;
    }

    pub(super) fn reject(&mut self, line: &[u8], reject: Reject) {
        self.count(reject.reason.as_str());
        if self.sample.is_none() && !reject.reason.is_understood() {
            self.sample = Some(sanitize::redact_line(line));
            self.sample_reason = Some(format!("column {}: {}", reject.column, reject.reason));
        }
    }

    pub(super) fn count(&mut self, reason: &str) {
        match self.rejected.get_mut(reason) {
            Some(count) => *count += 1,
            None => drop(self.rejected.insert(reason.to_owned(), 1)),
        }
    }
}
