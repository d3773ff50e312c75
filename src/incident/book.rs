//! The book of incidents: held, told, told again, resolved.
//!
//! A new incident is held back for a tick before it is told, so that what belongs together is told together; what
//! needs no company (a leaked key, a loop) is told at once. An open one is told again when it became clearly worse, when another kind of
//! harm joined it, or as a reminder after the cooldown, which doubles each time. It ends when every piece of its
//! evidence has been calm for a while.

use std::collections::{BTreeSet, VecDeque};

use serde::{Deserialize, Serialize};

use crate::detect::{budget, harvesting, leaked_key};
use crate::event::{Severity, Subject, SubjectKind};
use crate::incident::allowance::{Allowance, Used};
use crate::incident::entry::{About, Candidate, EVIDENCE_KEPT, Entry, Evidence};
use crate::incident::kept::{Kept, Line, Reason};
use crate::incident::spread::Spread;
use crate::incident::{Again, Change, ChangeKind, Ending, Incident};
use crate::time::{Span, Timestamp};

/// How incidents are told.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Settings {
    /// The first reminder of an incident comes no sooner than this after its opening; later ones ever more rarely.
    pub cooldown: Span,
    /// How long a new incident waits for company before it is told.
    pub hold: Span,
    /// So many subjects of one kind at once are one incident on the site.
    pub group_at: usize,
    /// Open incidents at most; beyond it the least severe, longest calm one gives way.
    pub limit: usize,
    /// How many incidents people want to hear of.
    pub allowance: Allowance,
    /// Whether what is for information is told as a message, and not in the daily summary.
    pub tells_info: bool,
    /// When the daily summary is due, after midnight in the local zone; `None` for never.
    pub summary: Option<Span>,
    /// What an incident must have cost, in the configured currency, to be critical.
    pub critical_cost: f64,
}

impl Default for Settings {
    fn default() -> Self {
        Settings {
            cooldown: Span::from_mins(30),
            hold: Span::from_secs(10),
            group_at: 5,
            limit: 2000,
            allowance: Allowance::default(),
            tells_info: false,
            summary: Some(Span::from_hours(9)),
            critical_cost: 100.0,
        }
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
    /// When it began.
    pub started_at: Timestamp,
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
    /// What is worth a line in the daily summary.
    pub kept: Kept,
    /// What of the alert budget is used up.
    pub used: Used,
}

/// What gave the title to a flood that is over: it is no repeat of a burst, nor is a burst one of it.
pub(super) const FLOODED: &str = "flood";

/// How long the past is kept: four weeks, at most so many.
const PAST_KEPT: usize = 4096;

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
        self.entries.iter().position(|e| {
            let member = || e.group && e.evidence.iter().any(|v| v.about == about);
            !e.is_apart() && (e.about == about || member() || e.has_been_on(about))
        })
    }

    /// Whether what this detector finds of this subject is part of an open incident that was told, or is one line of the
    /// summary.
    pub fn is_settled(&self, detector: &str, about: About, tag: u64) -> bool {
        let is_it = |v: &Evidence| v.about == about && v.tag == tag && v.detector == detector;
        self.entries.iter().any(|e| (e.is_told() || e.withheld) && e.evidence.iter().any(is_it))
    }

    /// Adds a finding to an open incident on the same subject.
    pub fn join(&mut self, index: usize, candidate: Candidate, now: Timestamp, rank: u8) {
        let Some(entry) = self.entries.get_mut(index) else { return };
        entry.note(&candidate, now);
        let same_subject = entry.about == candidate.about;
        // Who was waited for has spoken.
        entry.patient &= !same_subject || candidate.patient;
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

    /// Gives an incident the subject that explains it better; people who know it under the other one are told again.
    pub fn sharpen(&mut self, index: usize, candidate: Candidate, now: Timestamp, rank: u8) {
        let Some(entry) = self.entries.get_mut(index) else { return };
        let old = entry.incident.subject.clone();
        let detector = entry.incident.detector.clone();
        entry.note(&candidate, now);
        entry.about = candidate.about;
        entry.rank = rank;
        // Those that it waited for have spoken.
        entry.patient = candidate.patient;
        entry.urgent |= candidate.urgent;
        entry.incident.subject = Subject::new(candidate.about.kind, candidate.name);
        entry.incident.history = candidate.history;
        entry.take(candidate.finding, candidate.parts, candidate.spread);
        entry.mention(&detector, &old);
        entry.new_harm |= entry.is_told();
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

    /// Whether the incident waits for company before anybody hears of it.
    pub fn is_waiting(&self, index: usize) -> bool {
        self.entries.get(index).is_some_and(|e| e.told.is_none() && !e.withheld)
    }

    /// Whether the incident has not been told yet.
    pub fn is_held(&self, index: usize) -> bool {
        self.entries.get(index).is_some_and(|e| e.told.is_none())
    }

    /// Opens an incident. It is told by [`Book::tick`] once it has waited for company, or at once if urgent.
    pub fn open(&mut self, candidate: &Candidate, now: Timestamp, rank: u8, settings: &Settings) {
        let others = self.entries.iter().enumerate().filter(|(_, e)| !e.is_apart());
        if others.clone().count() >= settings.limit {
            let least = others.min_by_key(|(_, e)| (e.incident.severity, e.last_active()));
            if let Some((index, _)) = least.filter(|(_, e)| e.incident.severity <= candidate.finding.severity) {
                self.entries.swap_remove(index);
            } else {
                return;
            }
        }
        let finding = &candidate.finding;
        let mut entry = Entry::new(incident_of(candidate, now), candidate, rank, now);
        if entry.usual_total == 0.0 {
            entry.usual_total = finding.expected * (now - finding.started_at).mins_f64();
        }
        entry.weigh_cost(settings);
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
        // Who collects is found later than who is loud.
        let lasting = Span::from_hours(if candidate.finding.detector == harvesting::NAME { 4 } else { 2 });
        self.past.iter().any(|past| {
            past.about == candidate.about
                && past.detector == candidate.finding.detector
                && now - past.ended_at < Span::from_days(28)
                && candidate.finding.observed < 1.5 * past.peak
                && now - candidate.finding.started_at < lasting
        })
    }

    /// Keeps a finding for the daily summary.
    pub fn keep(&mut self, candidate: &Candidate, reason: Reason, now: Timestamp) {
        self.kept.keep(candidate.about, incident_of(candidate, now), reason, now);
    }

    /// Tells what is due at `now`: openings, updates, resolutions.
    pub fn tick(&mut self, now: Timestamp, settings: &Settings, telling: Telling, out: &mut Vec<Change>) {
        let mut index = 0;
        while index < self.entries.len() {
            self.entries[index].weigh_cost(settings);
            if telling == Telling::AtOnce {
                if self.entries[index].is_ripe(now, settings) {
                    self.open_or_withhold(index, now, settings, out);
                } else if let Some(again) = self.entries[index].again(now, settings) {
                    let entry = &mut self.entries[index];
                    let reminders = entry.told.map_or(0, |t| t.reminders) + u32::from(again == Again::Reminder);
                    entry.tell(now, reminders);
                    out.push(Change { kind: ChangeKind::Updated(again), incident: entry.incident.clone(), at: now });
                }
            }
            if !self.entries[index].is_over(now) {
                index += 1;
                continue;
            }
            if telling == Telling::Newest && self.entries[index].is_ripe(now, settings) {
                // It began and ended in what was read late: told now, with all that is known of it.
                self.open_or_withhold(index, now, settings, out);
            }
            let mut entry = self.entries.remove(index);
            let ended_at = entry.last_active().max(entry.incident.started_at);
            if entry.told.is_some() {
                entry.close(ended_at);
                out.push(Change {
                    kind: ChangeKind::Resolved(Ending::Calm),
                    incident: entry.incident.clone(),
                    at: now,
                });
                self.remember(entry, ended_at);
            } else if entry.withheld {
                entry.close(ended_at);
                let informs = entry.incident.severity == Severity::Info && !settings.tells_info;
                let reason = if informs { Reason::Information } else { Reason::Budget };
                self.kept.keep(entry.about, entry.incident.clone(), reason, now);
                self.remember(entry, ended_at);
            } else if telling == Telling::Nothing && !entry.is_apart() {
                self.untold = (self.untold.0 + 1, Some(ended_at));
                self.remember(entry, ended_at);
            }
        }
    }

    /// Tells an opening if the alert budget lets it through; else it is a line of the daily summary until there is room,
    /// or until it outweighs what was told.
    fn open_or_withhold(&mut self, index: usize, now: Timestamp, settings: &Settings, out: &mut Vec<Change>) {
        let Some(entry) = self.entries.get_mut(index) else { return };
        let always = is_always_told(entry);
        let informs = entry.incident.severity == Severity::Info && !settings.tells_info && !always;
        if informs || !(always || self.used.admit(entry.weight(), now, &settings.allowance)) {
            if !entry.withheld {
                entry.withheld = true;
                entry.incident.detected_at = now;
                let reason = if informs { Reason::Information } else { Reason::Budget };
                self.kept.keep(entry.about, entry.incident.clone(), reason, now);
            }
            return;
        }
        if !entry.withheld {
            entry.incident.detected_at = now;
        }
        entry.withheld = false;
        entry.tell(now, 0);
        self.opened += 1;
        self.kept.drop_line(entry.about, &entry.incident.detector);
        if !entry.is_apart() {
            self.kept.weighed(entry.about, &entry.incident, None, always, now);
        }
        out.push(Change { kind: ChangeKind::Opened, incident: entry.incident.clone(), at: now });
    }

    /// The daily summary, where it is due: a change a line.
    pub fn sum_up(&mut self, now: Timestamp, local: Timestamp, settings: &Settings, out: &mut Vec<Change>) {
        let Some(after) = settings.summary else { return };
        let day = local.bucket(Span::DAY);
        let lines = self.kept.sum_up(day, local - local.floor(Span::DAY), after);
        let change = |line: Line| Change { kind: ChangeKind::Kept(line.reason), incident: line.incident, at: now };
        out.extend(lines.into_iter().map(change));
    }

    fn remember(&mut self, entry: Entry, ended_at: Timestamp) {
        if entry.is_apart() {
            return;
        }
        while self.past.len() >= PAST_KEPT
            || self.past.front().is_some_and(|p| ended_at - p.ended_at > Span::from_days(28))
        {
            self.past.pop_front();
        }
        let touched: BTreeSet<About> = entry.evidence.iter().map(|v| v.about).collect();
        self.past.push_back(Past {
            about: entry.about,
            touched: touched.into_iter().collect(),
            detector: if entry.is_flood() { FLOODED.to_owned() } else { entry.incident.detector },
            excess: entry.evidence.iter().map(|v| v.excess).fold(0.0, f64::max),
            spread: entry.spread,
            started_at: entry.incident.started_at,
            ended_at,
            peak: entry.incident.peak,
        });
    }
}

/// The incident that a finding would be.
pub(super) fn incident_of(candidate: &Candidate, now: Timestamp) -> Incident {
    let subject = Subject::new(candidate.about.kind, candidate.name.clone());
    let finding = &candidate.finding;
    Incident {
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
        grounds: finding.grounds.clone(),
    }
}

/// Told whatever else is going on: what is critical, leaked keys, and the limits that people set themselves.
fn is_always_told(entry: &Entry) -> bool {
    entry.incident.severity == Severity::Critical
        || matches!(entry.incident.detector.as_str(), leaked_key::NAME | budget::NAME)
        || entry.is_asked_for()
}

/// 26 characters in Crockford's base 32, sortable by start: 48 bits of milliseconds and 80 bits made from when and how
/// the incident was found, so that the same lines give the same id.
pub(super) fn incident_id(started_at: Timestamp, now: Timestamp, detector: &str, subject: &Subject) -> String {
    const DIGITS: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";
    let hasher = crate::event::Hasher::new(0x1a9f_7a55_0d5e_ed01);
    let text = format!("{detector}\n{subject}\n{}\n{}", started_at.millis(), now.millis());
    let (high, low) = (hasher.id(text.as_bytes()).0, hasher.id(format!("{text}\n2").as_bytes()).0);
    let random = (u128::from(high) << 64 | u128::from(low)) & ((1 << 80) - 1);
    let value = (u128::from(started_at.millis().max(0) as u64 & ((1 << 48) - 1)) << 80) | random;
    (0..26).rev().map(|i| DIGITS[(value >> (5 * i)) as usize & 31] as char).collect()
}
