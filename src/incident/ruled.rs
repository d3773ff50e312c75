//! Incidents of the users' own rules. They asked for them: nothing else explains them away, and they explain nothing
//! else. They are told, told again after their own cooldown, and end as all others do.

use hashbrown::HashMap;

use crate::detect::{Fact, user_rule};
use crate::event::Severity;
use crate::incident::book::{Book, incident_id, incident_of};
use crate::incident::entry::{Candidate, Entry};
use crate::incident::kept::Reason;
use crate::time::{Span, Timestamp};

impl Entry {
    /// Whether it is the incident of a rule of the user.
    pub fn is_ruled(&self) -> bool {
        self.evidence.first().is_some_and(|evidence| evidence.detector == user_rule::NAME)
    }

    /// Whether it is the incident of this rule on a group, which the tag tells.
    fn is_of_group(&self, rule: &str, tag: u64) -> bool {
        self.is_ruled()
            && self.incident.rule == rule
            && self.evidence.first().is_some_and(|evidence| evidence.tag == tag)
    }

    /// Whether its rule asks for a message: what is for information does only where it says to whom.
    pub(super) fn is_asked_for(&self) -> bool {
        let routed = matches!(self.incident.facts.get("routed"), Some(Fact::Flag(true)));
        self.is_ruled() && (routed || self.incident.severity != Severity::Info)
    }

    /// How soon it may be told again, if its rule says so.
    pub(super) fn own_cooldown(&self) -> Option<Span> {
        match self.incident.facts.get("cooldown") {
            Some(Fact::Span(span)) if self.is_ruled() => Some(*span),
            _ => None,
        }
    }
}

/// A sequence that takes long is over when it has not come again for as long, but not longer than this.
const LONGEST_PATIENCE: Span = Span::from_hours(6);

impl Entry {
    /// How long a sequence must not come again to be over: what takes hours comes again after hours.
    pub(super) fn own_patience(&self) -> Span {
        match self.incident.facts.get("window") {
            Some(Fact::Span(span)) if self.is_ruled() && self.incident.facts.contains_key("steps") => {
                (*span).min(LONGEST_PATIENCE)
            }
            _ => Span::ZERO,
        }
    }
}

impl Book {
    /// The places of all open incidents of the users' rules, by their tags.
    pub fn ruled(&self) -> HashMap<u64, Vec<usize>> {
        let mut places: HashMap<u64, Vec<usize>> = HashMap::new();
        for (place, entry) in self.entries.iter().enumerate().filter(|(_, entry)| entry.is_ruled()) {
            if let Some(evidence) = entry.evidence.first() {
                places.entry(evidence.tag).or_default().push(place);
            }
        }
        places
    }

    /// Keeps a line about a rule's group for the daily summary.
    pub fn keep_of_rule(
        &mut self,
        candidate: &Candidate,
        (rule, detector): (&str, &str),
        reason: Reason,
        now: Timestamp,
    ) {
        let mut incident = incident_of(candidate, now);
        rule.clone_into(&mut incident.rule);
        detector.clone_into(&mut incident.detector);
        self.kept.keep(candidate.about, incident, reason, now);
    }

    /// The open incident of a rule on a group.
    pub fn of_rule(&self, rule: &str, tag: u64) -> Option<usize> {
        self.entries.iter().position(|entry| entry.is_of_group(rule, tag))
    }

    /// Opens the incident of a rule on a group (the candidate's tag), or brings it up to date. `detector` is what its
    /// notices name; `active` when it was last seen to go on.
    pub fn rule(
        &mut self,
        candidate: Candidate,
        (rule, detector): (&str, &str),
        now: Timestamp,
        active: Timestamp,
        limit: usize,
    ) {
        if let Some(index) = self.of_rule(rule, candidate.tag) {
            let Some(entry) = self.entries.get_mut(index) else { return };
            if let Some(evidence) = entry.evidence.first_mut() {
                evidence.active_at = evidence.active_at.max(active);
            }
            let impact = candidate.finding.impact;
            entry.take(candidate.finding, candidate.parts, candidate.spread);
            entry.incident.impact = impact;
            rule.clone_into(&mut entry.incident.rule);
            detector.clone_into(&mut entry.incident.detector);
            return;
        }
        let ruled = self.entries.iter().enumerate().filter(|(_, entry)| entry.is_ruled());
        if ruled.clone().count() >= limit
            && let Some((index, _)) = ruled.min_by_key(|(_, e)| (e.is_told(), e.incident.severity, e.last_active()))
        {
            self.entries.swap_remove(index);
        }
        let mut incident = incident_of(&candidate, now);
        incident.id = incident_id(incident.started_at, now, &format!("{rule} {}", candidate.tag), &incident.subject);
        rule.clone_into(&mut incident.rule);
        detector.clone_into(&mut incident.detector);
        let new = Entry::new(incident, &candidate, u8::MAX, now);
        let mut entry = Entry { urgent: true, patient: false, ..new };
        entry.note(&candidate, active);
        self.entries.push(entry);
    }
}
