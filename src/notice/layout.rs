//! What the layout of a message sees: a notice's texts and numbers in the words that all receivers share.

use serde::Serialize;

use super::{Notice, NoticeType, Settings, safe, words};
use crate::detect::Trend;
use crate::event::{Severity, SubjectKind};
use crate::incident::Part;
use crate::time::Zone;

/// A notice, ready for a layout. All texts are free of control characters; none is escaped for its receiver yet.
#[derive(Clone, Serialize)]
pub(super) struct Layout {
    /// `Critical`, `Warning`, `Info`, `Update`, `Resolved` or `Drill`.
    pub(super) state: &'static str,
    /// A sign for the state, with a space, for receivers that show such.
    mark: &'static str,
    /// `Resolved: `, `Drill: ` or nothing.
    pub(super) lead: String,
    pub(super) severity: &'static str,
    /// A colour for the state, as HTML writes it.
    colour: &'static str,
    pub(super) title: String,
    pub(super) summary: String,
    pub(super) actions: Vec<String>,
    /// The actions as numbered lines.
    steps: String,
    pub(super) since: String,
    pub(super) size: String,
    #[serde(rename = "where")]
    pub(super) place: String,
    /// The same for Slack: each name in a code span with its share.
    places: Vec<String>,
    pub(super) trend: &'static str,
    /// When the notice was decided.
    pub(super) time: String,
    /// Rule, incident, and what else helps to find it again.
    pub(super) footer: String,
}

/// Parts named per kind, and in all.
const SHOWN: usize = 2;
const SHOWN_IN_ALL: usize = 5;

pub(super) fn layout(notice: &Notice, settings: &Settings) -> Layout {
    let actions: Vec<String> = notice.actions.iter().map(|a| safe::lines(a)).collect();
    let steps: Vec<String> = actions.iter().enumerate().map(|(i, a)| format!("{}. {a}", i + 1)).collect();
    let zone = settings.zone;
    let named = named(notice);
    let (state, mark, colour) = state(notice);
    Layout {
        state,
        mark,
        lead: lead(notice).to_owned(),
        severity: notice.severity.as_str(),
        colour,
        title: safe::terminal(&notice.title),
        summary: safe::lines(&notice.summary),
        steps: steps.join("\n"),
        actions,
        since: since(notice, zone),
        size: size(notice, &settings.currency),
        place: if named.is_empty() {
            subject(notice)
        } else {
            named.iter().map(|(part, share)| with_share(part, *share)).collect::<Vec<_>>().join(", ")
        },
        places: if named.is_empty() {
            vec![code(&subject(notice))]
        } else {
            named.iter().map(|(part, share)| with_share(&code(part), *share)).collect()
        },
        trend: match notice.trend {
            _ if notice.kind == NoticeType::Resolved => "over",
            Trend::Rising => "getting worse",
            Trend::Steady => "holding steady",
            Trend::Falling => "easing",
        },
        time: words::clock(notice.at, notice.at, zone),
        footer: footer(notice, zone),
    }
}

fn state(notice: &Notice) -> (&'static str, &'static str, &'static str) {
    let (word, mark, colour) = match notice.severity {
        Severity::Critical => ("Critical", "🔴 ", "#b3261e"),
        Severity::Warning => ("Warning", "🟠 ", "#a15c00"),
        Severity::Info => ("Info", "🔵 ", "#1f5fa8"),
    };
    match notice.kind {
        _ if notice.drill => ("Drill", "🔔 ", "#5a6675"),
        NoticeType::Opened => (word, mark, colour),
        NoticeType::Updated => ("Update", mark, colour),
        NoticeType::Resolved => ("Resolved", "✅ ", "#1d7a3e"),
    }
}

fn lead(notice: &Notice) -> &'static str {
    match notice.kind {
        NoticeType::Resolved if notice.drill => "Drill, resolved: ",
        _ if notice.drill => "Drill: ",
        NoticeType::Resolved => "Resolved: ",
        NoticeType::Opened | NoticeType::Updated => "",
    }
}

fn since(notice: &Notice, zone: Zone) -> String {
    if let Some(end) = notice.ended_at {
        let lasted = words::duration(end - notice.started_at);
        return format!("{} ({lasted})", words::from_to(notice.started_at, end, notice.at, zone));
    }
    let started = words::clock(notice.started_at, notice.at, zone);
    let delay = notice.detected_at - notice.started_at;
    if delay.millis() < 1000 {
        return started;
    }
    format!("{started}, noticed {} later", words::duration(delay))
}

fn size(notice: &Notice, currency: &str) -> String {
    let unit = safe::value(&notice.unit, safe::VALUE_CHARS);
    let mut size = words::measured(notice.observed, &unit);
    if notice.expected > 0.0 {
        size = format!("{size}, usually {}", words::usual(notice.expected, &unit));
    }
    let mut toll = Vec::new();
    if notice.impact.requests > 0 && notice.impact.requests as f64 != notice.observed {
        toll.push(words::plural(notice.impact.requests as f64, "request", "requests"));
    }
    if let Some(cost) = notice.impact.cost.filter(|c| c.is_finite() && *c > 0.0) {
        toll.push(words::money(cost, currency));
    }
    if toll.is_empty() {
        return size;
    }
    format!("{size}; {} {}", words::list(&toll, 2), if notice.ended_at.is_some() { "in all" } else { "so far" })
}

/// The largest parts that are not the subject itself.
fn named(notice: &Notice) -> Vec<(String, f64)> {
    let kinds = [
        (SubjectKind::Endpoint, &notice.parts.endpoints, SHOWN),
        (SubjectKind::Key, &notice.parts.keys, SHOWN),
        (SubjectKind::Client, &notice.parts.clients, SHOWN),
        (SubjectKind::Site, &notice.parts.user_agents, 1),
        (SubjectKind::Site, &notice.parts.countries, 1),
    ];
    let own = |kind: SubjectKind, part: &Part| kind == notice.subject.kind && part.name == notice.subject.name;
    kinds
        .into_iter()
        .flat_map(|(kind, parts, shown)| parts.iter().filter(move |p| !own(kind, p)).take(shown))
        .take(SHOWN_IN_ALL)
        .map(|p| (safe::name(&p.name, safe::VALUE_CHARS), p.share))
        .collect()
}

fn with_share(name: &str, share: f64) -> String {
    if (0.01..0.995).contains(&share) { format!("{name} {}", words::percent(share)) } else { name.to_owned() }
}

/// A Slack code span: nothing in it is markup.
fn code(name: &str) -> String {
    format!("`{}`", safe::clip_end(&safe::slack(name), 120))
}

/// What the notice is about, in words.
pub(super) fn subject(notice: &Notice) -> String {
    let name = safe::name(&notice.subject.name, safe::VALUE_CHARS);
    match notice.subject.kind {
        SubjectKind::Endpoint => name,
        SubjectKind::Site => "the whole site".to_owned(),
        kind => format!("{kind} {name}"),
    }
}

fn footer(notice: &Notice, zone: Zone) -> String {
    let rule = safe::value(&notice.rule, safe::VALUE_CHARS);
    let incident = safe::value(&notice.incident, safe::VALUE_CHARS);
    let opened = words::clock(notice.detected_at, notice.at, zone);
    let which = match notice.kind {
        NoticeType::Opened => format!("incident {incident}"),
        NoticeType::Updated => format!("update of incident {incident}, opened {opened}"),
        NoticeType::Resolved => format!("end of incident {incident}, opened {opened}"),
    };
    let drill = if notice.drill { "This is a drill: nothing has happened. " } else { "" };
    format!("{drill}Rule {rule} · {} · {which}", notice.severity)
}
