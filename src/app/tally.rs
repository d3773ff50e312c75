//! What was counted of each source, line by line: how people check that none is lost.

use std::collections::{BTreeMap, VecDeque};

use serde::{Deserialize, Serialize};

use crate::format::Reject;
use crate::sanitize;
use crate::source::Skipped;
use crate::time::{Span, Timestamp, Zone};

/// The reason under which lines are counted that a defect kept from being read or judged.
pub(super) const DEFECT: &str = "internal error";
/// Lines that could not be read are kept for a guess at their format: so many,
const STRANGE_LINES: usize = 60;
/// each up to this length, in bytes.
const STRANGE_BYTES: usize = 4 << 10;
/// A stamp that is older than the newest by more than this may be one of the hour that comes twice.
const REPEATED: Span = Span::from_mins(30);
/// Days of log time over which the longest pause of a source is remembered.
const PAUSE_DAYS: usize = 8;
/// A longer pause says that nobody wrote a log, not how often lines come.
const LONGEST_PAUSE: Span = Span::from_days(7);

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
    /// The newest line's time; one from the future does not count.
    pub newest: Option<Timestamp>,
    /// Where the lines last turned to another format, in words. Told since the start only.
    #[serde(skip)]
    pub turned: Option<String>,
    /// What later versions added; saved behind everything else.
    #[serde(skip)]
    pub more: More,
    /// The newest lines that could not be read.
    #[serde(skip)]
    pub strange: Strange,
}

/// The part of a tally that is saved behind the others, so that older states can be read.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct More {
    /// Lines with nothing in them.
    pub blank: u64,
    /// How long the source usually pauses.
    pub pauses: Pauses,
}

impl Tally {
    /// Lines that could not be read.
    pub fn rejected_lines(&self) -> u64 {
        self.rejected.values().sum()
    }

    /// Lines that went through the parser.
    pub fn offered(&self) -> u64 {
        self.parsed + self.rejected_lines()
    }

    /// Every line that was there: what `wc -l` says, and one more for each unfinished last line.
    pub fn lines(&self) -> u64 {
        self.offered() + self.oversize + self.partial + self.more.blank
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
        self.more.blank += other.more.blank;
        if self.sample.is_none() {
            self.sample.clone_from(&other.sample);
            self.sample_reason.clone_from(&other.sample_reason);
        }
        self.first = [self.first, other.first].into_iter().flatten().min();
        self.newest = self.newest.max(other.newest);
    }

    /// Counts what was passed over before a parser could see it.
    pub(super) fn pass(&mut self, skipped: Skipped) {
        self.oversize += skipped.oversize_lines;
        self.partial += skipped.partial_lines;
        self.nul_bytes += skipped.nul_bytes;
    }

    /// The time of a line that comes now. In the hour after clocks were set back, stamps without a zone repeat those of
    /// the hour before; what seems that old is of now.
    pub(super) fn in_order(&self, time: Timestamp, latest: Timestamp, zone: Zone) -> Timestamp {
        match self.newest {
            Some(newest) if newest - time > REPEATED => {
                zone.again(time).filter(|again| *again <= latest).unwrap_or(time)
            }
            _ => time,
        }
    }

    /// Counts a line that was read. One from after `latest` has a wrong stamp and says nothing of the newest line.
    pub(super) fn read(&mut self, time: Timestamp, latest: Timestamp) {
        self.parsed += 1;
        if time > latest {
            return;
        }
        match self.newest {
            Some(newest) if time <= newest => self.first = self.first.map(|first| first.min(time)).or(Some(time)),
            Some(newest) => {
                self.more.pauses.note(newest, time);
                self.newest = Some(time);
            }
            None => {
                self.newest = Some(time);
                self.first = Some(self.first.unwrap_or(time).min(time));
            }
        }
    }

    /// Counts a line that could not be read.
    pub(super) fn reject(&mut self, line: &[u8], reject: Reject) {
        self.count(reject.reason.as_str());
        if reject.reason.is_understood() {
            return;
        }
        self.strange.keep(line);
        if self.sample.is_none() {
            self.sample = Some(sanitize::redact_line(line));
            self.sample_reason = Some(format!("column {}: {}", reject.column, reject.reason));
        }
    }

    /// Counts a line that could not be read, by its reason alone.
    pub(super) fn count(&mut self, reason: &str) {
        match self.rejected.get_mut(reason) {
            Some(count) => *count += 1,
            None => drop(self.rejected.insert(reason.to_owned(), 1)),
        }
    }

    /// Counts the blank lines of a chunk of which `offered` lines went through the parser.
    pub(super) fn blanks(&mut self, bytes: &[u8], offered: u64) {
        let unfinished = bytes.last().is_some_and(|last| *last != b'\n');
        let all = memchr::memchr_iter(b'\n', bytes).count() as u64 + u64::from(unfinished);
        self.more.blank += all.saturating_sub(offered);
    }
}

/// The newest lines that could not be read: bounded, in memory only.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Strange(VecDeque<Vec<u8>>);

impl Strange {
    fn keep(&mut self, line: &[u8]) {
        if line.len() > STRANGE_BYTES {
            return;
        }
        let mut place = if self.0.len() < STRANGE_LINES { Vec::new() } else { self.0.pop_front().unwrap_or_default() };
        place.clear();
        place.extend_from_slice(line);
        self.0.push_back(place);
    }

    /// The lines, oldest first.
    pub fn lines(&self) -> Vec<&[u8]> {
        self.0.iter().map(Vec::as_slice).collect()
    }
}

/// The longest pause between two lines of a source on each of its last days, by log time.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Pauses {
    /// The number of the newest day.
    day: i64,
    /// The longest pause that ended on each day, newest first.
    longest: VecDeque<Span>,
}

impl Pauses {
    /// Two lines in a row that moved the newest time.
    fn note(&mut self, before: Timestamp, time: Timestamp) {
        let pause = time - before;
        let day = time.bucket(Span::DAY);
        if day > self.day || self.longest.is_empty() {
            let days = if self.longest.is_empty() { 1 } else { (day - self.day).min(PAUSE_DAYS as i64) };
            for _ in 0..days {
                self.longest.push_front(Span::ZERO);
            }
            self.longest.truncate(PAUSE_DAYS);
            self.day = day;
        }
        if let Some(longest) = self.longest.front_mut()
            && pause > *longest
            && pause <= LONGEST_PAUSE
        {
            *longest = pause;
        }
    }

    /// The longest of them.
    pub fn longest(&self) -> Span {
        self.longest.iter().copied().max().unwrap_or(Span::ZERO)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(minutes: i64) -> Timestamp {
        Timestamp::from_secs(1_700_000_000) + Span::from_mins(minutes)
    }

    #[test]
    fn blank_lines_are_counted_and_an_unfinished_one_is_a_line() {
        let mut tally = Tally { parsed: 2, ..Tally::default() };
        tally.blanks(b"one\r\n\r\n\ntwo", 2);
        assert_eq!((tally.more.blank, tally.lines()), (2, 4));
    }

    #[test]
    fn the_longest_pause_of_a_week_is_remembered_and_older_ones_are_not() {
        let mut tally = Tally::default();
        for minutes in [0, 1, 46, 47] {
            tally.read(at(minutes), Timestamp::MAX);
        }
        assert_eq!(tally.more.pauses.longest(), Span::from_mins(45));
        for minutes in (47..14 * 24 * 60).step_by(5) {
            tally.read(at(minutes), Timestamp::MAX);
        }
        assert_eq!(tally.more.pauses.longest(), Span::from_mins(5));
        // Nobody wrote for a year: that is no pause.
        tally.read(at(366 * 24 * 60), Timestamp::MAX);
        assert_eq!(tally.more.pauses.longest(), Span::ZERO);
    }

    #[test]
    fn a_line_from_the_future_is_counted_and_is_not_the_newest() {
        let mut tally = Tally::default();
        tally.read(at(0), at(5));
        tally.read(at(500_000), at(5));
        tally.read(at(-3), at(5));
        assert_eq!((tally.parsed, tally.newest, tally.first), (3, Some(at(0)), Some(at(-3))));
    }

    #[test]
    fn f44_the_hour_that_comes_twice_makes_no_gap_and_no_spike() {
        let zurich = Zone::parse("Europe/Zurich").unwrap();
        let start = Timestamp::parse("2026-10-24T23:00:00Z").unwrap();
        let mut tally = Tally::default();
        for second in 0..4 * 3600 {
            let true_time = start + Span::from_secs(second);
            // As a reader of stamps without a zone takes them: the earlier of two.
            let read = zurich.instant(zurich.wall(true_time));
            let time = tally.in_order(read, true_time + Span::from_mins(5), zurich);
            assert_eq!(time, true_time);
            tally.read(time, Timestamp::MAX);
        }
    }

    #[test]
    fn strange_lines_are_bounded() {
        let mut strange = Strange::default();
        for n in 0..200 {
            strange.keep(format!("line {n}").as_bytes());
        }
        strange.keep(&[b'x'; 5000]);
        let lines = strange.lines();
        assert_eq!((lines.len(), lines[0], lines[59]), (60, &b"line 140"[..], &b"line 199"[..]));
    }
}
