//! Samples of keys whose users change: who calls with them, from where, and what for.

use super::incidents::{facts, incident, key, parts, text};
use crate::detect::{Fact, Impact, Trend};
use crate::event::Severity;
use crate::incident::Incident;
use crate::time::Span;

/// All of them, those of one detector together.
pub(super) fn incidents() -> Vec<Incident> {
    vec![key_in_web_page(), key_in_few_browsers(), traveller(), handed_on(), other_routes(), other_hours()]
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

fn traveller() -> Incident {
    let told = facts([
        ("from_place", text("Singapore (SG)")),
        ("to_place", text("Frankfurt am Main (DE)")),
        ("distance_km", Fact::Number(10_270.0)),
        ("between", Fact::Span(Span::from_mins(40))),
        ("speed", Fact::Number(15_405.0)),
        ("requests_there", Fact::Count(3)),
        ("both_used", Fact::Flag(false)),
        ("networks_known", Fact::Flag(false)),
    ]);
    let mut incident = incident("impossible-travel", key("stark"), 10_270.0, 533.0, "km", told);
    incident.trend = Trend::Steady;
    incident.impact = Impact { requests: 3, errors: 0, cost: None };
    incident.parts.endpoints = parts(&[("/v1/orders", 0.8), ("/v1/orders/{id}", 0.2)]);
    incident.parts.clients = parts(&[("203.0.113.9", 0.3), ("198.51.100.7", 0.7)]);
    incident
}

fn handed_on() -> Incident {
    let told = facts([
        ("steady_networks", Fact::Count(12)),
        ("steady_before", Fact::Count(3)),
        ("grown_for", Fact::Span(Span::from_days(21))),
        ("lasting", Fact::Share(1.0)),
    ]);
    let mut incident = incident("shared-key", key("wayne"), 12.0, 3.0, "networks", told);
    incident.severity = Severity::Info;
    incident.started_at = incident.detected_at - Span::from_days(21);
    incident.parts.clients = parts(&[("203.0.113.9", 0.3), ("198.51.100.7", 0.2)]);
    incident
}

fn other_routes() -> Incident {
    let told = facts([
        ("changed", Fact::List(vec!["endpoints".to_owned(), "client programs".to_owned()])),
        ("drift_share", Fact::Share(0.62)),
        ("usual_drift", Fact::Share(0.04)),
        ("compared_days", Fact::Count(14)),
        ("more", text("/v1/reports/{id}")),
        ("more_share", Fact::Share(0.7)),
        ("more_before", Fact::Share(0.02)),
        ("less", text("/v1/orders")),
        ("less_share", Fact::Share(0.1)),
        ("less_before", Fact::Share(0.8)),
    ]);
    let mut incident = incident("drift", key("acme"), 0.62, 0.04, "share of requests", told);
    incident.severity = Severity::Info;
    incident.started_at = incident.detected_at - Span::DAY;
    incident.trend = Trend::Steady;
    incident.impact = Impact { requests: 5_400, errors: 0, cost: None };
    incident.parts.endpoints = parts(&[("/v1/reports/{id}", 0.7), ("/v1/items", 0.2), ("/v1/orders", 0.1)]);
    incident
}

fn other_hours() -> Incident {
    let told = facts([
        ("changed", Fact::List(vec!["hours".to_owned()])),
        ("drift_share", Fact::Share(0.48)),
        ("usual_drift", Fact::Share(0.05)),
        ("compared_days", Fact::Count(9)),
    ]);
    let mut incident = incident("drift", key("bolt"), 0.48, 0.05, "share of requests", told);
    incident.severity = Severity::Info;
    incident.started_at = incident.detected_at - Span::DAY;
    incident.trend = Trend::Steady;
    incident.impact = Impact { requests: 900, errors: 0, cost: None };
    incident
}
