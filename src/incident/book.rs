//! The book of incidents: held, told, told again, resolved.
//!
//! A new incident is held back for two ticks before it is told, so that what belongs together is told together; what
//! needs no company (a leaked key, a loop) is told at once. An open one is told again when it became clearly worse, when another kind of
//! harm joined it, or as a reminder after the cooldown, which doubles each time. It ends when every piece of its
//! evidence has been calm for a while.

use std::collections::{BTreeSet, VecDeque};

use serde::{Deserialize, Serialize};

use crate::detect::{Finding, Impact, Trend};
use crate::event::{Id, Severity, Subject, SubjectKind};
use crate::incident::{Again, Change, ChangeKind, Ending, Incident, Where};
use crate::time::{Span, Timestamp};

/// How incidents are told.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Settings {
    /// The first reminder of an incident comes no sooner than this after its opening; later ones ever more rarely.
    pub cooldown: Span,
    /// How long a new incident waits for company before it is told.
    pub hold: Span,
    /// So many subjects of one kind at once are one incident on the site.
    pub group_at: usize,
    /// Open incidents at most; beyond it the least severe, longest calm one gives way.
    pub limit: usize,
}

impl Default for Settings {
    fn default() -> Self {
        Settings { cooldown: Span::from_mins(30), hold: Span::from_secs(20), group_at: 5, limit: 2000 }
    }
}

/// How the book tells what is due.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Telling {
    /// At once: the present.
    AtOnce,
    /// What is read late: openings and updates are held until the present is reached, so that each incident is told
    /// once, as it is by then and with `detected_at` when it is told. What ends before is told, its opening first.
    Newest,
    /// History that nobody asked about: what ends is counted, and what is open stays held until this is over.
    Nothing,
}

/// Something a finding was made on.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub struct About {
    /// What kind of thing.
    pub kind: SubjectKind,
    /// Its id.
    pub id: Id,
}

/// One reason for an incident: a detector that found something on a subject.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Evidence {
    /// Which detector.
    pub detector: String,
    /// On what.
    pub about: About,
    /// Which of several things the detector tells apart on one subject: a class of errors, a repeated request.
    pub tag: u64,
    /// When it was last seen to go on.
    pub active_at: Timestamp,
    /// Requests beyond the usual.
    pub excess: f64,
}

/// Shares of an incident's requests by id, as far as known: what it explains elsewhere.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
#[allow(missing_docs)]
pub struct Spread {
    pub keys: Vec<(Id, f64)>,
    pub endpoints: Vec<(Id, f64)>,
    pub clients: Vec<(Id, f64)>,
}

/// A finding on its way into the book, with everything that only the engine can know about it.
#[derive(Clone, Debug)]
pub struct Candidate {
    /// On what.
    pub about: About,
    /// The subject's name.
    pub name: String,
    /// See [`Evidence::tag`].
    pub tag: u64,
    /// What was found.
    pub finding: Finding,
    /// Names and shares of what it is made of.
    pub parts: Where,
    /// The same by id.
    pub spread: Spread,
    /// How long the subject has been watched.
    pub history: Span,
    /// The window that spoke: what lies before a resolution inside it is no news.
    pub window: Span,
    /// Told at once, without waiting for company.
    pub urgent: bool,
    /// A few callers make it, who are about to be found out: waits for them.
    pub patient: bool,
}

/// An incident as the book keeps it.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Entry {
    /// What is told of it.
    pub incident: Incident,
    /// On what it is.
    pub about: About,
    /// Why it is there.
    pub evidence: Vec<Evidence>,
    /// What it explains elsewhere.
    pub spread: Spread,
    /// Rank of the detector that gives the title; smaller wins.
    pub(super) rank: u8,
    /// When it came into the book.
    pub(super) entered_at: Timestamp,
    /// Whether its opening has been told, and how it was then.
    pub(super) told: Option<Told>,
    /// Whether it may be told before its time.
    pub(super) urgent: bool,
    /// Waits three times as long for company.
    patient: bool,
    /// Several subjects in one incident.
    pub(super) group: bool,
    /// New harm joined it since it was last told.
    pub(super) new_harm: bool,
    /// Requests that would have been usual since the start, as far as counted along.
    usual_total: f64,
}

#[derive(Clone, Copy, PartialEq, Debug, Serialize, Deserialize)]
pub(super) struct Told {
    at: Timestamp,
    peak: f64,
    severity: Severity,
    reminders: u32,
}

/// An incident that is over, for as long as it explains what windows still see of it.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Past {
    /// On what it was.
    pub about: About,
    /// Subjects it touched.
    pub touched: Vec<About>,
    /// Which detector gave the title.
    pub detector: String,
    /// Requests beyond the usual, in all.
    pub excess: f64,
    /// What it explains elsewhere.
    pub spread: Spread,
    /// When it ended.
    pub ended_at: Timestamp,
    /// Its largest `observed`.
    pub peak: f64,
}

/// All incidents.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
pub struct Book {
    pub(super) entries: Vec<Entry>,
    past: VecDeque<Past>,
    /// Incidents opened in all.
    pub opened: u64,
    /// Incidents that began and ended while the book was quiet, and when the last of them ended.
    pub untold: (u64, Option<Timestamp>),
    /// Findings kept for the digest because the same thing was told within four weeks.
    pub repeated: u64,
}

/// How long the past is kept: four weeks, at most so many.
const PAST_KEPT: usize = 4096;
/// Evidence kept of one incident.
const EVIDENCE_KEPT: usize = 1024;

impl Book {
    /// Open incidents, held ones included.
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// Open incidents, to refresh their numbers.
    pub fn entries_mut(&mut self) -> &mut [Entry] {
        &mut self.entries
    }

    /// Incidents that are over.
    pub fn past(&self) -> impl Iterator<Item = &Past> {
        self.past.iter()
    }

    /// The open incident on this very subject.
    pub fn on(&self, about: About) -> Option<usize> {
        self.entries.iter().position(|e| e.about == about || (e.group && e.evidence.iter().any(|v| v.about == about)))
    }

    /// Adds a finding to an open incident on the same subject.
    pub fn join(&mut self, index: usize, candidate: Candidate, now: Timestamp, rank: u8) {
        let Some(entry) = self.entries.get_mut(index) else { return };
        entry.note(&candidate, now);
        let same_subject = entry.about == candidate.about;
        let finding = candidate.finding;
        if same_subject && (rank < entry.rank || (rank == entry.rank && finding.detector == entry.incident.detector)) {
            if rank < entry.rank {
                // Told before under a lesser name: the better explanation is news.
                entry.new_harm |= entry.told.is_some();
                entry.incident.also.push(format!("{} {}", entry.incident.detector, entry.incident.subject));
                entry.incident.started_at = entry.incident.started_at.min(finding.started_at);
                entry.incident.peak = finding.observed;
            }
            entry.rank = rank;
            entry.take(finding, candidate.parts, candidate.spread);
        } else if same_subject {
            if finding.detector != entry.incident.detector {
                entry.mention(finding.detector, &Subject::new(candidate.about.kind, candidate.name));
            }
            entry.incident.severity = entry.incident.severity.max(finding.severity);
        } else {
            entry.mention(finding.detector, &Subject::new(candidate.about.kind, candidate.name));
        }
        entry.urgent |= candidate.urgent;
    }

    /// Gives a held incident the more specific subject that explains it.
    pub fn sharpen(&mut self, index: usize, candidate: Candidate, now: Timestamp, rank: u8) {
        let Some(entry) = self.entries.get_mut(index) else { return };
        let old = entry.incident.subject.clone();
        let detector = entry.incident.detector.clone();
        entry.note(&candidate, now);
        entry.about = candidate.about;
        entry.rank = rank;
        entry.urgent |= candidate.urgent;
        entry.incident.subject = Subject::new(candidate.about.kind, candidate.name);
        entry.incident.history = candidate.history;
        entry.take(candidate.finding, candidate.parts, candidate.spread);
        entry.mention(&detector, &old);
    }

    /// Makes the held incident at `index` a part of the one at `cause`.
    pub fn merge(&mut self, index: usize, cause: usize) {
        let part = self.entries.remove(index);
        let cause = if cause > index { cause - 1 } else { cause };
        let Some(entry) = self.entries.get_mut(cause) else { return };
        entry.mention(&part.incident.detector, &part.incident.subject);
        for also in part.incident.also {
            if entry.incident.also.len() < 8 && !entry.incident.also.contains(&also) {
                entry.incident.also.push(also);
            }
        }
        let room = EVIDENCE_KEPT.saturating_sub(entry.evidence.len());
        entry.evidence.extend(part.evidence.into_iter().take(room));
    }

    /// Whether the incident has not been told yet.
    pub fn is_held(&self, index: usize) -> bool {
        self.entries.get(index).is_some_and(|e| e.told.is_none())
    }

    /// Opens an incident. It is told by [`Book::tick`] once it has waited for company, or at once if urgent.
    pub fn open(&mut self, candidate: &Candidate, now: Timestamp, rank: u8, settings: &Settings) {
        if self.entries.len() >= settings.limit {
            let least = self.entries.iter().enumerate().min_by_key(|(_, e)| (e.incident.severity, e.last_active()));
            if let Some((index, _)) = least.filter(|(_, e)| e.incident.severity <= candidate.finding.severity) {
                self.entries.swap_remove(index);
            } else {
                return;
            }
        }
        let subject = Subject::new(candidate.about.kind, candidate.name.clone());
        let finding = &candidate.finding;
        let incident = Incident {
            id: incident_id(finding.started_at, now, finding.detector, &subject),
            detector: finding.detector.to_owned(),
            rule: finding.detector.to_owned(),
            severity: finding.severity,
            subject,
            started_at: finding.started_at,
            detected_at: now,
            ended_at: None,
            observed: finding.observed,
            expected: finding.expected,
            peak: finding.observed,
            unit: finding.unit.to_owned(),
            trend: finding.trend,
            impact: finding.impact,
            parts: candidate.parts.clone(),
            facts: finding.facts.clone(),
            also: Vec::new(),
            history: candidate.history,
        };
        let mut entry = Entry {
            incident,
            about: candidate.about,
            evidence: Vec::new(),
            spread: candidate.spread.clone(),
            rank,
            entered_at: now,
            told: None,
            urgent: candidate.urgent,
            patient: candidate.patient,
            group: false,
            new_harm: false,
            usual_total: finding.expected * (now - finding.started_at).mins_f64(),
        };
        entry.note(candidate, now);
        self.entries.push(entry);
    }

    /// Held incidents that have waited long enough, by index.
    pub(super) fn ripe(&self, now: Timestamp, settings: &Settings) -> Vec<usize> {
        (0..self.entries.len()).filter(|&i| self.entries[i].is_ripe(now, settings)).collect()
    }

    /// The open group of this detector on this kind of subject.
    pub fn group_of(&self, detector: &str, kind: SubjectKind) -> Option<usize> {
        self.entries.iter().position(|e| {
            e.group && e.incident.detector == detector && e.evidence.first().is_some_and(|v| v.about.kind == kind)
        })
    }

    /// Whether a finding repeats what was told within four weeks and is not clearly larger: a line for the digest.
    pub fn is_repeat(&self, candidate: &Candidate, now: Timestamp) -> bool {
        self.past.iter().any(|past| {
            past.about == candidate.about
                && past.detector == candidate.finding.detector
                && now - past.ended_at < Span::from_days(28)
                && candidate.finding.observed < 1.5 * past.peak
                && now - candidate.finding.started_at < Span::from_hours(2)
        })
    }

    /// Tells what is due at `now`: openings, updates, resolutions.
    pub fn tick(&mut self, now: Timestamp, settings: &Settings, telling: Telling, out: &mut Vec<Change>) {
        let mut index = 0;
        while index < self.entries.len() {
            let entry = &mut self.entries[index];
            if telling != Telling::AtOnce {
                // Held until the past is read.
            } else if entry.told.is_none() && entry.is_ripe(now, settings) {
                entry.incident.detected_at = now;
                entry.tell(now, 0);
                self.opened += 1;
                out.push(Change { kind: ChangeKind::Opened, incident: entry.incident.clone(), at: now });
            } else if let Some(again) = entry.again(now, settings) {
                let reminders = entry.told.map_or(0, |t| t.reminders) + u32::from(again == Again::Reminder);
                entry.tell(now, reminders);
                out.push(Change { kind: ChangeKind::Updated(again), incident: entry.incident.clone(), at: now });
            }
            if !entry.is_over(now) {
                index += 1;
                continue;
            }
            let mut entry = self.entries.remove(index);
            let ended_at = entry.last_active().max(entry.incident.started_at);
            if telling == Telling::Newest && entry.is_ripe(now, settings) {
                // It began and ended in what was read late: told now, with all that is known of it.
                entry.incident.detected_at = now;
                entry.tell(now, 0);
                self.opened += 1;
                out.push(Change { kind: ChangeKind::Opened, incident: entry.incident.clone(), at: now });
            }
            if entry.told.is_some() {
                entry.close(ended_at);
                out.push(Change {
                    kind: ChangeKind::Resolved(Ending::Calm),
                    incident: entry.incident.clone(),
                    at: now,
                });
                self.remember(entry, ended_at);
            } else if telling == Telling::Nothing {
                self.untold = (self.untold.0 + 1, Some(ended_at));
                self.remember(entry, ended_at);
            }
        }
    }

    fn remember(&mut self, entry: Entry, ended_at: Timestamp) {
        while self.past.len() >= PAST_KEPT
            || self.past.front().is_some_and(|p| ended_at - p.ended_at > Span::from_days(28))
        {
            self.past.pop_front();
        }
        let touched: BTreeSet<About> = entry.evidence.iter().map(|v| v.about).collect();
        self.past.push_back(Past {
            about: entry.about,
            touched: touched.into_iter().collect(),
            detector: entry.incident.detector,
            excess: entry.evidence.iter().map(|v| v.excess).fold(0.0, f64::max),
            spread: entry.spread,
            ended_at,
            peak: entry.incident.peak,
        });
    }
}

impl Entry {
    /// When any of its evidence was last seen to go on.
    pub fn last_active(&self) -> Timestamp {
        self.evidence.iter().map(|v| v.active_at).max().unwrap_or(self.entered_at)
    }

    /// Requests beyond the usual that it stands for.
    pub fn excess(&self) -> f64 {
        if self.group {
            self.evidence.iter().map(|v| v.excess).sum()
        } else {
            self.evidence.iter().filter(|v| v.about == self.about).map(|v| v.excess).fold(0.0, f64::max)
        }
    }

    /// Whether several subjects are in it.
    pub fn is_group(&self) -> bool {
        self.group
    }

    /// Refreshes numbers and words from a finding of the detector that gives the title.
    pub fn take(&mut self, finding: Finding, parts: Where, spread: Spread) {
        let incident = &mut self.incident;
        incident.detector = finding.detector.to_owned();
        incident.rule = finding.detector.to_owned();
        incident.severity = incident.severity.max(finding.severity);
        incident.observed = finding.observed;
        incident.expected = finding.expected;
        incident.unit = finding.unit.to_owned();
        incident.peak = incident.peak.max(finding.observed);
        incident.trend = finding.trend;
        incident.impact = larger(incident.impact, finding.impact);
        incident.facts.extend(finding.facts);
        if self.told.is_none() {
            incident.started_at = incident.started_at.min(finding.started_at);
        }
        if parts != Where::default() {
            incident.parts = parts;
            self.spread = spread;
        }
    }

    /// Whether its opening has been told.
    pub fn is_told(&self) -> bool {
        self.told.is_some()
    }

    /// Counts along what an open incident of rates does in one tick.
    pub fn count(&mut self, requests: u64, errors: u64, usual: f64) {
        self.incident.impact.requests += requests;
        self.incident.impact.errors += errors;
        self.usual_total += usual;
    }

    /// The numbers at the end: over the whole length, where they are rates of requests.
    fn close(&mut self, ended_at: Timestamp) {
        let incident = &mut self.incident;
        incident.ended_at = Some(ended_at);
        incident.trend = Trend::Falling;
        let minutes = (ended_at - incident.started_at).mins_f64().max(1.0);
        if incident.detector == crate::detect::burst::NAME {
            incident.observed = incident.impact.requests as f64 / minutes;
            incident.expected = self.usual_total / minutes;
        }
    }

    fn note(&mut self, candidate: &Candidate, now: Timestamp) {
        let finding = &candidate.finding;
        let known = self
            .evidence
            .iter_mut()
            .find(|v| v.about == candidate.about && v.detector == finding.detector && v.tag == candidate.tag);
        if let Some(known) = known {
            // Whether it goes on is asked on every tick: a long window alone does not say so.
            known.excess = known.excess.max(finding.excess);
        } else if self.evidence.len() < EVIDENCE_KEPT {
            let active_at = if self.about == candidate.about { now } else { self.last_active() };
            self.evidence.push(Evidence {
                detector: finding.detector.to_owned(),
                about: candidate.about,
                tag: candidate.tag,
                active_at,
                excess: finding.excess,
            });
        }
    }

    fn mention(&mut self, detector: &str, subject: &Subject) {
        let text = format!("{detector} {subject}");
        if self.incident.also.len() < 8 && !self.incident.also.contains(&text) {
            self.incident.also.push(text);
        }
    }

    fn is_ripe(&self, now: Timestamp, settings: &Settings) -> bool {
        let hold = settings.hold.times(if self.patient { 3 } else { 1 });
        self.told.is_none() && (self.urgent || now - self.entered_at >= hold)
    }

    fn tell(&mut self, now: Timestamp, reminders: u32) {
        self.told = Some(Told { at: now, peak: self.incident.peak, severity: self.incident.severity, reminders });
        self.new_harm = false;
    }

    fn again(&self, now: Timestamp, settings: &Settings) -> Option<Again> {
        let told = self.told?;
        let since = now - told.at;
        // Nothing is told of what has gone quiet and waits to be resolved.
        if now - self.last_active() > Span::MINUTE || since < Span::MINUTE {
            return None;
        }
        if self.incident.severity > told.severity {
            return Some(Again::Worse);
        }
        if self.new_harm {
            return Some(Again::NewHarm);
        }
        let worse = self.incident.peak / told.peak.max(1e-9);
        if worse >= 10.0 || (worse >= 2.0 && since >= Span::from_mins(15)) {
            return Some(Again::Worse);
        }
        // 30 minutes, then an hour, two, four, and every six hours: an incident of a day is told about eight times.
        let wait = settings.cooldown.times(1 << told.reminders.min(8)).min(Span::from_hours(6).max(settings.cooldown));
        (since >= wait).then_some(Again::Reminder)
    }

    /// Over when calm for a fifth of its length, between 5 and 30 minutes; each detector's own idea of "going on" keeps
    /// `active_at` moving until then.
    fn is_over(&self, now: Timestamp) -> bool {
        let active = self.last_active();
        let length = (active - self.incident.started_at).max(Span::ZERO);
        let patience = length.scale(0.2).max(Span::from_mins(5)).min(Span::from_mins(30));
        now - active >= patience
    }
}

fn larger(a: Impact, b: Impact) -> Impact {
    Impact {
        requests: a.requests.max(b.requests),
        errors: a.errors.max(b.errors),
        cost: match (a.cost, b.cost) {
            (Some(a), Some(b)) => Some(a.max(b)),
            (a, b) => a.or(b),
        },
    }
}

/// 26 characters in Crockford's base 32, sortable by start: 48 bits of milliseconds and 80 bits made from when and how
/// the incident was found, so that the same lines give the same id.
fn incident_id(started_at: Timestamp, now: Timestamp, detector: &str, subject: &Subject) -> String {
    const DIGITS: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";
    let hasher = crate::event::Hasher::new(0x1a9f_7a55_0d5e_ed01);
    let text = format!("{detector}\n{subject}\n{}\n{}", started_at.millis(), now.millis());
    let (high, low) = (hasher.id(text.as_bytes()).0, hasher.id(format!("{text}\n2").as_bytes()).0);
    let random = (u128::from(high) << 64 | u128::from(low)) & ((1 << 80) - 1);
    let value = (u128::from(started_at.millis().max(0) as u64 & ((1 << 48) - 1)) << 80) | random;
    (0..26).rev().map(|i| DIGITS[(value >> (5 * i)) as usize & 31] as char).collect()
}
