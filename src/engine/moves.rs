//! Who goes on from another address.

use crate::engine::Engine;
use crate::event::SubjectKind;
use crate::incident::cause::Verdict;
use crate::incident::entry::Candidate;
use crate::time::Span;

/// The new address may begin so long before the old one falls silent,
const OVERLAP: Span = Span::from_mins(2);
/// and so long after it.
const PAUSE: Span = Span::from_mins(15);

impl Engine {
    /// The open incident that goes on from a candidate's address: a stranger that was not there when the incident began
    /// does the same as the address of the incident did until just before.
    pub(super) fn moved_from(&self, candidate: &Candidate) -> Option<Verdict> {
        if candidate.about.kind != SubjectKind::Client {
            return None;
        }
        let begins = candidate.finding.started_at;
        let stranger = self.row(candidate.about)?.first_seen;
        let goes_on = |entry: &&crate::incident::entry::Entry| {
            let last = || self.row(entry.about).map(|row| row.last_seen);
            entry.is_like(candidate)
                && stranger > entry.incident.started_at
                && last().is_some_and(|last| last <= begins + OVERLAP && begins <= last + PAUSE)
        };
        let entries = self.book.entries().iter().enumerate();
        // Of several, the one that fell silent last.
        let (index, _) = entries
            .filter(|(_, entry)| goes_on(entry))
            .max_by_key(|(_, entry)| self.row(entry.about).map(|row| row.last_seen))?;
        Some(Verdict::Move(index))
    }
}
