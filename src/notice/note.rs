//! Messages that are not about one incident: digests of many, and words about Lapwing's own health.

use serde::Serialize;

use super::{Notice, NoticeType, safe, words};
use crate::event::Severity;
use crate::incident::kept::Reason;
use crate::time::Timestamp;

/// The most incidents that a digest names.
const NAMED: usize = 10;

/// A plain message: `Channel ops is broken`, or a digest.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct Note {
    /// Who and what, in one line.
    pub title: String,
    /// A few sentences; may be empty.
    pub body: String,
    /// A list below the body; may be empty.
    pub items: Vec<String>,
    /// When it was decided: log time for digests, wall time for health.
    pub at: Timestamp,
    /// What makes it unlike other notes of the same instant, for message ids.
    pub id: String,
}

impl Note {
    /// A note without a list.
    pub fn new(title: impl Into<String>, body: impl Into<String>, at: Timestamp) -> Self {
        let (title, body) = (title.into(), body.into());
        let id = format!("{:016x}", rapidhash::v3::rapidhash_v3(format!("{title}\n{body}").as_bytes()));
        Note { title, body, items: Vec::new(), at, id }
    }

    /// Many notices as one note: how many, the worst first, and what is not named. If an incident occurs more than
    /// once, its newest notice counts.
    pub fn digest(notices: &[Notice]) -> Self {
        if !notices.is_empty() && notices.iter().all(|notice| notice.kept.is_some()) {
            return Note::summary(notices);
        }
        let mut newest: Vec<&Notice> = Vec::new();
        for notice in notices {
            match newest.iter_mut().find(|n| n.incident == notice.incident) {
                Some(known) if known.at <= notice.at => *known = notice,
                Some(_) => {}
                None => newest.push(notice),
            }
        }
        // Those that still go on, then the severe, then the costly, then the large.
        newest.sort_by(|a, b| {
            let rank = |n: &Notice| (n.kind != NoticeType::Resolved, n.severity);
            let weight = |n: &Notice| (n.impact.cost.unwrap_or(0.0), n.impact.requests);
            rank(b).cmp(&rank(a)).then(weight(b).partial_cmp(&weight(a)).unwrap_or(std::cmp::Ordering::Equal))
        });
        let mut note = Note::new(title(&newest), body(&newest), notices.iter().map(|n| n.at).max().unwrap_or_default());
        let ids: Vec<&str> = newest.iter().map(|n| n.incident.as_str()).collect();
        note.id = format!("{:016x}", rapidhash::v3::rapidhash_v3(ids.join(" ").as_bytes()));
        note.items = newest.iter().take(NAMED).map(|n| item(n)).collect();
        if newest.len() > NAMED {
            note.items.push(format!("and {} more, see `lapwing incidents`", newest.len() - NAMED));
        }
        note
    }

    /// The daily summary: what was worth a line but no message of its own, in the order given, each with its reason.
    fn summary(notices: &[Notice]) -> Self {
        let held = notices.iter().filter(|n| n.kept.as_deref() == Some(Reason::Budget.words())).count();
        let title = match (notices.len(), held) {
            (1, 0) => "Daily summary: one thing worth a look".to_owned(),
            (n, 0) => format!("Daily summary: {} things worth a look", words::count(n as f64)),
            (n, held) => format!(
                "Daily summary: {} worth a look, {} of them held back by the alert budget",
                words::plural(n as f64, "thing", "things"),
                words::count(held as f64)
            ),
        };
        let at = notices.iter().map(|n| n.at).max().unwrap_or_default();
        let mut note = Note::new(title, "Nothing here needed anybody at once.", at);
        if held > 0 {
            note.body =
                "More was going on than [alerts] budget lets through; the strongest was told at once.".to_owned();
        }
        let ids: Vec<&str> = notices.iter().map(|n| n.incident.as_str()).collect();
        note.id = format!("{:016x}", rapidhash::v3::rapidhash_v3(format!("{at} {}", ids.join(" ")).as_bytes()));
        let item = |n: &Notice| format!("{} ({})", n.title, n.kept.as_deref().unwrap_or_default());
        note.items = notices.iter().take(NAMED).map(item).collect();
        if notices.len() > NAMED {
            note.items.push(format!("and {} more", notices.len() - NAMED));
        }
        note
    }

    /// The note with everything in it free of control characters and bounded.
    pub(super) fn clean(&self) -> Note {
        Note {
            title: safe::clip_end(&safe::terminal(&self.title), 150),
            body: safe::clip_end(&safe::lines(&self.body), 2500),
            items: self.items.iter().take(30).map(|i| safe::clip_end(&safe::terminal(i), 250)).collect(),
            at: self.at,
            id: self.id.chars().filter(char::is_ascii_alphanumeric).take(64).collect(),
        }
    }

    /// The note as plain text.
    pub(super) fn text(&self) -> String {
        let mut text = self.title.clone();
        if !self.body.is_empty() {
            text = format!("{text}\n{}", self.body);
        }
        for item in &self.items {
            text.push_str("\n- ");
            text.push_str(item);
        }
        text
    }
}

fn title(newest: &[&Notice]) -> String {
    let open = newest.iter().filter(|n| n.kind != NoticeType::Resolved).count();
    let more = |n: usize| format!("{} more incident{}", words::count(n as f64), if n == 1 { "" } else { "s" });
    match (newest.first(), open) {
        (None, _) => "No incidents".to_owned(),
        (Some(_), 0) if newest.len() == 1 => "1 incident is over".to_owned(),
        (Some(_), 0) => format!("{} incidents are over", words::count(newest.len() as f64)),
        (Some(worst), _) => {
            format!("{}, worst: {}", more(newest.len()), worst.title)
        }
    }
}

fn body(newest: &[&Notice]) -> String {
    let open = |severity| newest.iter().filter(|n| n.kind != NoticeType::Resolved && n.severity == severity).count();
    let over = newest.iter().filter(|n| n.kind == NoticeType::Resolved).count();
    let counts: Vec<String> = [
        (open(Severity::Critical), "critical"),
        (open(Severity::Warning), "warning"),
        (open(Severity::Info), "for information"),
        (over, "already over"),
    ]
    .into_iter()
    .filter(|(n, _)| *n > 0)
    .map(|(n, what)| format!("{n} {what}"))
    .collect();
    if newest.len() < 2 || over == newest.len() {
        return String::new();
    }
    format!("Told in one message, each as it stands now: {}.", words::list(&counts, 4))
}

fn item(notice: &Notice) -> String {
    match notice.kind {
        NoticeType::Resolved => format!("resolved: {}", notice.title),
        _ => format!("{}: {}", notice.severity, notice.title),
    }
}
