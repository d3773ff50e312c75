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
    /// The facts at a glance: since when, how big, where, which way.
    pub(super) rows: Vec<Row>,
    /// When the notice was decided.
    pub(super) time: String,
    /// Rule, incident, and what else helps to find it again.
    pub(super) footer: String,
}

/// One fact with its name.
#[derive(Clone, Serialize)]
pub(super) struct Row {
    pub(super) name: &'static str,
    pub(super) text: String,
    /// For Slack: names from the log stand in code spans, one a line. Nothing else in it is markup.
    slack: String,
}

/// Names shown in a row of a mail, and on Slack.
const SHOWN: usize = 5;
const SHOWN_ON_SLACK: usize = 3;

pub(super) fn layout(notice: &Notice, settings: &Settings) -> Layout {
    let actions: Vec<String> = notice.actions.iter().map(|a| safe::lines(a)).collect();
    let steps: Vec<String> = actions.iter().enumerate().map(|(i, a)| format!("{}. {a}", i + 1)).collect();
    let zone = settings.zone;
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
        rows: rows(notice, settings),
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
    let (requests, errors) = (notice.impact.requests, notice.impact.errors);
    if is_budget(notice) {
        // Of a budget, what is expected is its limit.
        let amount = |n: f64| if unit == "cost" { words::money(n, currency) } else { words::measured(n, &unit) };
        let used = notice.observed / notice.expected.max(1e-9);
        return format!("{} of {} ({})", amount(notice.observed), amount(notice.expected), words::percent(used));
    }
    let usually = |size: String| {
        if notice.expected > 0.0 { format!("{size}, usually {}", words::usual(notice.expected, &unit)) } else { size }
    };
    let of_all = (unit.starts_with("share") && errors > 0 && errors <= requests)
        .then(|| words::of_requests(errors as f64, requests as f64));
    // What was seen last says little about what is over.
    if let Some(of_all) = of_all.as_ref().filter(|_| notice.ended_at.is_some()) {
        return usually(format!("{of_all} ({})", words::percent(errors as f64 / requests as f64)));
    }
    let size = usually(words::measured(notice.observed, &unit));
    let mut toll = Vec::new();
    // The requests that still come are not the harm where requests are missing.
    if requests > 0 && requests as f64 != notice.observed && !is_drop(notice) {
        toll.push(of_all.unwrap_or_else(|| words::plural(requests as f64, "request", "requests")));
    }
    if let Some(cost) = notice.impact.cost.filter(|c| c.is_finite() && *c > 0.0) {
        toll.push(words::money(cost, currency));
    }
    if toll.is_empty() {
        return size;
    }
    format!("{size}; {} {}", words::list(&toll, 2), if notice.ended_at.is_some() { "in all" } else { "so far" })
}

fn is_drop(notice: &Notice) -> bool {
    notice.detector == "traffic-drop"
}

fn is_budget(notice: &Notice) -> bool {
    notice.detector == "budget"
}

fn rows(notice: &Notice, settings: &Settings) -> Vec<Row> {
    let row = |name, text: String| Row { name, slack: safe::slack(&text), text };
    let mut rows = vec![row("Since", since(notice, settings.zone)), row("How big", size(notice, &settings.currency))];
    rows.extend(places(notice));
    if let Some((per_hour, projected, then)) =
        notice.money.and_then(|m| Some((m.per_hour?, m.projected?, m.projected_at?)))
    {
        let money = |amount| words::money(amount, &settings.currency);
        let then = words::clock(then, notice.at, settings.zone);
        let text = format!("about {} an hour now; {} by {then} if nobody acts", money(per_hour), money(projected));
        rows.push(row("Cost", text));
    }
    if let Some(whose) = &notice.consumer
        && !whose.line().is_empty()
    {
        let of = if notice.subject.kind == SubjectKind::Key {
            String::new()
        } else {
            format!("{}: ", safe::name(&whose.name, safe::VALUE_CHARS))
        };
        rows.push(row("Owner", format!("{of}{}", whose.line())));
    }
    match notice.trend {
        _ if notice.kind == NoticeType::Resolved || is_budget(notice) => {}
        Trend::Rising => rows.push(row("Trend", "getting worse".to_owned())),
        Trend::Steady => rows.push(row("Trend", "holding steady".to_owned())),
        Trend::Falling => rows.push(row("Trend", "easing".to_owned())),
    }
    rows
}

/// What it is made of, but for the subject itself, a row a kind. Where traffic is missing, what still comes would
/// mislead.
fn places(notice: &Notice) -> Vec<Row> {
    if is_drop(notice) {
        return Vec::new();
    }
    let parts = &notice.parts;
    let kinds = [
        (Some(SubjectKind::Endpoint), ["Endpoint", "Endpoints"], &parts.endpoints),
        (Some(SubjectKind::Key), ["Key", "Keys"], &parts.keys),
        (Some(SubjectKind::Client), ["Address", "Addresses"], &parts.clients),
        (None, ["Program", "Programs"], &parts.user_agents),
        (None, ["Country", "Countries"], &parts.countries),
    ];
    let own = |kind, part: &Part| kind == Some(notice.subject.kind) && part.name == notice.subject.name;
    kinds
        .into_iter()
        .filter_map(|(kind, [one, many], parts)| {
            let named: Vec<(String, f64)> = parts
                .iter()
                .filter(|part| !own(kind, part))
                .take(SHOWN)
                .map(|part| (safe::name(&part.name, safe::VALUE_CHARS), part.share))
                .collect();
            (!named.is_empty()).then(|| Row {
                name: if named.len() == 1 { one } else { many },
                text: named.iter().map(|(name, share)| with_share(name, *share)).collect::<Vec<_>>().join(", "),
                slack: named
                    .iter()
                    .take(SHOWN_ON_SLACK)
                    .map(|(name, share)| with_share(&code(name), *share))
                    .collect::<Vec<_>>()
                    .join("\n"),
            })
        })
        .collect()
}

fn with_share(name: &str, share: f64) -> String {
    if (0.01..0.995).contains(&share) { format!("{name} {}", words::percent(share)) } else { name.to_owned() }
}

/// A Slack code span: nothing in it is markup.
fn code(name: &str) -> String {
    format!("`{}`", safe::clip_end(&safe::slack(name), 120))
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
