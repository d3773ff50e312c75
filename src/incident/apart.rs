//! Incidents that stand apart: a budget is no cause of anything else, and nothing else explains it.
//!
//! Such an incident lasts until an instant that is known from its beginning. It is told when it opens, at each further
//! step, and when it is over; in between nobody is reminded of it.

use crate::detect::budget;
use crate::incident::book::{Book, Settings, incident_id, incident_of};
use crate::incident::entry::{About, Candidate, Entry};
use crate::time::{Span, Timestamp};

/// How long after its end it is told to be over: so late come the last lines.
pub(super) const GRACE: Span = Span::MINUTE;

impl Entry {
    /// Whether it stands apart: nothing else explains it, and it explains nothing else.
    pub fn is_apart(&self) -> bool {
        self.is_budget() || self.is_ruled()
    }

    /// Whether it is that of a budget.
    pub fn is_budget(&self) -> bool {
        self.incident.detector == budget::NAME
    }

    /// Whether it is the incident of a rule on a subject, in the period that the tag tells.
    pub fn is_of(&self, rule: &str, about: About, tag: u64) -> bool {
        self.is_budget()
            && self.about == about
            && self.incident.rule == rule
            && self.evidence.first().is_some_and(|evidence| evidence.tag == tag)
    }
}

impl Book {
    /// Opens the incident of a rule on a subject, or takes it a step further. The candidate's tag tells several periods
    /// apart; `until` is when it ends.
    pub fn step(&mut self, candidate: Candidate, rule: &str, until: Timestamp, now: Timestamp, settings: &Settings) {
        let (about, tag) = (candidate.about, candidate.tag);
        if let Some(entry) = self.entries.iter_mut().find(|entry| entry.is_of(rule, about, tag)) {
            entry.new_harm = entry.is_told();
            entry.take(candidate.finding, candidate.parts, candidate.spread);
            rule.clone_into(&mut entry.incident.rule);
            return;
        }
        // Those that give way are the least that end first; the step itself has been told by then.
        let apart = self.entries.iter().enumerate().filter(|(_, entry)| entry.is_budget());
        if apart.clone().count() >= settings.limit
            && let Some((index, _)) = apart.min_by_key(|(_, e)| (e.is_told(), e.incident.severity, e.last_active()))
        {
            self.entries.swap_remove(index);
        }
        let mut incident = incident_of(&candidate, now);
        incident.id = incident_id(incident.started_at, now, &format!("{rule} {tag}"), &incident.subject);
        rule.clone_into(&mut incident.rule);
        let new = Entry::new(incident, &candidate, u8::MAX, now);
        let mut entry = Entry { urgent: true, patient: false, ..new };
        entry.note(&candidate, until);
        self.entries.push(entry);
    }
}
