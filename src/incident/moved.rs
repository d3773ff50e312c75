//! An incident that moves: the same doing from one address after another stays one incident.
//!
//! Whoever is locked out changes the address and goes on. The new address is a stranger, begins when the old one falls
//! silent, calls the same endpoint with the same agent. What it does belongs to the open incident, whose subject it
//! becomes; people are told that it moved, and hear of its end once.

use crate::detect::Fact;
use crate::event::{Id, Subject, SubjectKind};
use crate::incident::Part;
use crate::incident::book::Book;
use crate::incident::entry::{About, Candidate, Entry};
use crate::time::Timestamp;

/// The fact that says that an incident has moved since it was last told.
const MOVED: &str = "changed_address";
/// The fact that says how many requests were made from the addresses before this one.
const BEFORE: &str = "requests_before";
/// Least share of what either does that must be on the same endpoint with the same agent.
const ALIKE: f64 = 0.5;

impl Entry {
    /// Whether it was on this address before it moved on.
    pub(super) fn has_been_on(&self, about: About) -> bool {
        let both = self.about.kind == SubjectKind::Client && about.kind == SubjectKind::Client;
        both && !self.group && self.evidence.iter().any(|evidence| evidence.about == about)
    }

    /// Requests from the addresses that it was on before.
    pub(super) fn requests_before(&self) -> u64 {
        match self.incident.facts.get(BEFORE) {
            Some(Fact::Count(requests)) => *requests,
            _ => 0,
        }
    }

    /// Whether it has moved since it was last told.
    pub(super) fn is_on_the_move(&self) -> bool {
        self.incident.facts.contains_key(MOVED)
    }

    /// Notes that people know where it is now.
    pub(super) fn settle_down(&mut self) {
        self.incident.facts.remove(MOVED);
    }

    /// Whether a stranger does what this incident's address did: the same endpoint with the same agent.
    pub fn is_like(&self, candidate: &Candidate) -> bool {
        let both = self.about.kind == SubjectKind::Client && candidate.about.kind == SubjectKind::Client;
        if !both || self.group || self.is_apart() || self.about == candidate.about {
            return false;
        }
        // The largest part: that of one address is nearly all.
        let endpoint = |parts: &[(Id, f64)]| parts.first().filter(|p| p.1 >= ALIKE).map(|p| p.0);
        let agent = |parts: &[Part]| parts.first().filter(|part| part.share >= ALIKE).map(|part| part.name.clone());
        let there = endpoint(&self.spread.endpoints);
        let with = agent(&self.incident.parts.user_agents);
        there.is_some()
            && there == endpoint(&candidate.spread.endpoints)
            && with.is_some()
            && with == agent(&candidate.parts.user_agents)
    }
}

impl Book {
    /// Makes the address of a candidate the subject of an incident that was on another one.
    pub fn hand_over(&mut self, index: usize, candidate: Candidate, now: Timestamp, rank: u8) {
        let Some(entry) = self.entries.get_mut(index) else { return };
        let (old, detector) = (entry.incident.subject.clone(), entry.incident.detector.clone());
        entry.about = candidate.about;
        entry.note(&candidate, now);
        entry.mention(&detector, &old);
        let told = entry.is_told();
        entry.incident.facts.insert(BEFORE.into(), Fact::Count(entry.incident.impact.requests));
        entry.rank = rank;
        entry.patient = false;
        entry.incident.subject = Subject::new(candidate.about.kind, candidate.name);
        entry.incident.history = candidate.history;
        entry.take(candidate.finding, candidate.parts, candidate.spread);
        if told {
            entry.incident.facts.insert(MOVED.into(), Fact::Flag(true));
        }
    }
}
