//! From a change of the incident book to the notice that people read: title, summary and what to do.
//!
//! The words lie in `alert-templates/words/`, one file a detector; this file gives them their data. If a template
//! fails on data that no sample foresaw, plainer words are taken: a notice is always made.

use std::collections::BTreeMap;

use minijinja::value::{Serde, Value};
use serde::Serialize;

use super::money::spent;
use super::safe::{self, VALUE_CHARS};
use super::template::{TemplateError, Templates};
use super::{Money, Notice, NoticeType, Outcome, SCHEMA, Whose, words};
use crate::detect::grounds::Grounds;
use crate::detect::{Fact, Facts, Impact, Trend};
use crate::event::{Severity, SubjectKind, with_digits};
use crate::incident::{Again, Change, ChangeKind, Ending, Incident, Part, Where};
use crate::time::{Span, Timestamp, Zone};

/// The most characters of a title; one that gets longer loses its end.
pub(crate) const TITLE_CHARS: usize = 120;
/// The most characters of a name in a title, so that a title stays near 90.
const TITLE_NAME_CHARS: usize = 40;
const SUMMARY_CHARS: usize = 1200;
const ACTION_CHARS: usize = 240;
const ACTIONS: usize = 5;
/// "Usual" rests on the week from here on; before, the text says how much history there is.
const FULL_HISTORY: Span = Span::from_days(8);
/// Reminders come hours after the beginning: what is told as one sooner than this is told for the first time, since a
/// silence about it is over or was broken.
const NO_REMINDER: Span = Span::from_mins(30);

/// The facts that templates may ask for. A fact that a finding lacks is `none`; any other name is an error, so that a
/// typing error in a template does not stay silent.
#[rustfmt::skip]
const FACTS: &[&str] = &[
    // burst
    "factor", "per_minute", "usual_per_minute", "hour_label", "share_of_site", "keys_up", "keys_total", "window", "new_keys", "usual_new_keys",
    "new_clients", "new_client_networks", "new_client_requests",
    // error-spike
    "class", "share", "usual_share", "errors", "callers", "statuses",
    // leaked-key
    "new_addresses", "new_networks", "known_networks", "newcomer_requests", "newcomer_share", "concurrent", "new_agents",
    "first_newcomer", "rejected_share",
    // front-end-exposure
    "access_networks", "access_only", "browser_networks", "browser_requests", "page_share", "servers_for", "server_networks", "usual_browser_networks",
    // impossible-travel
    "from_place", "to_place", "distance_km", "between", "speed", "requests_there", "both_used", "networks_known",
    "networks_only", "used_for",
    // shared-key, drift
    "steady_networks", "steady_before", "grown_for", "lasting", "changed", "drift_share", "usual_drift", "more", "less",
    "more_share", "more_before", "less_share", "less_before", "compared_days",
    // retry-loop
    "calls", "per_hour", "gap", "failing", "failing_share", "last_status", "method", "cost", "cost_per_day", "cost_per_hour", "weak",
    "slow", "latency", "share_of_caller",
    // harvesting
    "resources", "usual_resources", "collecting_for", "resources_per_hour", "in_sequence", "sequence_share", "peers_only",
    "crawler", "walk_steps",
    // enumeration
    "form", "things", "scanner_paths",
    // credential-stuffing
    "failed_logins", "logins", "addresses", "succeeded", "got_in", "first_success", "failures_before", "spread", "regular",
    // scope-creep
    "new_routes", "new_writes", "first_write", "denied_routes", "sensitive", "known_for",
    // payload-size, slow-response
    "what", "size", "usual_size", "far_share", "usual_latency", "slow_share", "endpoints_slow", "endpoints_asked",
    // budget
    "measure", "spent", "limit", "used", "step", "period", "period_start", "period_end", "runs_out", "counted_since",
    // traffic-drop
    "last_seen", "silent_for", "missing", "expected_window",
    // what became of it, whatever found it
    "after", "ended_by", "over_since", "refused_since", "refused_for", "refused_per_minute", "allowed_per_minute", "refused_statuses",
    "refused_trend", "silent_since", "gone", "gone_share", "now_per_minute", "now_usual", "now_requests", "now_failed", "members",
    "members_stopped", "members_refused", "fix", "fix_at", "fix_before",
    // rules of the users' own
    "deploy", "deploy_at", "deploy_before", "rule_limit", "compare", "factor_of", "rule_factor", "group", "steps", "times", "cooldown", "routed",
];

/// What a words template sees. Names are cleaned and shortened; times are words; spans are seconds.
#[derive(Serialize)]
struct View {
    kind: NoticeType,
    resolved: bool,
    prefix: String,
    ending: &'static str,
    detector: String,
    rule: String,
    severity: &'static str,
    subject: SubjectView,
    who: String,
    short: String,
    whom: String,
    consumer: Option<Whose>,
    started: String,
    detected: String,
    period: String,
    delay: f64,
    lasted: f64,
    observed: f64,
    expected: f64,
    peak: f64,
    factor: Option<f64>,
    peak_factor: Option<f64>,
    unit: String,
    trend: &'static str,
    requests: u64,
    errors: u64,
    cost: Option<f64>,
    money: Option<MoneyView>,
    keys: Vec<Part>,
    endpoints: Vec<Part>,
    clients: Vec<Part>,
    agents: Vec<Part>,
    countries: Vec<Part>,
    also: Vec<String>,
    young: bool,
    history: f64,
    facts: BTreeMap<String, Value>,
}

/// What it costs, with the time in words.
#[derive(Serialize)]
struct MoneyView {
    so_far: f64,
    per_hour: Option<f64>,
    projected: Option<f64>,
    projected_at: Option<String>,
}

#[derive(Serialize)]
struct SubjectView {
    kind: SubjectKind,
    name: String,
    short: String,
}

/// Title, summary and actions of a change, as a notice.
pub(super) fn notice(templates: &Templates, change: &Change, whose: Option<&Whose>, zone: Zone) -> Notice {
    let incident = &change.incident;
    let value = Value::from(Serde(view(change, whose, zone)));
    let texts = candidates(templates, incident)
        .iter()
        .find_map(|name| texts(templates, name, &value).ok())
        .unwrap_or_else(|| plain(change, zone));
    let outcome = Outcome::of(change);
    let good_news = !matches!(change.kind, ChangeKind::Resolved(_)) && outcome.as_ref().is_some_and(Outcome::is_fixed);
    Notice {
        schema: SCHEMA,
        kind: kind(change.kind),
        incident: incident.id.clone(),
        detector: incident.detector.clone(),
        rule: incident.rule.clone(),
        // That what was done about it works wakes nobody.
        severity: if good_news { Severity::Info } else { incident.severity },
        subject: incident.subject.clone(),
        started_at: incident.started_at,
        detected_at: incident.detected_at,
        ended_at: incident.ended_at,
        observed: finite(incident.observed),
        expected: finite(incident.expected),
        unit: incident.unit.clone(),
        trend: incident.trend,
        impact: Impact { cost: incident.impact.cost.filter(|c| c.is_finite()).map(spent), ..incident.impact },
        parts: incident.parts.clone(),
        title: texts.title,
        summary: texts.summary,
        actions: texts.actions,
        money: Money::of(change, zone),
        outcome,
        consumer: whose.cloned(),
        at: change.at,
        drill: false,
        kept: match change.kind {
            ChangeKind::Kept(reason) => Some(reason.words().to_owned()),
            _ => None,
        },
    }
}

/// What an incident is about, in the same words for its whole life: the subject of its mails.
pub(super) fn topic(templates: &Templates, notice: &Notice, zone: Zone) -> String {
    // Only what stays the same from opening to end; the rest is as if unknown.
    let incident = Incident {
        id: String::new(),
        detector: notice.detector.clone(),
        rule: notice.rule.clone(),
        severity: notice.severity,
        subject: notice.subject.clone(),
        started_at: notice.started_at,
        detected_at: notice.started_at,
        ended_at: None,
        observed: 0.0,
        expected: 0.0,
        peak: 0.0,
        unit: notice.unit.clone(),
        trend: Trend::Steady,
        impact: Impact::default(),
        parts: Where::default(),
        facts: Facts::new(),
        also: Vec::new(),
        history: Span::ZERO,
        grounds: Grounds::default(),
    };
    let change = Change { kind: ChangeKind::Opened, incident, at: notice.started_at };
    let value = Value::from(Serde(view(&change, None, zone)));
    candidates(templates, &change.incident)
        .iter()
        .find_map(|name| templates.blocks(name, &value, ["topic"]).ok())
        .map(|[topic]| sentences(&topic))
        .filter(|topic| !topic.is_empty())
        .unwrap_or_else(|| plain(&change, zone).title)
}

/// Renders one template with one change, for the check when templates are loaded.
pub(super) fn check(templates: &Templates, name: &str, change: &Change, zone: Zone) -> Result<(), TemplateError> {
    let value = Value::from(Serde(view(change, None, zone)));
    texts(templates, name, &value).map(|_| ())?;
    let [topic] = templates.blocks(name, &value, ["topic"])?;
    if topic.trim().is_empty() {
        return Err(templates.refuse(name, "expected words in the block topic, found none"));
    }
    Ok(())
}

struct Texts {
    title: String,
    summary: String,
    actions: Vec<String>,
}

fn texts(templates: &Templates, name: &str, value: &Value) -> Result<Texts, TemplateError> {
    let [title, summary, actions] = templates.blocks(name, value, ["title", "summary", "actions"])?;
    let title = safe::clip_end(&sentences(&title), TITLE_CHARS);
    let summary = safe::clip_end(&sentences(&summary), SUMMARY_CHARS);
    for (block, text) in [("title", &title), ("summary", &summary)] {
        if text.is_empty() {
            return Err(templates.refuse(name, format!("expected words in the block {block}, found none")));
        }
    }
    let actions = actions
        .split("\n- ")
        .enumerate()
        .map(|(i, a)| sentences(if i == 0 { a.trim_start().strip_prefix("- ").unwrap_or(a) } else { a }))
        .filter(|a| !a.is_empty())
        .map(|a| safe::clip_end(&a, ACTION_CHARS))
        .take(ACTIONS)
        .collect();
    Ok(Texts { title, summary, actions })
}

/// Templates to try, the most particular first: the user's own rule, the detector, any.
fn candidates(templates: &Templates, incident: &Incident) -> Vec<String> {
    let mut names: Vec<String> = [&incident.rule, &incident.detector]
        .into_iter()
        .filter(|name| name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_') && *name != "base")
        .map(|name| format!("words/{name}.txt"))
        .filter(|name| templates.has(name))
        .collect();
    names.push("words/other.txt".to_owned());
    names
}

fn kind(change: ChangeKind) -> NoticeType {
    match change {
        ChangeKind::Updated(_) => NoticeType::Updated,
        ChangeKind::Resolved(_) => NoticeType::Resolved,
        ChangeKind::Opened | ChangeKind::Kept(_) => NoticeType::Opened,
    }
}

fn view(change: &Change, whose: Option<&Whose>, zone: Zone) -> View {
    let incident = &change.incident;
    let end = incident.ended_at.unwrap_or(change.at);
    let when = |t| words::clock(t, change.at, zone);
    let subject = |max| safe::name(&incident.subject.name, max);
    let who = |name: String| match incident.subject.kind {
        SubjectKind::Key => format!("key {name}"),
        SubjectKind::Endpoint => name,
        SubjectKind::Client => format!("client {name}"),
        SubjectKind::Source => format!("source {name}"),
        SubjectKind::Site => "the whole site".to_owned(),
    };
    let factor = |value: f64| (incident.expected > 0.0).then(|| value / incident.expected).filter(|f| f.is_finite());
    let parts = |parts: &[Part]| {
        let clean = |p: &Part| Part { name: safe::name(&p.name, VALUE_CHARS), share: p.share };
        parts.iter().take(64).map(clean).collect::<Vec<_>>()
    };
    let (prefix, ending) = match change.kind {
        // Of what became of it the title says so itself.
        ChangeKind::Opened | ChangeKind::Kept(_) | ChangeKind::Updated(Again::Refused | Again::PartlyRefused) => {
            (String::new(), "")
        }
        ChangeKind::Updated(Again::Worse) => ("Worse: ".to_owned(), ""),
        // Told for the first time, since a silence about it was broken.
        ChangeKind::Updated(Again::Reminder) if end - incident.started_at < NO_REMINDER => (String::new(), ""),
        ChangeKind::Updated(Again::Reminder) => {
            (format!("Still going on after {}: ", words::roughly(end - incident.started_at)), "")
        }
        ChangeKind::Updated(Again::NewHarm) => (
            match incident.also.last().map(|finding| finding.split(' ').next().unwrap_or_default()) {
                Some(detector) => format!("Also {}: ", words::harm(&safe::name(detector, TITLE_NAME_CHARS))),
                None => "More: ".to_owned(),
            },
            "",
        ),
        ChangeKind::Updated(Again::Moved) => ("Goes on from another address: ".to_owned(), ""),
        ChangeKind::Resolved(Ending::Calm) => (String::new(), "calm"),
        ChangeKind::Resolved(Ending::Joined) => (String::new(), "joined"),
    };
    View {
        kind: kind(change.kind),
        resolved: matches!(change.kind, ChangeKind::Resolved(_)),
        prefix,
        ending,
        detector: safe::name(&incident.detector, VALUE_CHARS),
        rule: safe::name(&incident.rule, VALUE_CHARS),
        severity: incident.severity.as_str(),
        who: who(subject(VALUE_CHARS)),
        short: who(subject(TITLE_NAME_CHARS)),
        whom: whom(incident, whose),
        consumer: whose.cloned(),
        subject: SubjectView {
            kind: incident.subject.kind,
            name: subject(VALUE_CHARS),
            short: subject(TITLE_NAME_CHARS),
        },
        started: when(incident.started_at),
        detected: when(incident.detected_at),
        period: words::from_to(incident.started_at, end, change.at, zone),
        delay: seconds(incident.detected_at, incident.started_at),
        lasted: seconds(end, incident.started_at),
        observed: finite(incident.observed),
        expected: finite(incident.expected),
        peak: finite(incident.peak.max(incident.observed)),
        factor: factor(incident.observed),
        peak_factor: factor(incident.peak.max(incident.observed)),
        unit: safe::clip(&safe::terminal(&incident.unit), TITLE_NAME_CHARS),
        trend: match incident.trend {
            Trend::Rising => "rising",
            Trend::Steady => "steady",
            Trend::Falling => "falling",
        },
        requests: incident.impact.requests,
        errors: incident.impact.errors,
        cost: incident.impact.cost.filter(|c| c.is_finite() && *c > 0.0),
        money: Money::of(change, zone).map(|money| MoneyView {
            so_far: money.so_far,
            per_hour: money.per_hour,
            projected: money.projected,
            projected_at: money.projected_at.map(when),
        }),
        keys: parts(&incident.parts.keys),
        endpoints: parts(&incident.parts.endpoints),
        clients: parts(&incident.parts.clients),
        agents: parts(&incident.parts.user_agents),
        countries: parts(&incident.parts.countries),
        also: incident.also.iter().rev().take(8).map(|finding| also(finding)).collect(),
        young: incident.history > Span::ZERO && incident.history < FULL_HISTORY,
        history: incident.history.secs_f64(),
        facts: facts(&incident.facts, change.at, zone),
    }
}

/// Whom to ask about an incident: `the owner of key acme (payments team, pay@example.com)`.
fn whom(incident: &Incident, whose: Option<&Whose>) -> String {
    let name = safe::name(&incident.subject.name, VALUE_CHARS);
    let asked = match incident.subject.kind {
        SubjectKind::Key => format!("the owner of key {name}"),
        SubjectKind::Client => return format!("whoever runs client {name}"),
        _ => return "the callers".to_owned(),
    };
    whose.and_then(Whose::reach).map_or_else(|| asked.clone(), |reach| format!("{asked} ({reach})"))
}

/// `error-spike key acme` as `more errors for key acme`.
fn also(finding: &str) -> String {
    let (detector, subject) = finding.split_once(' ').unwrap_or((finding, ""));
    let harm = words::harm(&safe::name(detector, TITLE_NAME_CHARS));
    let subject = subject.strip_prefix("endpoint ").unwrap_or(subject);
    let of = match detector {
        "burst" | "traffic-drop" => "from",
        "error-spike" => "for",
        _ => "of",
    };
    match subject.split_once(' ') {
        _ if subject.is_empty() => harm,
        _ if subject == "site" => format!("{harm} on the whole site"),
        Some((kind @ ("key" | "client" | "source"), name)) => {
            format!("{harm} {of} {kind} {}", safe::name(name, VALUE_CHARS))
        }
        _ => format!("{harm} on {}", safe::name(subject, VALUE_CHARS)),
    }
}

fn facts(facts: &Facts, at: Timestamp, zone: Zone) -> BTreeMap<String, Value> {
    let mut values: BTreeMap<String, Value> = FACTS.iter().map(|n| ((*n).to_owned(), Value::from(()))).collect();
    for (name, fact) in facts {
        let text = |text: &str| Value::from(safe::value(text, VALUE_CHARS));
        let value = match fact {
            Fact::Count(n) => Value::from(*n),
            Fact::Number(n) | Fact::Share(n) if !n.is_finite() => continue,
            Fact::Number(n) | Fact::Share(n) => Value::from(*n),
            Fact::Text(t) => text(t),
            Fact::Time(t) => Value::from(words::clock(*t, at, zone)),
            Fact::Span(s) => Value::from(s.secs_f64()),
            Fact::List(l) => Value::from(l.iter().take(64).map(|t| text(t)).collect::<Vec<_>>()),
            Fact::Flag(f) => Value::from(*f),
        };
        values.insert(name.clone(), value);
    }
    values
}

/// Words without any template.
fn plain(change: &Change, zone: Zone) -> Texts {
    let view = view(change, None, zone);
    let (detector, who) = (words::capital(&words::harm(&view.detector)), &view.short);
    let title = if view.resolved { format!("Over: {detector}, {who}") } else { format!("{detector}: {who}") };
    let summary = format!(
        "Since {}: {}, usually {}.",
        view.started,
        words::measured(view.observed, &view.unit),
        words::measured(view.expected, &view.unit)
    );
    Texts { title: safe::clip_end(&title, TITLE_CHARS), summary, actions: Vec::new() }
}

/// One line of text: what templates put on several lines becomes sentences in a row.
fn sentences(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn seconds(end: Timestamp, start: Timestamp) -> f64 {
    (end - start).secs_f64().max(0.0)
}

/// As a number of JSON: what is counted as it is, what is reckoned no finer than anybody needs.
fn finite(n: f64) -> f64 {
    if n.is_finite() { with_digits(n, 9) } else { 0.0 }
}
