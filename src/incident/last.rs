//! When the last of an open incident came, as the engine sees it.

use crate::detect::Fact;
use crate::incident::entry::Entry;
use crate::time::{Span, Timestamp};

/// The fact that says when the last of it was seen to come, as long as that was known.
const SEEN: &str = "last_seen_to_come";

/// When the last of an incident came.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Signs {
    /// Where that is known better than by whether it goes on.
    pub last: Option<Timestamp>,
    /// The same by what notes it with each request, while it went on.
    pub seen: Option<Timestamp>,
    /// Nothing is to be reminded of: it pauses, or all that comes is refused.
    pub quiet: bool,
}

impl Entry {
    /// When the last of it was seen to come, by what notes that.
    pub fn last_seen_to_come(&self) -> Option<Timestamp> {
        match self.incident.facts.get(SEEN) {
            Some(Fact::Time(seen)) => Some(*seen),
            _ => None,
        }
    }

    /// Notes when the last thing happened that it is about, and whether there is nothing to be reminded of just now.
    pub fn note_signs(&mut self, Signs { last, seen, quiet }: Signs, now: Timestamp) {
        let over = now - self.last_active() > Span::MINUTE;
        let facts = &mut self.incident.facts;
        if let Some(seen) = seen {
            facts.insert(SEEN.to_owned(), Fact::Time(seen));
        }
        let last = match facts.get("last_sign") {
            // What is learned again when it is over no longer knows when that was.
            Some(Fact::Time(known)) if over => Some(last.map_or(*known, |last| last.min(*known))),
            _ => last,
        };
        match last {
            Some(last) => facts.insert("last_sign".to_owned(), Fact::Time(last)),
            None => facts.remove("last_sign"),
        };
        if quiet {
            facts.insert("quiet".to_owned(), Fact::Flag(true));
        } else {
            facts.remove("quiet");
        }
    }
}
