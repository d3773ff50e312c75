//! What is worth a line in the daily summary but no message of its own, each with its reason; and the record of what
//! was weighed, from which a backtest says what another budget would have told.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

use crate::incident::Incident;
use crate::incident::allowance::{Allowance, Used, Weight};
use crate::incident::entry::About;
use crate::time::{Span, Timestamp};

/// Lines that wait for the next summary, at most.
const LINES: usize = 200;
/// Lines of earlier summaries that can still be explained.
const TOLD: usize = 100;
/// The same subject and detector within this time is the same line.
const SAME: Span = Span::from_hours(6);
/// Weighed findings that are remembered: four weeks, at most so many.
const RECORD: usize = 4096;
const RECORD_FOR: Span = Span::from_days(28);

/// Why something is only in the daily summary.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Reason {
    /// More is going on than the alert budget lets through.
    Budget,
    /// Nothing that anybody has to act on today.
    Information,
    /// The same was told within four weeks and was not smaller.
    Repeat,
    /// A little evidence is lacking.
    Short,
    /// It was told, and what was told of is refused since then.
    Knocking,
}

impl Reason {
    /// In words, to follow what happened.
    pub fn words(self) -> &'static str {
        match self {
            Reason::Budget => "held back by the alert budget",
            Reason::Information => "for information",
            Reason::Repeat => "told before, not larger this time",
            Reason::Short => "a little less clear than the alert budget asks for",
            Reason::Knocking => "told before, still knocking",
        }
    }
}

/// One line of the summary.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Line {
    /// On what.
    pub about: About,
    /// What was found.
    pub incident: Incident,
    /// Why it was not told.
    pub reason: Reason,
    /// When it was last seen.
    pub at: Timestamp,
}

impl Line {
    /// What comes first: what the budget held back, then by severity, cost and evidence.
    fn order(&self, other: &Line) -> std::cmp::Ordering {
        let cost = |line: &Line| line.incident.impact.cost.unwrap_or(0.0);
        self.reason
            .cmp(&other.reason)
            .then(other.incident.severity.cmp(&self.incident.severity))
            .then(cost(other).total_cmp(&cost(self)))
            .then(other.incident.grounds.had.total_cmp(&self.incident.grounds.had))
            .then(self.at.cmp(&other.at))
    }
}

/// A finding that was weighed: told, or not.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Weighed {
    /// When.
    pub at: Timestamp,
    /// On what.
    pub about: About,
    /// Which detector.
    pub detector: String,
    /// How strongly it asked to be told.
    pub weight: Weight,
    /// Whether it is told whatever the budget.
    pub always: bool,
    /// Bits beyond what was needed, where evidence is what decides.
    pub surplus: Option<f64>,
    /// Why it was not told; `None` if it was.
    pub reason: Option<Reason>,
}

/// How many of what was weighed under one budget another one would have told.
pub fn would_tell<'a>(record: impl Iterator<Item = &'a Weighed>, under: &Allowance, other: &Allowance) -> usize {
    let more = other.extra_bits() - under.extra_bits();
    let mut used = Used::default();
    record
        .filter(|one| match one.reason {
            None | Some(Reason::Budget) => one.surplus.is_none_or(|surplus| surplus >= more),
            Some(Reason::Short) => one.surplus.is_some_and(|surplus| surplus >= more),
            Some(Reason::Information | Reason::Repeat | Reason::Knocking) => false,
        })
        .filter(|one| one.always || used.admit(one.weight, one.at, other))
        .count()
}

/// How strongly an incident asks to be told.
pub(super) fn weight_of(incident: &Incident) -> Weight {
    Weight { severity: incident.severity, cost: incident.impact.cost.unwrap_or(0.0), bits: incident.grounds.had }
}

/// Lines and record.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
pub struct Kept {
    lines: Vec<Line>,
    record: VecDeque<Weighed>,
    /// Lines of earlier summaries, for those who ask why.
    told: VecDeque<Line>,
    /// Day of the last summary, in the local zone.
    summed_up: Option<i64>,
    /// Counts the changes of the lines.
    revision: u64,
}

impl Kept {
    /// Keeps a line. The same thing again makes the line that is there newer and, if it is larger, larger. What stood in
    /// an earlier summary for information and merely goes on is no line again.
    pub fn keep(&mut self, about: About, incident: Incident, reason: Reason, at: Timestamp) {
        self.revision += 1;
        let of = |line: &Line| line.about == about && line.incident.detector == incident.detector;
        let goes_on = |line: &Line| of(line) && line.incident.started_at == incident.started_at;
        if reason == Reason::Information && incident.ended_at.is_none() && self.told.iter().any(goes_on) {
            return;
        }
        let same = self.lines.iter_mut().find(|line| goes_on(line) || of(line) && at - line.at < SAME);
        if let Some(line) = same {
            line.at = at;
            line.reason = line.reason.min(reason);
            if incident.ended_at.is_some() || incident.grounds.had >= line.incident.grounds.had {
                let id = std::mem::take(&mut line.incident.id);
                let started_at = line.incident.started_at.min(incident.started_at);
                line.incident = Incident { id, started_at, ..incident };
            }
            return;
        }
        self.weighed(about, &incident, Some(reason), false, at);
        self.lines.push(Line { about, incident, reason, at });
        if self.lines.len() > LINES {
            let last = self.lines.iter().enumerate().max_by(|a, b| a.1.order(b.1)).map(|(index, _)| index);
            if let Some(index) = last {
                self.lines.remove(index);
            }
        }
    }

    /// What was kept of an incident is told after all, or is the same as what is told now.
    pub fn drop_line(&mut self, about: About, detector: &str) {
        self.revision += 1;
        self.lines.retain(|line| line.about != about || line.incident.detector != detector);
    }

    /// Notes that something was told, or why not.
    pub fn weighed(&mut self, about: About, incident: &Incident, reason: Option<Reason>, always: bool, at: Timestamp) {
        // One thing is weighed once: what it came to counts.
        let same = |w: &Weighed| w.about == about && w.detector == incident.detector && at - w.at < SAME;
        self.record.retain(|w| w.reason.is_none() || !same(w));
        while self.record.len() >= RECORD || self.record.front().is_some_and(|w| at - w.at > RECORD_FOR) {
            self.record.pop_front();
        }
        self.record.push_back(Weighed {
            at,
            about,
            detector: incident.detector.clone(),
            weight: weight_of(incident),
            always,
            surplus: incident.grounds.surplus(),
            reason,
        });
    }

    /// The lines that wait, the most important first.
    pub fn lines(&self) -> Vec<&Line> {
        let mut lines: Vec<&Line> = self.lines.iter().collect();
        lines.sort_by(|a, b| a.order(b));
        lines
    }

    /// Changes with the lines.
    pub fn revision(&self) -> u64 {
        self.revision
    }

    /// What was weighed in the last four weeks, oldest first.
    pub fn record(&self) -> impl Iterator<Item = &Weighed> {
        self.record.iter()
    }

    /// Whether a detector had something to say on a subject since then.
    pub fn was_weighed(&self, about: About, detector: &str, since: Timestamp) -> bool {
        self.record.iter().rev().take_while(|w| w.at >= since).any(|w| w.about == about && w.detector == detector)
    }

    /// The lines for the summary that is due once a day, `after` midnight of the local day `day`; empty if none is.
    pub fn sum_up(&mut self, day: i64, since_midnight: Span, after: Span) -> Vec<Line> {
        let due = if since_midnight >= after { day } else { day - 1 };
        match self.summed_up {
            Some(last) if last >= due => return Vec::new(),
            Some(_) => {}
            None => {
                self.summed_up = Some(due);
                return Vec::new();
            }
        }
        self.summed_up = Some(due);
        self.revision += 1;
        let mut lines = std::mem::take(&mut self.lines);
        lines.sort_by(Line::order);
        self.told.extend(lines.iter().cloned());
        while self.told.len() > TOLD {
            self.told.pop_front();
        }
        lines
    }

    /// Lines of earlier summaries.
    pub fn told(&self) -> impl Iterator<Item = &Line> {
        self.told.iter()
    }
}
