//! Webhook bodies: the notice itself, as the contract shows it.

use serde_json::json;

use super::{Note, Notice, SCHEMA};

/// The notice as one line of JSON.
pub(super) fn notice(notice: &Notice) -> String {
    serde_json::to_string(notice).unwrap_or_else(|_| {
        json!({"schema": SCHEMA, "type": notice.kind, "incident": notice.incident, "title": notice.title}).to_string()
    })
}

/// A word about Lapwing itself.
pub(super) fn note(note: &Note) -> String {
    json!({"schema": SCHEMA, "type": "note", "title": note.title, "body": note.body, "items": note.items, "at": note.at})
        .to_string()
}

/// Several notices in one body: the words for people beside them.
pub(super) fn digest(note: &Note, notices: &[Notice]) -> String {
    json!({
        "schema": SCHEMA, "type": "digest", "title": note.title, "body": note.body, "at": note.at, "notices": notices,
    })
    .to_string()
}
