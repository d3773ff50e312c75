//! One incident as the book keeps it: what is told of it, why it is there, and how it was last told.

use serde::{Deserialize, Serialize};
use smallvec::SmallVec;

use crate::detect::grounds::Grounds;
use crate::detect::{Fact, Finding, Impact, Trend, burst, traffic_drop};
use crate::event::{Id, Severity, Subject, SubjectKind};
use crate::incident::allowance::Weight;
use crate::incident::apart::GRACE;
use crate::incident::book::Settings;
use crate::incident::kept::weight_of;
use crate::incident::spread::Spread;
use crate::incident::{Again, Incident, Where};
use crate::time::{Span, Timestamp};

/// How long the silence of a part waits for that of the whole.
const WHOLE: Span = Span::from_mins(2);
/// What was counted since the beginning: the windows behind it forget, what was told does not become less.
const TOTALS: [&str; 5] = ["resources", "failed_logins", "logins", "succeeded", "browser_networks"];
/// What happened once has happened.
const ONCE: &str = "got_in";
/// Lines of a user's rule below which it is not told again that there are more.
const FEW: u64 = 10;
/// Evidence kept of one incident.
pub(super) const EVIDENCE_KEPT: usize = 1024;

/// Marks the evidence of a flood of unknown keys ([`Evidence::tag`]) among what is known of the site.
pub const FLOOD: u64 = 0xF100D;

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
    pub(super) patient: bool,
    /// Several subjects in one incident.
    pub(super) group: bool,
    /// New harm joined it since it was last told.
    pub(super) new_harm: bool,
    /// Requests that would have been usual since the start, as far as counted along.
    pub(super) usual_total: f64,
    /// More is going on than the alert budget lets through.
    pub(super) withheld: bool,
}

#[derive(Clone, Copy, PartialEq, Debug, Serialize, Deserialize)]
pub(super) struct Told {
    at: Timestamp,
    peak: f64,
    severity: Severity,
    pub(super) reminders: u32,
}

impl Entry {
    /// Of an incident that a candidate opens at `now`; no evidence is noted yet.
    pub(super) fn new(incident: Incident, candidate: &Candidate, rank: u8, now: Timestamp) -> Entry {
        let missing = incident.facts.get("missing").filter(|_| incident.detector == traffic_drop::NAME);
        let usual_total = match missing {
            Some(Fact::Count(missing)) => (*missing + incident.impact.requests) as f64,
            _ => 0.0,
        };
        Entry {
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
            usual_total,
            withheld: false,
        }
    }

    /// When any of its evidence was last seen to go on.
    pub fn last_active(&self) -> Timestamp {
        self.evidence.iter().map(|v| v.active_at).max().unwrap_or(self.entered_at)
    }

    /// Requests beyond the usual that it stands for.
    pub fn excess(&self) -> f64 {
        if self.group {
            self.evidence.iter().map(|v| v.excess).sum()
        } else {
            let most = |about| self.evidence.iter().filter(|v| v.about == about).map(|v| v.excess).fold(0.0, f64::max);
            // From where it was before, and where it is.
            let mut before: SmallVec<[About; 4]> = self.evidence.iter().map(|v| v.about).collect();
            before.retain(|about| *about != self.about && self.has_been_on(*about));
            before.sort_unstable();
            before.dedup();
            most(self.about) + before.into_iter().map(most).sum::<f64>()
        }
    }

    /// What it stands for grows while it lasts: what shows itself later through longer windows is measured against that.
    pub fn outgrow(&mut self, excess: f64) {
        let Entry { evidence, about, incident, .. } = self;
        for own in evidence.iter_mut().filter(|v| v.about == *about && v.detector == incident.detector) {
            own.excess = own.excess.max(excess);
        }
    }

    /// Whether a flood of unknown keys is all that is odd about the site. What new keys do is taken out of other findings by
    /// count; what others do beside them has causes of its own.
    pub fn is_flood(&self) -> bool {
        let mut bursts = self.evidence.iter().filter(|v| v.about == self.about && v.detector == burst::NAME).peekable();
        bursts.peek().is_some() && bursts.all(|v| v.tag == FLOOD)
    }

    /// Whether several subjects are in it.
    pub fn is_group(&self) -> bool {
        self.group
    }

    /// Refreshes numbers and words from a finding of the detector that gives the title.
    pub fn take(&mut self, mut finding: Finding, parts: Where, spread: Spread) {
        finding.impact.requests += self.requests_before();
        let before = self.incident.impact.requests;
        let incident = &mut self.incident;
        let same = incident.detector == finding.detector;
        incident.detector = finding.detector.to_owned();
        incident.rule = finding.detector.to_owned();
        incident.severity = incident.severity.max(finding.severity);
        incident.observed = finding.observed;
        incident.expected = finding.expected;
        incident.unit = finding.unit.to_owned();
        incident.peak = incident.peak.max(finding.observed);
        incident.trend = finding.trend;
        incident.impact = larger(incident.impact, finding.impact);
        let totals = TOTALS.map(|fact| incident.facts.get(fact).cloned());
        let once = incident.facts.get(ONCE).filter(|fact| **fact == Fact::Flag(true)).cloned();
        incident.facts.extend(finding.facts);
        incident.facts.extend(once.map(|fact| (ONCE.to_owned(), fact)));
        for (fact, before) in TOTALS.into_iter().zip(totals) {
            if let (Some(Fact::Count(before)), Some(Fact::Count(now))) = (before, incident.facts.get_mut(fact)) {
                *now = before.max(*now);
            }
        }
        if self.told.is_none() {
            // The first signs hardly stand out from the hour before. With more to go by, the start is better known.
            let better = same && !self.withheld && finding.grounds.had > incident.grounds.had;
            let known = if better { finding.started_at } else { incident.started_at };
            incident.started_at = known.min(finding.started_at);
            // What it comes to while it waits to be told says less than what made it one.
            if finding.grounds != Grounds::default() && (!same || finding.grounds.had >= incident.grounds.had) {
                incident.grounds = finding.grounds;
            }
        }
        if parts != Where::default() {
            incident.parts = parts;
            let now = self.incident.impact.requests;
            let newest = if before > 0 && now > before { 1.0 - before as f64 / now as f64 } else { 1.0 };
            self.spread.follow(spread, newest);
        }
    }

    /// How strongly it asks to be told.
    pub(super) fn weight(&self) -> Weight {
        weight_of(&self.incident)
    }

    /// Money at risk raises the severity.
    pub(super) fn weigh_cost(&mut self, settings: &Settings) {
        // A budget's steps say how much they matter.
        if !self.is_apart() && self.incident.impact.cost.is_some_and(|cost| cost >= settings.critical_cost) {
            self.incident.severity = Severity::Critical;
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
        if self.incident.detector == traffic_drop::NAME {
            let missing = (self.usual_total - self.incident.impact.requests as f64).max(0.0);
            self.incident.facts.insert("missing".into(), Fact::Count(missing as u64));
        }
    }

    /// The numbers at the end: over the whole length, where they are rates of requests.
    pub(super) fn close(&mut self, ended_at: Timestamp) {
        let incident = &mut self.incident;
        // Each detector waits before it believes that it is over; people want to know when it was.
        let last = match incident.facts.get("last_sign") {
            Some(Fact::Time(last)) => ended_at.min((*last).max(incident.started_at)),
            _ => ended_at,
        };
        // Who is shut out ended by that, however long it takes to be sure.
        let shut_out = match (incident.facts.get("ended_by"), incident.facts.get("refused_since")) {
            (Some(Fact::Text(by)), Some(Fact::Time(since))) if by == "refused" => *since,
            _ => last,
        };
        let last = last.min(shut_out.max(incident.started_at));
        incident.ended_at = Some(last);
        incident.trend = Trend::Falling;
        let minutes = (ended_at - incident.started_at).mins_f64().max(1.0);
        if incident.detector == crate::detect::burst::NAME {
            incident.observed = incident.impact.requests as f64 / minutes;
            incident.expected = self.usual_total / minutes;
        }
        if incident.detector == crate::detect::error_spike::NAME && incident.impact.requests > 0 {
            incident.observed = incident.impact.errors as f64 / incident.impact.requests as f64;
        }
    }

    pub(super) fn note(&mut self, candidate: &Candidate, now: Timestamp) {
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

    pub(super) fn mention(&mut self, detector: &str, subject: &Subject) {
        let text = format!("{detector} {subject}");
        if self.incident.also.len() < 8 && !self.incident.also.contains(&text) {
            self.incident.also.push(text);
        }
    }

    pub(super) fn is_ripe(&self, now: Timestamp, settings: &Settings) -> bool {
        // A part that falls silent may be the first sign of the whole; nothing is lost by waiting to see.
        let part = self.incident.detector == traffic_drop::NAME
            && !matches!(self.about.kind, SubjectKind::Site | SubjectKind::Source);
        let hold = settings.hold.times(if self.patient { 3 } else { 1 }).max(if part { WHOLE } else { Span::ZERO });
        self.told.is_none() && (self.urgent || now - self.entered_at >= hold)
    }

    pub(super) fn tell(&mut self, now: Timestamp, reminders: u32) {
        self.told = Some(Told { at: now, peak: self.incident.peak, severity: self.incident.severity, reminders });
        self.new_harm = false;
        self.settle_down();
    }

    pub(super) fn again(&self, now: Timestamp, settings: &Settings) -> Option<Again> {
        let told = self.told?;
        let since = now - told.at;
        if self.is_budget() {
            return self.new_harm.then_some(Again::Worse);
        }
        // Nothing is told of what has gone quiet and waits to be resolved.
        if now - self.last_active() > Span::MINUTE || since < Span::MINUTE {
            return None;
        }
        if self.incident.severity > told.severity {
            return Some(Again::Worse);
        }
        if self.is_on_the_move() {
            return Some(Again::Moved);
        }
        if self.new_harm {
            return Some(Again::NewHarm);
        }
        // Three calls that match a rule are not clearly more than one.
        let few = self.is_ruled() && self.incident.impact.requests < FEW;
        // Of what is missing, more that comes is less of it.
        let drop = self.incident.detector == traffic_drop::NAME;
        let worse = if few || drop { 1.0 } else { self.incident.peak / told.peak.max(1e-9) };
        if worse >= 10.0 || (worse >= 2.0 && since >= Span::from_mins(15)) {
            return Some(Again::Worse);
        }
        // 30 minutes, then an hour, two, four, and every six hours: an incident of a day is told about eight times.
        let cooldown = self.own_cooldown().unwrap_or(settings.cooldown);
        let wait = cooldown.times(1 << told.reminders.min(8)).min(Span::from_hours(6).max(cooldown));
        let quiet = self.incident.facts.contains_key("quiet");
        (since >= wait && !quiet).then_some(Again::Reminder)
    }

    /// Over when calm for a fifth of its length, between 5 and 30 minutes; each detector's own idea of "going on" keeps
    /// `active_at` moving until then.
    pub fn is_over(&self, now: Timestamp) -> bool {
        let active = self.last_active();
        if self.is_budget() {
            return now - active >= GRACE;
        }
        let length = (active - self.incident.started_at).max(Span::ZERO);
        let patience = length.scale(0.2).max(Span::from_mins(5)).min(Span::from_mins(30)).max(self.own_patience());
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::detect::Facts;
    use crate::incident::book::incident_of;

    fn finding(bits: f64, things: u64) -> Finding {
        Finding {
            detector: burst::NAME,
            started_at: Timestamp::from_secs(1_790_000_000),
            observed: 50.0,
            expected: 1.0,
            unit: "requests/min",
            bits,
            excess: 100.0,
            severity: Severity::Warning,
            trend: Trend::Steady,
            impact: Impact::default(),
            facts: Facts::from([("resources".to_owned(), Fact::Count(things))]),
            parts: crate::detect::Parts::default(),
            grounds: Grounds::bits(bits, 20.0),
        }
    }

    #[test]
    fn what_made_it_an_incident_is_its_ground_and_what_was_counted_does_not_become_less() {
        let about = About { kind: SubjectKind::Key, id: Id(7) };
        let candidate = Candidate {
            about,
            name: "wayne".into(),
            tag: 0,
            finding: finding(45.0, 700),
            parts: Where::default(),
            spread: Spread::default(),
            history: Span::from_days(9),
            window: Span::ZERO,
            urgent: false,
            patient: false,
        };
        let now = Timestamp::from_secs(1_790_000_600);
        let mut entry = Entry::new(incident_of(&candidate, now), &candidate, 1, now);
        // Its numbers are brought up to date while it waits to be told, through windows that say less.
        entry.take(finding(0.0, 300), Where::default(), Spread::default());
        assert_eq!(entry.incident.grounds.surplus(), Some(25.0));
        assert_eq!(entry.incident.facts.get("resources"), Some(&Fact::Count(700)));
        entry.take(finding(60.0, 800), Where::default(), Spread::default());
        assert_eq!(entry.incident.grounds.surplus(), Some(40.0));
        assert_eq!(entry.incident.facts.get("resources"), Some(&Fact::Count(800)));
    }
}
