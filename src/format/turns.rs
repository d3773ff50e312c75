//! Where a log turns from one format to another: a deploy changed it, or the server was replaced.

use std::sync::Mutex;
use std::sync::PoisonError;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};

/// So many lines of one format in a row make it the format of the log from there on.
const SETTLED: u64 = 20;
/// Turns that are kept until somebody asks; a log that goes to and fro is said once.
const KEPT: usize = 8;
/// No format yet.
const NONE: usize = usize::MAX;

/// A log turned to another format.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Turn {
    /// The format before.
    pub from: String,
    /// The format from there on.
    pub to: String,
    /// The first line of the new format, counted from 1 with those that were not read.
    pub line: u64,
}

/// Follows which format takes the lines. Shared references suffice, since parsing has no other; one thread reads a source,
/// so no count is lost.
#[derive(Debug)]
pub(super) struct Turns {
    lines: AtomicU64,
    current: AtomicUsize,
    since: AtomicU64,
    run: AtomicU64,
    settled: AtomicUsize,
    news: AtomicBool,
    said: Mutex<Said>,
}

#[derive(Debug, Default)]
struct Said {
    waiting: Vec<Turn>,
    before: Vec<(String, String)>,
}

impl Default for Turns {
    fn default() -> Self {
        Turns {
            lines: AtomicU64::new(0),
            current: AtomicUsize::new(NONE),
            since: AtomicU64::new(0),
            run: AtomicU64::new(0),
            settled: AtomicUsize::new(NONE),
            news: AtomicBool::new(false),
            said: Mutex::default(),
        }
    }
}

impl Turns {
    /// Counts lines that nobody was asked to read: blank ones.
    pub(super) fn pass(&self, lines: u64) {
        self.lines.store(self.lines.load(Ordering::Relaxed) + lines, Ordering::Relaxed);
    }

    /// The format in place `at` took the line that was counted last; `name` says its name if it comes to that.
    pub(super) fn took<'n>(&self, at: usize, name: impl Fn(usize) -> Option<&'n str>) {
        if self.current.load(Ordering::Relaxed) != at {
            self.current.store(at, Ordering::Relaxed);
            self.since.store(self.lines.load(Ordering::Relaxed), Ordering::Relaxed);
            self.run.store(0, Ordering::Relaxed);
        }
        let run = self.run.load(Ordering::Relaxed) + 1;
        self.run.store(run, Ordering::Relaxed);
        if run != SETTLED {
            return;
        }
        let before = self.settled.swap(at, Ordering::Relaxed);
        if before != at
            && let (Some(from), Some(to)) = (name(before), name(at))
        {
            self.say(from, to);
        }
    }

    fn say(&self, from: &str, to: &str) {
        let mut said = self.said.lock().unwrap_or_else(PoisonError::into_inner);
        let pair = (from.to_owned(), to.to_owned());
        if said.before.contains(&pair) || said.before.len() >= KEPT {
            return;
        }
        said.before.push(pair);
        let line = self.since.load(Ordering::Relaxed);
        said.waiting.push(Turn { from: from.to_owned(), to: to.to_owned(), line });
        self.news.store(true, Ordering::Relaxed);
    }

    /// The turns since the last call; each pair of formats comes once.
    pub(super) fn take(&self) -> Vec<Turn> {
        if !self.news.swap(false, Ordering::Relaxed) {
            return Vec::new();
        }
        std::mem::take(&mut self.said.lock().unwrap_or_else(PoisonError::into_inner).waiting)
    }

    /// The formats stand in other places from now on.
    pub(super) fn replaced(&self, place: impl Fn(usize) -> Option<usize>) {
        for index in [&self.current, &self.settled] {
            let before = index.load(Ordering::Relaxed);
            index.store(place(before).unwrap_or(NONE), Ordering::Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NAMES: [&str; 3] = ["combined", "json", "common"];

    fn feed(turns: &Turns, at: usize, lines: usize) {
        for _ in 0..lines {
            turns.pass(1);
            turns.took(at, |at| NAMES.get(at).copied());
        }
    }

    #[test]
    fn a_turn_is_said_once_with_the_line_where_it_began() {
        let turns = Turns::default();
        feed(&turns, 0, 1203);
        assert_eq!(turns.take(), Vec::new());
        feed(&turns, 1, 20);
        let turn = Turn { from: "combined".to_owned(), to: "json".to_owned(), line: 1204 };
        assert_eq!(turns.take(), vec![turn]);
        assert_eq!(turns.take(), Vec::new());
        for _ in 0..10 {
            feed(&turns, 0, 20);
            feed(&turns, 1, 20);
        }
        assert_eq!(turns.take().len(), 1);
    }

    #[test]
    fn formats_that_share_a_log_are_no_turn() {
        let turns = Turns::default();
        for _ in 0..200 {
            feed(&turns, 0, 2);
            feed(&turns, 2, 1);
        }
        assert_eq!(turns.take(), Vec::new());
    }

    #[test]
    fn places_follow_the_formats() {
        let turns = Turns::default();
        feed(&turns, 0, 30);
        // "combined" is the second now.
        turns.replaced(|at| (at == 0).then_some(1));
        for _ in 0..30 {
            turns.pass(1);
            turns.took(0, |at| ["json", "combined"].get(at).copied());
        }
        let turn = Turn { from: "combined".to_owned(), to: "json".to_owned(), line: 31 };
        assert_eq!(turns.take(), vec![turn]);
    }
}
