//! Samples of those who try what is there and whose password is what, of sizes and of slowness.

use super::incidents::{START, endpoint, facts, incident, key, parts, statuses, text};
use crate::detect::{Fact, Impact};
use crate::event::{Severity, Subject, SubjectKind};
use crate::incident::Incident;
use crate::time::Span;

/// All of them, those of one detector together.
pub(super) fn incidents() -> Vec<Incident> {
    vec![
        walk_of_key(),
        ids_of_client(),
        scan_of_client(),
        guesser_got_in(),
        guesser(),
        guesses_from_many(),
        reader_that_writes(),
        tokens_of_key(),
        answers_of_key(),
        slow_endpoint(),
    ]
}

fn walk_of_key() -> Incident {
    let told = facts([
        ("form", text("sequence")),
        ("things", Fact::Count(412)),
        ("errors", Fact::Count(418)),
        ("share", Fact::Share(0.86)),
        ("scanner_paths", Fact::Count(0)),
        ("statuses", statuses(&["404", "403"])),
        ("sequence_share", Fact::Share(0.97)),
        ("per_minute", Fact::Number(38.0)),
    ]);
    let mut incident = incident("enumeration", key("wayne"), 412.0, 0.0, "different things", told);
    incident.detected_at = incident.started_at + Span::from_mins(2);
    incident.impact = Impact { requests: 486, errors: 418, cost: None };
    incident.parts.endpoints = parts(&[("/v1/customers/{id}", 0.98), ("/v1/orders/{id}", 0.02)]);
    incident.parts.clients = parts(&[("203.0.113.9", 1.0)]);
    incident
}

fn ids_of_client() -> Incident {
    let told = facts([
        ("form", text("ids")),
        ("things", Fact::Count(85)),
        ("errors", Fact::Count(91)),
        ("share", Fact::Share(0.95)),
        ("statuses", statuses(&["404"])),
        ("per_minute", Fact::Number(9.0)),
    ]);
    let subject = Subject::new(SubjectKind::Client, "198.51.100.40");
    let mut incident = incident("enumeration", subject, 85.0, 0.0, "different things", told);
    incident.impact = Impact { requests: 96, errors: 91, cost: None };
    incident.parts.endpoints = parts(&[("/v1/users/{name}", 1.0)]);
    incident
}

fn scan_of_client() -> Incident {
    let told = facts([
        ("form", text("paths")),
        ("things", Fact::Count(2_310)),
        ("errors", Fact::Count(2_350)),
        ("share", Fact::Share(0.99)),
        ("scanner_paths", Fact::Count(640)),
        ("statuses", statuses(&["404", "400"])),
        ("per_minute", Fact::Number(310.0)),
    ]);
    let subject = Subject::new(SubjectKind::Client, "198.51.100.41");
    let mut incident = incident("enumeration", subject, 2_310.0, 0.0, "different things", told);
    incident.impact = Impact { requests: 2_372, errors: 2_350, cost: None };
    incident.parts.user_agents = parts(&[("Nikto", 1.0)]);
    incident
}

fn guesser_got_in() -> Incident {
    let told = facts([
        ("failed_logins", Fact::Count(57)),
        ("logins", Fact::Count(58)),
        ("addresses", Fact::Count(1)),
        ("share", Fact::Share(0.98)),
        ("usual_share", Fact::Share(0.08)),
        ("per_minute", Fact::Number(14.0)),
        ("succeeded", Fact::Count(1)),
        ("got_in", Fact::Flag(true)),
        ("first_success", Fact::Time(START + Span::from_mins(4))),
        ("failures_before", Fact::Count(57)),
        ("spread", Fact::Flag(false)),
    ]);
    let subject = Subject::new(SubjectKind::Client, "198.51.100.23");
    let mut incident = incident("credential-stuffing", subject, 57.0, 0.0, "failed log-ins", told);
    incident.severity = Severity::Critical;
    incident.detected_at = incident.started_at + Span::from_mins(4);
    incident.impact = Impact { requests: 58, errors: 57, cost: None };
    incident.parts.endpoints = parts(&[("/login", 1.0)]);
    incident
}

fn guesser() -> Incident {
    let told = facts([
        ("failed_logins", Fact::Count(240)),
        ("logins", Fact::Count(240)),
        ("addresses", Fact::Count(1)),
        ("share", Fact::Share(1.0)),
        ("usual_share", Fact::Share(0.08)),
        ("per_minute", Fact::Number(60.0)),
        ("succeeded", Fact::Count(0)),
        ("got_in", Fact::Flag(false)),
        ("spread", Fact::Flag(false)),
        ("regular", Fact::Flag(false)),
    ]);
    let subject = Subject::new(SubjectKind::Client, "198.51.100.24");
    let mut incident = incident("credential-stuffing", subject, 240.0, 0.0, "failed log-ins", told);
    incident.impact = Impact { requests: 240, errors: 240, cost: None };
    incident.parts.endpoints = parts(&[("/login", 1.0)]);
    incident
}

fn guesses_from_many() -> Incident {
    let told = facts([
        ("failed_logins", Fact::Count(912)),
        ("logins", Fact::Count(1_140)),
        ("addresses", Fact::Count(304)),
        ("share", Fact::Share(0.8)),
        ("usual_share", Fact::Share(0.09)),
        ("per_minute", Fact::Number(30.0)),
        ("succeeded", Fact::Count(7)),
        ("got_in", Fact::Flag(true)),
        ("spread", Fact::Flag(true)),
    ]);
    let mut incident = incident("credential-stuffing", endpoint("/login"), 912.0, 103.0, "failed log-ins", told);
    incident.severity = Severity::Critical;
    incident.detected_at = incident.started_at + Span::from_mins(6);
    incident.impact = Impact { requests: 1_140, errors: 912, cost: None };
    incident.parts.clients = parts(&[("198.51.100.7", 0.01), ("192.0.2.99", 0.01)]);
    incident
}

fn tokens_of_key() -> Incident {
    let told = facts([
        ("what", text("tokens read")),
        ("size", Fact::Number(8_200.0)),
        ("usual_size", Fact::Number(510.0)),
        ("factor", Fact::Number(16.1)),
        ("calls", Fact::Count(34)),
        ("far_share", Fact::Share(0.53)),
    ]);
    let mut incident = incident("payload-size", key("acme"), 8_200.0, 510.0, "tokens", told);
    incident.detected_at = incident.started_at + Span::from_mins(4);
    incident.impact = Impact { requests: 34, errors: 0, cost: Some(21.4) };
    incident.parts.endpoints = parts(&[("/v1/chat/completions", 1.0)]);
    incident.parts.clients = parts(&[("203.0.113.9", 1.0)]);
    incident
}

fn answers_of_key() -> Incident {
    let told = facts([
        ("what", text("responses")),
        ("size", Fact::Number(4_300_000.0)),
        ("usual_size", Fact::Number(42_000.0)),
        ("factor", Fact::Number(102.0)),
        ("calls", Fact::Count(61)),
        ("far_share", Fact::Share(0.95)),
    ]);
    let mut incident = incident("payload-size", key("bolt"), 4_300_000.0, 42_000.0, "bytes", told);
    incident.impact = Impact { requests: 61, errors: 0, cost: None };
    incident.parts.endpoints = parts(&[("/v1/reports/{id}", 0.97)]);
    incident
}

fn slow_endpoint() -> Incident {
    let told = facts([
        ("latency", Fact::Span(Span::from_millis(2_400))),
        ("usual_latency", Fact::Span(Span::from_millis(180))),
        ("factor", Fact::Number(13.3)),
        ("calls", Fact::Count(940)),
        ("slow_share", Fact::Share(0.89)),
    ]);
    let mut incident = incident("slow-response", endpoint("/v1/search"), 2_400.0, 180.0, "ms", told);
    incident.detected_at = incident.started_at + Span::from_mins(6);
    incident.impact = Impact { requests: 940, errors: 0, cost: None };
    incident.parts.keys = parts(&[("acme", 0.24), ("wayne", 0.2), ("bolt", 0.11)]);
    incident
}

fn reader_that_writes() -> Incident {
    let told = facts([
        ("new_routes", Fact::Count(3)),
        ("new_writes", Fact::Count(3)),
        ("first_write", Fact::Flag(true)),
        ("denied_routes", Fact::Count(1)),
        ("sensitive", Fact::Count(0)),
        ("known_for", Fact::Span(Span::from_days(20))),
    ]);
    let mut incident = incident("scope-creep", key("stark"), 3.0, 0.0, "new kinds of requests", told);
    incident.impact = Impact { requests: 14, errors: 2, cost: None };
    incident.parts.endpoints = parts(&[("/v1/orders/{id}", 0.6), ("/v1/payments", 0.3), ("/v1/customers/{id}", 0.1)]);
    incident.parts.clients = parts(&[("203.0.113.9", 1.0)]);
    incident
}
