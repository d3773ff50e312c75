//! Samples of what people set themselves: budgets, workflows and rules of their own.

use super::incidents::{START, facts, incident, key, parts, text};
use crate::detect::{Fact, Facts, Impact, Trend};
use crate::event::{Severity, Subject};
use crate::incident::Incident;
use crate::time::Span;

pub(super) fn budget_of_key() -> Incident {
    let told = facts([
        ("measure", text("requests")),
        ("spent", Fact::Number(800.0)),
        ("limit", Fact::Number(1000.0)),
        ("used", Fact::Share(0.8)),
        ("step", Fact::Count(80)),
        ("period", text("day")),
        ("period_start", Fact::Time(START.floor(Span::DAY))),
        ("period_end", Fact::Time(START.floor(Span::DAY) + Span::DAY)),
        ("runs_out", Fact::Time(START + Span::from_mins(190))),
    ]);
    let mut incident = incident("budget", key("acme"), 800.0, 1000.0, "requests", told);
    incident.rule = "partner-quota".to_owned();
    incident.detected_at = incident.started_at;
    incident.trend = Trend::Steady;
    incident.impact = Impact { requests: 800, errors: 0, cost: Some(1264.0) };
    incident.parts.endpoints = parts(&[("/v1/documents/process", 0.82), ("/v1/orders", 0.11)]);
    incident
}

pub(super) fn budget_of_site() -> Incident {
    let told = facts([
        ("measure", text("cost")),
        ("spent", Fact::Number(5000.4)),
        ("limit", Fact::Number(5000.0)),
        ("used", Fact::Share(1.000_08)),
        ("step", Fact::Count(100)),
        ("period", text("month")),
        ("period_start", Fact::Time(START.floor(Span::DAY) - Span::from_days(9))),
        ("period_end", Fact::Time(START.floor(Span::DAY) + Span::from_days(22))),
        ("counted_since", Fact::Time(START - Span::from_days(3))),
    ]);
    let mut incident = incident("budget", Subject::site(), 5000.4, 5000.0, "cost", told);
    incident.rule = "spend".to_owned();
    incident.severity = Severity::Critical;
    incident.detected_at = incident.started_at;
    incident.trend = Trend::Steady;
    incident.impact = Impact { requests: 3_165, errors: 0, cost: Some(5000.4) };
    incident.parts.keys = parts(&[("acme", 0.61), ("bolt", 0.2)]);
    incident
}

pub(super) fn skipped_step() -> Incident {
    let told = facts([
        ("steps", text("/confirm-transfer without /validate-account before it")),
        ("times", Fact::Count(3)),
        ("window", Fact::Span(Span::DAY)),
    ]);
    let mut incident = incident("workflow", key("acme"), 3.0, 0.0, "times", told);
    (incident.rule, incident.trend) = ("transfers".to_owned(), Trend::Steady);
    incident.detected_at = incident.started_at + Span::from_mins(4);
    incident.impact.requests = 3;
    incident.parts.endpoints = parts(&[("/confirm-transfer", 0.6), ("/v1/orders", 0.4)]);
    incident
}

pub(super) fn of_user_rule() -> Incident {
    let mut incident = incident("login-guard", key("acme"), 58.0, 1.9, "requests/min", Facts::new());
    incident.severity = Severity::Info;
    incident.impact = Impact { requests: 116, errors: 9, cost: None };
    incident.parts.endpoints = parts(&[("/login", 1.0)]);
    incident.parts.clients = parts(&[("203.0.113.9", 0.6), ("203.0.113.12", 0.4)]);
    incident
}
