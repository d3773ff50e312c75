//! Samples of what becomes of incidents: callers that are refused and still knock, and what ended each.

use super::incidents::{START, incidents, parts, text};
use crate::detect::{Fact, Trend};
use crate::event::SubjectKind;
use crate::incident::{Again, Change, ChangeKind, Ending, Incident};
use crate::time::Span;

/// All of them.
pub(super) fn changes() -> Vec<Change> {
    let refused = Again::Refused;
    let mut all = vec![
        after("leaked-key", SubjectKind::Key, refused, "refused", 212.0, 0.0),
        after("leaked-key", SubjectKind::Key, Again::PartlyRefused, "partly", 38.0, 12.0),
        over("leaked-key", SubjectKind::Key, "refused"),
        after("burst", SubjectKind::Client, refused, "refused", 1240.0, 0.0),
    ];
    for by in ["refused", "stopped", "usual", "gone"] {
        all.push(over("burst", SubjectKind::Key, by));
    }
    all.push(over("burst", SubjectKind::Client, "refused"));
    all.push(over("burst", SubjectKind::Endpoint, "gone-refused"));
    all.push(over("burst", SubjectKind::Site, "members"));
    all.push(over("error-spike", SubjectKind::Endpoint, "answers"));
    all.push(over("error-spike", SubjectKind::Endpoint, "stopped"));
    all.push(over("retry-loop", SubjectKind::Key, "works"));
    all
}

fn sample(detector: &str, kind: SubjectKind) -> Option<Incident> {
    incidents().into_iter().find(|incident| incident.detector == detector && incident.subject.kind == kind)
}

fn refused(incident: &mut Incident, per_minute: f64, allowed: f64) {
    for (name, fact) in [
        ("refused_since", Fact::Time(START + Span::from_mins(29))),
        ("refused_for", Fact::Span(Span::from_mins(40))),
        ("refused_per_minute", Fact::Number(per_minute)),
        ("allowed_per_minute", Fact::Number(allowed)),
        ("refused_statuses", Fact::List(vec!["401".to_owned()])),
        ("refused_trend", text("falling")),
    ] {
        incident.facts.insert(name.to_owned(), fact);
    }
}

fn after(detector: &str, kind: SubjectKind, again: Again, what: &str, per_minute: f64, allowed: f64) -> Change {
    let mut incident = sample(detector, kind).unwrap_or_else(|| incidents().remove(0));
    refused(&mut incident, per_minute, allowed);
    incident.facts.insert("after".to_owned(), text(what));
    incident.trend = Trend::Falling;
    incident.parts.clients = parts(&[("45.83.1.7", 0.61), ("203.0.113.9", 0.2)]);
    let at = START + Span::from_mins(69);
    Change { kind: ChangeKind::Updated(again), incident, at }
}

fn over(detector: &str, kind: SubjectKind, by: &str) -> Change {
    let mut incident = sample(detector, kind).unwrap_or_else(|| incidents().remove(0));
    let ended = START + Span::from_mins(43);
    incident.ended_at = Some(ended);
    incident.trend = Trend::Falling;
    refused(&mut incident, 212.0, 0.0);
    for (name, fact) in [
        ("ended_by", text(by)),
        ("over_since", Fact::Time(ended)),
        ("silent_since", Fact::Time(ended)),
        ("gone", text("client 45.83.1.7")),
        ("gone_share", Fact::Share(0.71)),
        ("members", Fact::Count(34)),
        ("members_stopped", Fact::Count(30)),
        ("members_refused", Fact::Count(4)),
    ] {
        incident.facts.insert(name.to_owned(), fact);
    }
    let now: &[(&str, Fact)] = match by {
        "answers" => &[
            ("now_requests", Fact::Count(342)),
            ("now_failed", Fact::Count(2)),
            ("fix", Fact::Text("the deploy v1.4.3 (by ana)".to_owned())),
            ("fix_at", Fact::Time(START + Span::from_mins(40))),
            ("fix_before", Fact::Span(Span::from_mins(3))),
        ],
        _ => &[("now_per_minute", Fact::Number(5.0)), ("now_usual", Fact::Number(4.0))],
    };
    incident.facts.extend(now.iter().map(|(name, fact)| ((*name).to_owned(), fact.clone())));
    Change { kind: ChangeKind::Resolved(Ending::Calm), incident, at: ended + Span::from_mins(10) }
}
