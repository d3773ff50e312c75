//! The sample incidents of `harvesting`.

use super::incidents::{facts, incident, key, parts};
use crate::detect::{Fact, Impact, Trend};
use crate::event::{Subject, SubjectKind};
use crate::incident::Incident;
use crate::time::Span;

pub(super) fn of_key() -> Incident {
    let told = facts([
        ("resources", Fact::Count(910)),
        ("usual_resources", Fact::Number(120.0)),
        ("collecting_for", Fact::Span(Span::from_mins(150))),
        ("resources_per_hour", Fact::Number(300.0)),
        ("in_sequence", Fact::Flag(true)),
        ("sequence_share", Fact::Share(0.93)),
        ("peers_only", Fact::Flag(false)),
        ("crawler", Fact::Flag(false)),
    ]);
    let mut incident = incident("harvesting", key("acme"), 910.0, 120.0, "different resources", told);
    incident.detected_at = incident.started_at + Span::from_mins(150);
    incident.trend = Trend::Steady;
    incident.impact = Impact { requests: 940, errors: 0, cost: None };
    incident.parts.endpoints = parts(&[("/v1/users/{id}", 0.94), ("/v1/orders", 0.06)]);
    incident.parts.clients = parts(&[("203.0.113.9", 1.0)]);
    incident
}

pub(super) fn walk_of_key() -> Incident {
    let told = facts([
        ("resources", Fact::Count(824)),
        ("usual_resources", Fact::Number(970.0)),
        ("resources_per_hour", Fact::Number(230.0)),
        ("in_sequence", Fact::Flag(true)),
        ("sequence_share", Fact::Share(0.47)),
        ("walk_steps", Fact::Count(412)),
        ("peers_only", Fact::Flag(false)),
    ]);
    let mut incident = incident("harvesting", key("acme"), 824.0, 970.0, "different resources", told);
    incident.detected_at = incident.started_at + Span::from_mins(90);
    incident.trend = Trend::Steady;
    incident.impact = Impact { requests: 640, errors: 0, cost: None };
    incident.parts.endpoints = parts(&[("/v1/users/{id}", 0.66), ("/v1/orders", 0.34)]);
    incident
}

pub(super) fn of_client() -> Incident {
    let told = facts([
        ("resources", Fact::Count(2_400)),
        ("resources_per_hour", Fact::Number(310.0)),
        ("in_sequence", Fact::Flag(false)),
        ("peers_only", Fact::Flag(true)),
    ]);
    let subject = Subject::new(SubjectKind::Client, "203.0.113.77");
    let mut incident = incident("harvesting", subject, 2_400.0, 0.0, "different resources", told);
    incident.detected_at = incident.started_at + Span::from_hours(7);
    incident.trend = Trend::Steady;
    incident.impact = Impact { requests: 2_410, errors: 0, cost: None };
    incident.parts.endpoints = parts(&[("/products/{id}", 0.99)]);
    incident
}
