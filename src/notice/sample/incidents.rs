//! The sample incidents: for each detector the subjects that it is usually about.

use super::{harvests, own, tries, users};
use crate::detect::grounds::Grounds;
use crate::detect::{Fact, Facts, Impact, Trend};
use crate::event::{Severity, Subject, SubjectKind};
use crate::incident::{Incident, Part, Where};
use crate::time::{Span, Timestamp};

/// When the samples happen: Tuesday 2026-03-10, 14:02 UTC.
pub(super) const START: Timestamp = Timestamp::from_secs(1_773_151_320);

/// All of them, those of one detector together.
pub(super) fn incidents() -> Vec<Incident> {
    let mut all = vec![
        burst_of_key(),
        burst_of_endpoint(),
        burst_of_client(),
        burst_of_source(),
        burst_of_site(),
        flood_of_keys(),
        errors_on_endpoint(),
        limited_key(),
        refused_client(),
        rejected_key(),
        errors_on_site(),
        leaked_key(),
        moved_key(),
        loop_with_cost(),
        loop_succeeding(),
        harvests::of_key(),
        harvests::of_client(),
        harvests::walk_of_key(),
        own::budget_of_key(),
        own::budget_of_site(),
        own::skipped_step(),
        silent_source(),
        silent_key(),
        thinner_endpoint(),
        silent_site(),
        own::of_user_rule(),
    ];
    all.extend(tries::incidents());
    all.extend(users::incidents());
    all
}

pub(super) fn incident(
    detector: &str,
    subject: Subject,
    observed: f64,
    expected: f64,
    unit: &str,
    facts: Facts,
) -> Incident {
    // An id that is as long as a real one and tells the samples apart.
    let number = rapidhash::v3::rapidhash_v3(format!("{detector} {subject}").as_bytes()) % 1_000_000;
    Incident {
        id: format!("01KKBSAMPLE000000000{number:06}"),
        detector: detector.to_owned(),
        rule: detector.to_owned(),
        severity: Severity::Warning,
        subject,
        started_at: START,
        detected_at: START + Span::from_secs(60),
        ended_at: None,
        observed,
        expected,
        peak: observed,
        unit: unit.to_owned(),
        trend: Trend::Rising,
        impact: Impact::default(),
        parts: Where::default(),
        facts,
        also: Vec::new(),
        history: Span::from_days(20),
        grounds: Grounds::default(),
    }
}

pub(super) fn facts<const N: usize>(facts: [(&str, Fact); N]) -> Facts {
    facts.into_iter().map(|(name, fact)| (name.to_owned(), fact)).collect()
}

pub(super) fn text(text: &str) -> Fact {
    Fact::Text(text.to_owned())
}

pub(super) fn statuses(list: &[&str]) -> Fact {
    Fact::List(list.iter().map(|s| (*s).to_owned()).collect())
}

pub(super) fn parts(parts: &[(&str, f64)]) -> Vec<Part> {
    parts.iter().map(|(name, share)| Part { name: (*name).to_owned(), share: *share }).collect()
}

pub(super) fn key(name: &str) -> Subject {
    Subject::new(SubjectKind::Key, name)
}

pub(super) fn endpoint(name: &str) -> Subject {
    Subject::new(SubjectKind::Endpoint, name)
}

fn burst_of_key() -> Incident {
    let told = facts([
        ("factor", Fact::Number(41.3)),
        ("per_minute", Fact::Number(1240.0)),
        ("usual_per_minute", Fact::Number(30.0)),
        ("hour_label", text("for this hour")),
        ("share_of_site", Fact::Share(0.38)),
        ("window", Fact::Span(Span::MINUTE)),
    ]);
    let mut incident = incident("burst", key("acme"), 1240.0, 30.0, "requests/min", told);
    incident.impact = Impact { requests: 1_260, errors: 0, cost: Some(1990.8) };
    incident.parts.endpoints =
        parts(&[("/v1/documents/process", 0.82), ("/v1/orders", 0.11), ("/v1/users/{id}", 0.07)]);
    incident.parts.clients = parts(&[("203.0.113.9", 1.0)]);
    incident.parts.user_agents = parts(&[("okhttp", 1.0)]);
    incident.history = Span::from_days(2);
    incident
}

fn burst_of_endpoint() -> Incident {
    let told = facts([
        ("factor", Fact::Number(6.2)),
        ("per_minute", Fact::Number(744.0)),
        ("usual_per_minute", Fact::Number(120.0)),
    ]);
    let mut incident = incident("burst", endpoint("/v1/orders/{id}"), 744.0, 120.0, "requests/min", told);
    incident.impact = Impact { requests: 2_300, errors: 12, cost: None };
    incident.detected_at = incident.started_at + Span::from_secs(190);
    incident.parts.keys = parts(&[("acme", 0.31), ("bolt", 0.24), ("wayne", 0.2), ("stark", 0.11), ("umbrella", 0.05)]);
    incident.trend = Trend::Steady;
    incident
}

fn burst_of_client() -> Incident {
    let subject = Subject::new(SubjectKind::Client, "203.0.113.77");
    let told = facts([("per_minute", Fact::Number(420.0)), ("share_of_site", Fact::Share(0.12))]);
    let mut incident = incident("burst", subject, 420.0, 0.0, "requests/min", told);
    incident.impact = Impact { requests: 840, errors: 310, cost: None };
    incident.parts.endpoints = parts(&[("/products/{id}", 0.97)]);
    incident.parts.user_agents = parts(&[("python-requests", 1.0)]);
    incident
}

fn burst_of_source() -> Incident {
    let subject = Subject::new(SubjectKind::Source, "web-2");
    let told = facts([("factor", Fact::Number(3.0)), ("per_minute", Fact::Number(6000.0))]);
    incident("burst", subject, 6000.0, 2000.0, "requests/min", told)
}

fn burst_of_site() -> Incident {
    let told = facts([
        ("factor", Fact::Number(2.6)),
        ("per_minute", Fact::Number(9_360.0)),
        ("usual_per_minute", Fact::Number(3_600.0)),
        ("hour_label", text("for this hour")),
        ("keys_up", Fact::Count(480)),
        ("keys_total", Fact::Count(500)),
    ]);
    let mut incident = incident("burst", Subject::site(), 9_360.0, 3_600.0, "requests/min", told);
    incident.impact = Impact { requests: 46_800, errors: 35, cost: None };
    incident.detected_at = incident.started_at + Span::from_mins(5);
    incident.parts.keys = parts(&[("acme", 0.03), ("bolt", 0.02), ("wayne", 0.02)]);
    incident.parts.endpoints = parts(&[("/v1/search", 0.44), ("/v1/orders", 0.2)]);
    incident
}

fn flood_of_keys() -> Incident {
    let told = facts([
        ("new_keys", Fact::Count(48_200)),
        ("usual_new_keys", Fact::Number(3.2)),
        ("per_minute", Fact::Number(9_640.0)),
        ("usual_per_minute", Fact::Number(0.64)),
        ("keys_total", Fact::Count(500)),
    ]);
    let mut incident = incident("burst", Subject::site(), 9_640.0, 0.64, "new keys/min", told);
    incident.id.replace_range(20.., "000001");
    incident.impact = Impact { requests: 52_410, errors: 52_396, cost: None };
    incident.parts.endpoints = parts(&[("/v1/search", 0.97)]);
    incident.parts.clients = parts(&[("198.51.100.7", 0.62), ("2001:db8:7:1::/64", 0.38)]);
    incident
}

fn errors_on_endpoint() -> Incident {
    let told = facts([
        ("class", text("5xx")),
        ("share", Fact::Share(0.31)),
        ("usual_share", Fact::Share(0.004)),
        ("errors", Fact::Count(412)),
        ("callers", Fact::Count(23)),
        ("statuses", statuses(&["502", "504"])),
    ]);
    let mut incident = incident("error-spike", endpoint("/v1/orders"), 0.31, 0.004, "share of requests", told);
    incident.severity = Severity::Critical;
    incident.impact = Impact { requests: 1_330, errors: 412, cost: None };
    incident.detected_at = incident.started_at + Span::from_mins(3);
    incident.parts.keys = parts(&[("acme", 0.41), ("bolt", 0.22), ("wayne", 0.1), ("stark", 0.1)]);
    incident
}

fn limited_key() -> Incident {
    let told = facts([
        ("class", text("429")),
        ("share", Fact::Share(0.64)),
        ("usual_share", Fact::Share(0.0)),
        ("errors", Fact::Count(1_820)),
        ("statuses", statuses(&["429"])),
    ]);
    let mut incident = incident("error-spike", key("bolt"), 0.64, 0.0, "share of requests", told);
    incident.impact = Impact { requests: 2_843, errors: 1_820, cost: None };
    incident.parts.endpoints = parts(&[("/v1/search", 1.0)]);
    incident.trend = Trend::Steady;
    incident
}

fn refused_client() -> Incident {
    let told = facts([
        ("class", text("401/403")),
        ("share", Fact::Share(0.97)),
        ("usual_share", Fact::Share(0.03)),
        ("errors", Fact::Count(620)),
        ("statuses", statuses(&["401"])),
    ]);
    let subject = Subject::new(SubjectKind::Client, "198.51.100.23");
    let mut incident = incident("error-spike", subject, 0.97, 0.03, "share of requests", told);
    incident.impact = Impact { requests: 639, errors: 620, cost: None };
    incident.parts.endpoints = parts(&[("/login", 0.99)]);
    incident
}

fn rejected_key() -> Incident {
    let told = facts([
        ("class", text("4xx")),
        ("share", Fact::Share(0.48)),
        ("usual_share", Fact::Share(0.02)),
        ("errors", Fact::Count(96)),
        ("statuses", statuses(&["422", "400", "404"])),
    ]);
    let mut incident = incident("error-spike", key("stark"), 0.48, 0.02, "share of requests", told);
    incident.impact = Impact { requests: 200, errors: 96, cost: None };
    incident.parts.endpoints = parts(&[("/v1/orders", 0.93)]);
    incident.history = Span::from_hours(20);
    incident
}

fn errors_on_site() -> Incident {
    let told = facts([
        ("class", text("5xx")),
        ("share", Fact::Share(0.72)),
        ("usual_share", Fact::Share(0.001)),
        ("errors", Fact::Count(5_210)),
        ("callers", Fact::Count(311)),
        ("statuses", statuses(&["503"])),
    ]);
    let mut incident = incident("error-spike", Subject::site(), 0.72, 0.001, "share of requests", told);
    incident.severity = Severity::Critical;
    incident.impact = Impact { requests: 7_240, errors: 5_210, cost: None };
    incident.also = vec!["burst key acme".to_owned(), "error-spike endpoint /v1/orders".to_owned()];
    incident
}

fn leaked_key() -> Incident {
    let told = facts([
        ("new_addresses", Fact::Count(37)),
        ("new_networks", Fact::Count(35)),
        ("known_networks", Fact::Count(3)),
        ("newcomer_requests", Fact::Count(612)),
        ("newcomer_share", Fact::Share(0.58)),
        ("concurrent", Fact::Flag(true)),
        ("new_agents", Fact::Count(2)),
        ("first_newcomer", Fact::Time(START)),
        ("rejected_share", Fact::Share(0.01)),
    ]);
    let mut incident = incident("leaked-key", key("wayne"), 37.0, 0.2, "new addresses", told);
    incident.severity = Severity::Critical;
    incident.detected_at = incident.started_at + Span::from_secs(40);
    incident.impact = Impact { requests: 612, errors: 3, cost: None };
    incident.parts.endpoints = parts(&[("/v1/orders", 0.41), ("/v1/users/{id}", 0.33), ("/v1/invoices", 0.2)]);
    incident.parts.clients = parts(&[
        ("198.51.100.7", 0.03),
        ("198.51.100.81", 0.03),
        ("203.0.113.40", 0.03),
        ("192.0.2.14", 0.02),
        ("192.0.2.200", 0.02),
    ]);
    incident
}

fn moved_key() -> Incident {
    let told = facts([
        ("new_addresses", Fact::Count(1)),
        ("new_networks", Fact::Count(1)),
        ("newcomer_requests", Fact::Count(240)),
        ("concurrent", Fact::Flag(false)),
        ("rejected_share", Fact::Share(0.96)),
    ]);
    let mut incident = incident("leaked-key", key("sk_live_…9f3a·7c41e0"), 1.0, 0.1, "new addresses", told);
    incident.parts.clients = parts(&[("192.0.2.14", 1.0)]);
    incident.impact = Impact { requests: 240, errors: 230, cost: None };
    incident.history = Span::from_days(4);
    incident
}

fn loop_with_cost() -> Incident {
    let told = facts([
        ("calls", Fact::Count(20)),
        ("per_hour", Fact::Number(20.8)),
        ("gap", Fact::Span(Span::from_secs(173))),
        ("failing", Fact::Flag(true)),
        ("failing_share", Fact::Share(1.0)),
        ("last_status", Fact::Count(504)),
        ("method", text("POST")),
        ("cost", Fact::Number(31.6)),
        ("cost_per_day", Fact::Number(789.0)),
        ("cost_per_hour", Fact::Number(32.9)),
        ("slow", Fact::Flag(true)),
        ("latency", Fact::Span(Span::from_secs(60))),
        ("share_of_caller", Fact::Share(0.64)),
    ]);
    let mut incident = incident("retry-loop", key("acme"), 20.0, 0.0, "calls", told);
    incident.severity = Severity::Critical;
    incident.detected_at = incident.started_at + Span::from_mins(57);
    incident.impact = Impact { requests: 20, errors: 20, cost: Some(31.6) };
    incident.parts.endpoints = parts(&[("/v1/documents/process", 1.0)]);
    incident.trend = Trend::Steady;
    incident
}

fn loop_succeeding() -> Incident {
    let told = facts([
        ("calls", Fact::Count(1_600)),
        ("per_hour", Fact::Number(7_200.0)),
        ("gap", Fact::Span(Span::from_millis(500))),
        ("failing", Fact::Flag(false)),
        ("method", text("PUT")),
        ("weak", Fact::Flag(true)),
        ("share_of_caller", Fact::Share(0.09)),
    ]);
    let subject = Subject::new(SubjectKind::Client, "203.0.113.5");
    let mut incident = incident("retry-loop", subject, 1_600.0, 0.0, "calls", told);
    incident.detected_at = incident.started_at + Span::from_mins(10);
    incident.impact = Impact { requests: 1_600, errors: 0, cost: None };
    incident.parts.endpoints = parts(&[("/v1/users/{id}", 1.0)]);
    incident
}

fn silent_source() -> Incident {
    let told = facts([
        ("usual_per_minute", Fact::Number(240.0)),
        ("per_minute", Fact::Number(0.0)),
        ("last_seen", Fact::Time(START)),
        ("silent_for", Fact::Span(Span::from_mins(5))),
        ("missing", Fact::Count(1_200)),
    ]);
    let mut incident =
        incident("traffic-drop", Subject::new(SubjectKind::Source, "api"), 0.0, 240.0, "requests/min", told);
    incident.severity = Severity::Critical;
    incident.detected_at = incident.started_at + Span::from_mins(5);
    incident.trend = Trend::Steady;
    incident
}

fn silent_key() -> Incident {
    let told = facts([
        ("usual_per_minute", Fact::Number(0.7)),
        ("per_minute", Fact::Number(0.0)),
        ("last_seen", Fact::Time(START - Span::from_mins(2))),
        ("silent_for", Fact::Span(Span::from_mins(62))),
        ("missing", Fact::Count(43)),
    ]);
    let mut incident = incident("traffic-drop", key("bolt"), 0.0, 0.7, "requests/min", told);
    incident.detected_at = incident.started_at + Span::HOUR;
    incident.trend = Trend::Steady;
    incident.history = Span::from_days(6);
    incident
}

fn thinner_endpoint() -> Incident {
    let told = facts([
        ("usual_per_minute", Fact::Number(90.0)),
        ("per_minute", Fact::Number(11.0)),
        ("missing", Fact::Count(395)),
    ]);
    let mut incident = incident("traffic-drop", endpoint("/v1/checkout"), 11.0, 90.0, "requests/min", told);
    incident.detected_at = incident.started_at + Span::from_mins(5);
    incident.impact = Impact { requests: 55, errors: 0, cost: None };
    incident
}

fn silent_site() -> Incident {
    let told = facts([("silent_for", Fact::Span(Span::from_mins(3))), ("last_seen", Fact::Time(START))]);
    incident("traffic-drop", Subject::site(), 0.0, 3_000.0, "requests/min", told)
}
