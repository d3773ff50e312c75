//! A realistic sample of everything that can be told: templates are tried with them, `lapwing drill` sends them.

mod aftermath;
mod harvests;
mod incidents;
mod own;
mod tries;
mod users;

use incidents::incidents;

use crate::detect::{Fact, Impact, Trend};
use crate::incident::{Again, Change, ChangeKind, Ending, Incident, Where};
use crate::time::{Span, Timestamp};

/// Samples of every detector, each opened, updated and resolved, for the subjects that it is usually about; then what
/// becomes of them.
pub fn changes() -> Vec<Change> {
    incidents().iter().flat_map(life).chain(aftermath::changes()).collect()
}

/// The opening of one detector's sample, at `at`: what a drill sends. `None` for a name without a sample.
pub fn drill(detector: &str, at: Timestamp) -> Option<Change> {
    let incident = incidents().into_iter().find(|i| i.detector == detector)?;
    let mut change = life(&incident).into_iter().next()?;
    let shift = at - change.at;
    change.at = at;
    change.incident.started_at += shift;
    change.incident.detected_at += shift;
    for fact in change.incident.facts.values_mut() {
        if let Fact::Time(t) = fact {
            *t += shift;
        }
    }
    Some(change)
}

/// The detectors that have a sample.
pub fn detectors() -> Vec<String> {
    let mut names: Vec<String> = incidents().into_iter().map(|i| i.detector).collect();
    names.dedup();
    names
}

/// The same changes with nothing known that need not be known: templates must read well all the same.
pub(crate) fn bare_changes() -> Vec<Change> {
    let bare = |mut change: Change| {
        let incident = &mut change.incident;
        incident.facts.clear();
        incident.parts = Where::default();
        incident.impact = Impact::default();
        incident.also.clear();
        incident.history = Span::ZERO;
        (incident.observed, incident.expected, incident.peak) = (0.0, 0.0, 0.0);
        change
    };
    changes().into_iter().map(bare).collect()
}

/// A budget goes on to its end, whatever it is.
fn used_up(incident: &mut Incident) {
    let limit = incident.expected;
    incident.observed = limit;
    incident.peak = limit;
    for (name, fact) in [("spent", Fact::Number(limit)), ("used", Fact::Share(1.0)), ("step", Fact::Count(100))] {
        incident.facts.insert(name.to_owned(), fact);
    }
    incident.facts.remove("runs_out");
}

/// Opening, the three reasons to tell it again, and the two ends.
fn life(incident: &Incident) -> Vec<Change> {
    let told = |kind, after: Span, edit: &dyn Fn(&mut Incident)| {
        let mut incident = incident.clone();
        edit(&mut incident);
        Change { kind, at: incident.started_at + after, incident }
    };
    let opened = incident.detected_at - incident.started_at;
    let grow = |incident: &mut Incident| {
        if incident.detector == crate::detect::budget::NAME {
            return used_up(incident);
        }
        let share = incident.unit.starts_with("share");
        incident.observed = if share { 0.99f64.min(incident.observed * 1.5) } else { incident.observed * 3.0 };
        incident.peak = incident.observed;
        incident.impact.requests *= 3;
        incident.impact.errors *= 3;
        incident.impact.cost = incident.impact.cost.map(|c| c * 3.0);
        incident.trend = Trend::Rising;
        for (name, fact) in &mut incident.facts {
            match fact {
                Fact::Count(n)
                    if [
                        "new_addresses",
                        "browser_networks",
                        "browser_requests",
                        "newcomer_requests",
                        "calls",
                        "errors",
                        "resources",
                        "things",
                        "failed_logins",
                        "logins",
                    ]
                    .contains(&name.as_str()) =>
                {
                    *n *= 3;
                }
                Fact::Number(n) if ["factor", "per_minute", "cost"].contains(&name.as_str()) => *n *= 3.0,
                Fact::Share(s) if name == "share" => *s = 0.99f64.min(*s * 1.5),
                _ => {}
            }
        }
    };
    let end = |incident: &mut Incident| {
        incident.peak = incident.observed * 1.4;
        incident.impact.requests *= 5;
        incident.impact.errors *= 5;
        incident.impact.cost = incident.impact.cost.map(|c| c * 5.0);
        incident.trend = Trend::Falling;
        incident.ended_at = Some(incident.started_at + opened + Span::from_mins(42));
    };
    vec![
        told(ChangeKind::Opened, opened, &|_| {}),
        told(ChangeKind::Updated(Again::Worse), opened + Span::from_mins(10), &grow),
        told(ChangeKind::Updated(Again::NewHarm), opened + Span::from_mins(12), &|incident| {
            incident.also.push(format!("error-spike {}", incident.subject));
        }),
        told(ChangeKind::Updated(Again::Reminder), opened + Span::from_hours(6), &|incident| {
            incident.trend = Trend::Steady;
        }),
        told(ChangeKind::Resolved(Ending::Calm), opened + Span::from_mins(52), &end),
        told(ChangeKind::Resolved(Ending::Joined), opened + Span::from_mins(52), &end),
    ]
}

/// The smallest notice, for tests that only pass notices on.
#[cfg(test)]
pub(crate) fn notice(incident: &str, kind: super::NoticeType) -> super::Notice {
    use crate::event::{Severity, Subject, SubjectKind};

    let at = Timestamp::parse("2026-11-21T05:59:00Z").unwrap();
    super::Notice {
        schema: super::SCHEMA,
        kind,
        incident: incident.to_owned(),
        detector: "burst".to_owned(),
        rule: "burst".to_owned(),
        severity: Severity::Warning,
        subject: Subject::new(SubjectKind::Key, "acme"),
        started_at: at,
        detected_at: at,
        ended_at: None,
        observed: 58.0,
        expected: 1.9,
        unit: "requests/min".to_owned(),
        trend: Trend::Rising,
        impact: Impact::default(),
        parts: Where::default(),
        title: "Key acme is 30 times busier than usual".to_owned(),
        summary: String::new(),
        actions: Vec::new(),
        at,
        drill: false,
        money: None,
        outcome: None,
        consumer: None,
        kept: None,
    }
}
