//! What changes over days: how many come back to a key, and what its days are made of. Looked at when a local day is over.

use crate::detect::{Finding, drift, shared_key};
use crate::engine::Engine;
use crate::event::{Event, Id, Severity, SubjectKind};
use crate::incident::entry::{About, Candidate};
use crate::incident::kept::Reason;
use crate::measure::drift::{Drifts, Kind, Use};
use crate::measure::sharing::Sharings;
use crate::time::{Span, Timestamp};

/// A key whose days changed shape is told of once in this time.
const SAME_CHANGE: Span = Span::from_hours(75);

impl Engine {
    /// Notes what a request of a key was. Keys with a few requests a day have no shape.
    pub(super) fn note_habit(&mut self, event: &Event, day: i64, slot: u32) {
        if !self.settings.drift.enabled || self.keys.get(slot).is_none_or(|row| row.full.is_none()) {
            return;
        }
        let local = event.time + self.settings.zone.offset(event.time);
        let seen = Use {
            time: event.time,
            day,
            hour: local.bucket(Span::HOUR).rem_euclid(24) as usize,
            key: event.key.id,
            route: event.endpoint.id,
            agent: event.agent.id,
        };
        self.drifts.absorb(&seen, Drifts::most_in(self.settings.memory / 32));
    }

    /// Judges days that are over, at a full hour.
    pub(super) fn days_over(&mut self, end: Timestamp) -> Vec<Candidate> {
        let local = end + self.settings.zone.offset(end);
        let day = local.bucket(Span::DAY);
        let mut candidates = Vec::new();
        match self.habits_day.replace(day) {
            Some(known) if day > known => {}
            // The first hour that is judged ends no day.
            _ => return candidates,
        }
        if self.settings.drift.enabled {
            self.drifted(day, end, &mut candidates);
        }
        if self.settings.shared_key.enabled {
            self.shared(day, end, &mut candidates);
        }
        candidates
    }

    fn drifted(&mut self, day: i64, end: Timestamp, candidates: &mut Vec<Candidate>) {
        let days = self.drifts.end_days(day);
        let settings = &self.settings.drift;
        for (day, changed) in drift::judge(&days, settings) {
            // The day of a change is followed by days that are all otherwise: it is the same change.
            let about = About { kind: SubjectKind::Key, id: day.key };
            if self.book.kept.was_weighed(about, drift::NAME, end - SAME_CHANGE) {
                continue;
            }
            let name = |kind: Kind, id: Id| match kind {
                Kind::Routes => self.endpoints.name(id).map(str::to_owned),
                Kind::Agents => self.agents.get(&id).map(ToString::to_string),
                Kind::Hours => None,
            };
            let finding = drift::finding(day, &changed, end, settings, &name);
            candidates.extend(self.habit_candidate(day.key, finding));
        }
    }

    fn shared(&mut self, day: i64, end: Timestamp, candidates: &mut Vec<Candidate>) {
        let most = Sharings::most_in(self.settings.memory / 64);
        let mut told = Vec::new();
        let mut networks = Vec::new();
        for row in self.keys.all() {
            let Some(novelty) = row.novelty.as_deref().filter(|novelty| !novelty.is_public()) else { continue };
            networks.clear();
            novelty.networks_since(end - Span::DAY, &mut networks);
            // The day that is over.
            let Some(sharing) = self.sharings.end_day(row.id, day as i32 - 1, &networks, most) else { continue };
            let growth = sharing.growth();
            if let Some(finding) = shared_key::judge(&growth, end, &self.settings.shared_key) {
                told.push((row.id, finding));
            }
        }
        told.sort_unstable_by_key(|(key, _): &(Id, Finding)| *key);
        let keys = &self.keys;
        self.sharings.forget(|key| keys.row(key).is_some());
        for (key, finding) in told {
            self.sharings.note_told(key, finding.observed as u32);
            candidates.extend(self.habit_candidate(key, finding));
        }
    }

    fn habit_candidate(&self, key: Id, mut finding: Finding) -> Option<Candidate> {
        finding.severity = *self.settings.severities.get(finding.detector).unwrap_or(&finding.severity);
        self.candidate(About { kind: SubjectKind::Key, id: key }, 0, finding, Span::DAY)
    }

    /// What is only worth a line in the daily summary goes there; the rest is placed.
    pub(super) fn place_or_keep(&mut self, candidate: Candidate, now: Timestamp) {
        if candidate.finding.severity == Severity::Info && !self.settings.book.tells_info {
            self.keep(&candidate, Reason::Information, now);
        } else {
            self.place_finding(candidate, now);
        }
    }
}
