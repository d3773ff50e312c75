//! E-mail: subject, two equal bodies, and headers that let clients thread and filters sort.

use serde::{Deserialize, Serialize};

use super::layout::Layout;
use super::{Note, Notice, NoticeType, safe};

const SUBJECT_CHARS: usize = 120;

/// What the mails of one channel share.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct EmailSettings {
    /// The domain of message ids and of the list id: the host's name, or the domain of the sender.
    pub host: String,
}

impl Default for EmailSettings {
    fn default() -> Self {
        EmailSettings { host: "localhost".to_owned() }
    }
}

/// A mail, but for sender, recipients and date.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Email {
    /// One line of at most 120 characters.
    pub subject: String,
    /// The whole message as text at 72 columns.
    pub text: String,
    /// The same as HTML, without anything remote.
    pub html: String,
    /// With its angle brackets; the same each time this notice is rendered.
    pub message_id: String,
    /// The first mail of the incident, for later ones.
    pub in_reply_to: Option<String>,
    /// The mails that this one follows.
    pub references: Vec<String>,
    /// Further headers: name and value.
    pub headers: Vec<(String, String)>,
}

/// A mail about one incident. `topic` is the same for the incident's whole life, since some clients thread by subject.
pub(super) fn of_notice(
    notice: &Notice,
    topic: &str,
    layout: &Layout,
    bodies: (String, String),
    settings: &EmailSettings,
) -> Email {
    let host = token(&settings.host);
    let incident = token(&notice.incident);
    // A drill must not join the thread of a real incident.
    let drill = if notice.drill { "drill." } else { "" };
    let first = format!("<{drill}{incident}@{host}>");
    let opened = notice.kind == NoticeType::Opened;
    let message_id = match notice.kind {
        NoticeType::Opened => first.clone(),
        NoticeType::Updated => format!("<{drill}{incident}.{}@{host}>", notice.at.millis()),
        NoticeType::Resolved => format!("<{drill}{incident}.resolved@{host}>"),
    };
    let mut headers = common(&host);
    headers.extend([
        ("X-Lapwing-Incident".to_owned(), incident),
        ("X-Lapwing-Type".to_owned(), state_word(notice.kind).to_owned()),
        ("X-Lapwing-Severity".to_owned(), notice.severity.to_string()),
        ("X-Lapwing-Detector".to_owned(), safe::header(&notice.detector, safe::VALUE_CHARS)),
        ("X-Lapwing-Rule".to_owned(), safe::header(&notice.rule, safe::VALUE_CHARS)),
    ]);
    Email {
        subject: safe::header(&format!("[{}] {topic}", layout.state), SUBJECT_CHARS),
        text: bodies.0,
        html: bodies.1,
        message_id,
        in_reply_to: (!opened).then(|| first.clone()),
        references: if opened { Vec::new() } else { vec![first] },
        headers,
    }
}

/// A mail about a note.
pub(super) fn of_note(note: &Note, bodies: (String, String), settings: &EmailSettings) -> Email {
    let host = token(&settings.host);
    Email {
        subject: safe::header(&format!("[Lapwing] {}", note.title), SUBJECT_CHARS),
        text: bodies.0,
        html: bodies.1,
        message_id: format!("<note.{}.{}@{host}>", note.at.millis(), token(&note.id)),
        in_reply_to: None,
        references: Vec::new(),
        headers: common(&host),
    }
}

/// A body without any template.
pub(super) fn plain_html(text: &str) -> String {
    format!("<!doctype html>\n<html lang=\"en\"><body><pre>{}</pre></body></html>\n", safe::html(text))
}

/// Headers that keep out-of-office replies away (RFC 3834, Exchange) and that filters look for (RFC 2919).
fn common(host: &str) -> Vec<(String, String)> {
    vec![
        ("Auto-Submitted".to_owned(), "auto-generated".to_owned()),
        ("X-Auto-Response-Suppress".to_owned(), "All".to_owned()),
        ("List-Id".to_owned(), format!("<lapwing.{host}>")),
    ]
}

fn state_word(kind: NoticeType) -> &'static str {
    match kind {
        NoticeType::Opened => "opened",
        NoticeType::Updated => "updated",
        NoticeType::Resolved => "resolved",
    }
}

/// A part of a message id or list id: letters, digits, dots and dashes only, never empty.
fn token(text: &str) -> String {
    let keep = |c: &char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-');
    let kept: String = text.chars().filter(keep).take(100).collect();
    let kept = kept.trim_matches('.').replace("..", ".");
    if kept.is_empty() { "localhost".to_owned() } else { kept }
}
