//! What cannot be read though it should be, since when, and what was caught up.

use std::io;
use std::path::{Path, PathBuf};

use super::Follower;
use crate::event::SourceId;
use crate::source::file;
use crate::source::generation::{Generation, State};
use crate::time::Span;

/// A file that cannot be opened.
pub(super) struct Refused {
    pub(super) source: SourceId,
    /// In words.
    pub(super) error: String,
    pub(super) since: Span,
    /// It is a log that the settings name, and the system does not let it be read.
    pub(super) wanted: bool,
    /// It was read before.
    pub(super) known: bool,
}

/// A file that should be read and cannot be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trouble {
    /// Which file.
    pub path: PathBuf,
    /// What is wrong, in words.
    pub error: String,
    /// Since when, by the time given to the follower.
    pub since: Span,
    /// It was never read: what is in it is not known at all.
    pub unread: bool,
}

impl Follower {
    /// Notes a file that cannot be opened.
    pub(super) fn refuse(&mut self, path: &Path, source: SourceId, wanted: bool, error: &io::Error, now: Span) {
        let since = self.refused_before.get(path).map_or(now, |before| before.since);
        let refused = Refused { source, error: file::what(path, error), since, wanted, known: false };
        self.refused.insert(path.to_owned(), refused);
    }

    /// What of a source cannot be read though it should be.
    pub(super) fn troubles(&self, source: SourceId) -> Vec<Trouble> {
        let refused = self.refused.iter().filter(|(_, refused)| refused.source == source && refused.wanted);
        let refused = refused.map(|(path, refused)| Trouble {
            path: path.clone(),
            error: refused.error.clone(),
            since: refused.since,
            unread: !refused.known,
        });
        let failing = self.generations.values().filter(|g| g.source == source && g.failures > 0);
        let failing = failing.filter_map(|g| {
            let (path, error) = (g.path().clone(), g.error.clone()?);
            Some(Trouble { path, error, since: g.failing_since, unread: g.position.offset == 0 })
        });
        let mut all: Vec<Trouble> = refused.chain(failing).collect();
        all.sort_by(|a, b| a.path.cmp(&b.path));
        all.dedup_by(|a, b| a.path == b.path);
        all
    }

    /// Lines that were taken from rotated files, and how many files they were, since this was asked last; `None` while
    /// some are still to be read.
    pub fn caught_up(&mut self) -> Option<(u64, usize)> {
        let waits = |g: &Generation| {
            matches!(g.state, State::Undecided { .. } | State::Packed(_)) || (g.superseded && g.behind() > 0)
        };
        if self.generations.values().any(waits) {
            return None;
        }
        let lines = std::mem::take(&mut self.old_lines);
        Some((lines.values().sum(), lines.len()))
    }
}
