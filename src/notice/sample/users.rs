//! Samples of keys whose users change: who calls with them, from where, and what for.

use super::incidents::{facts, incident, key, parts};
use crate::detect::{Fact, Impact, Trend};
use crate::event::Severity;
use crate::incident::Incident;
use crate::time::Span;

/// All of them, those of one detector together.
pub(super) fn incidents() -> Vec<Incident> {
    vec![key_in_web_page(), key_in_few_browsers()]
}

fn key_in_web_page() -> Incident {
    let told = facts([
        ("browser_networks", Fact::Count(20)),
        ("browser_requests", Fact::Count(64)),
        ("page_share", Fact::Share(0.95)),
        ("servers_for", Fact::Span(Span::from_days(41))),
        ("server_networks", Fact::Count(2)),
        ("usual_browser_networks", Fact::Number(0.0)),
    ]);
    let mut incident = incident("front-end-exposure", key("acme"), 20.0, 0.0, "networks with browsers", told);
    incident.severity = Severity::Critical;
    incident.detected_at = incident.started_at + Span::from_mins(6);
    incident.impact = Impact { requests: 64, errors: 0, cost: None };
    incident.parts.endpoints = parts(&[("/v1/search", 0.7), ("/v1/items/{id}", 0.3)]);
    incident.parts.clients = parts(&[("203.0.113.9", 0.1), ("198.51.100.7", 0.08)]);
    incident.parts.user_agents = parts(&[("Chrome", 0.6), ("Safari", 0.3), ("Firefox", 0.1)]);
    incident
}

fn key_in_few_browsers() -> Incident {
    let told = facts([
        ("browser_networks", Fact::Count(4)),
        ("browser_requests", Fact::Count(9)),
        ("page_share", Fact::Share(0.0)),
        ("servers_for", Fact::Span(Span::from_days(9))),
        ("server_networks", Fact::Count(1)),
        ("usual_browser_networks", Fact::Number(0.4)),
    ]);
    let mut incident = incident("front-end-exposure", key("bolt"), 4.0, 0.0, "networks with browsers", told);
    incident.detected_at = incident.started_at + Span::from_hours(3);
    incident.trend = Trend::Steady;
    incident.impact = Impact { requests: 9, errors: 0, cost: None };
    incident.parts.user_agents = parts(&[("Firefox", 1.0)]);
    incident
}
