//! Which files are held open, and when one is closed for good.

use std::collections::HashMap;

use super::{Follower, HOLD_DELETED};
use crate::source::generation::{Generation, State};
use crate::source::{Chunk, Skipped};
use crate::time::Span;

/// A file that was rotated away is read until it was quiet for this long.
const QUIET: Span = Span::from_secs(60);
/// Rotated files of one log held open at the same time.
const OLD_OPEN: usize = 8;

impl Follower {
    /// Which of the files of a log have a younger one, and so are rotated.
    pub(super) fn rank(&mut self) {
        let mut files: Vec<_> = self
            .generations
            .values()
            .filter(|g| g.present() && matches!(g.state, State::Reading))
            .map(|g| (g.lineage, g.named, g.order, g.id))
            .collect();
        files.sort_unstable();
        for (at, file) in files.iter().enumerate() {
            let superseded = files.get(at + 1).is_some_and(|next| next.0 == file.0);
            if let Some(generation) = self.generations.get_mut(&file.3) {
                if superseded && !generation.superseded {
                    self.counters.rotations += 1;
                    // Quiet is counted from here: its writer may only just be told.
                    generation.active = generation.active.max(generation.seen);
                }
                generation.superseded = superseded;
            }
        }
    }

    /// Opens the logs that are written now, as far as descriptors go: what is deleted later can then still be read.
    pub(super) fn hold(&mut self, now: Span) {
        let open = self.generations.values().filter(|g| g.open.is_some()).count();
        let live = |g: &&Generation| {
            let idle = g.named && g.open.is_none() && matches!(g.state, State::Reading);
            idle && !g.superseded && g.retry_at <= now
        };
        let left = self.limits.open_files.saturating_sub(open);
        let ids: Vec<u64> = self.generations.values().filter(live).map(|g| g.id).take(left).collect();
        for id in ids {
            if let Err(error) = self.make_ready(id, now) {
                self.failed(id, now, &error);
            }
        }
    }

    /// Closes files that are over: rotated or deleted, at their end, and quiet.
    pub(super) fn retire(&mut self, now: Span) {
        let mut done = Vec::new();
        let mut old_open: HashMap<usize, usize> = HashMap::new();
        for generation in self.generations.values().rev() {
            let Some(open) = generation.open.as_ref().filter(|_| matches!(generation.state, State::Reading)) else {
                continue;
            };
            if !open.at_end() {
                continue;
            }
            let quiet = now - generation.active >= QUIET;
            let nameless_for = generation.nameless_since.map(|since| now - since);
            let deleted = open.facts.links == 0;
            let old = generation.superseded && {
                let count = old_open.entry(generation.lineage).or_default();
                *count += 1;
                *count > OLD_OPEN && !deleted
            };
            if (generation.superseded && quiet && nameless_for.is_none_or(|since| since >= QUIET))
                || (deleted && nameless_for.is_some_and(|since| since >= HOLD_DELETED))
            {
                done.push((generation.id, true));
            } else if old {
                done.push((generation.id, false));
            }
        }
        for (id, finish) in done {
            if finish {
                self.finish(id);
            }
            let Some(generation) = self.generations.get_mut(&id) else { continue };
            generation.close();
            if !generation.named {
                generation.state = State::Gone { shrank: false, since: now, partial: false };
            }
        }
    }

    /// Hands out the unfinished last line of a file that is over.
    fn finish(&mut self, id: u64) {
        let Some(generation) = self.generations.get_mut(&id) else { return };
        let Some(open) = generation.open.as_mut().filter(|open| open.unfinished()) else { return };
        let mut bytes = Vec::new();
        let skipped: Skipped = open.finish(&mut bytes);
        open.mark(&mut generation.position);
        let position = generation.position.clone();
        self.pending.push_back(Chunk { source: generation.source, bytes, position, skipped });
    }
}
