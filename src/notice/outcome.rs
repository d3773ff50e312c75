//! What became of an incident: how it ended, or that its caller is refused and still knocks.

use serde::{Deserialize, Serialize};

use crate::detect::{Fact, Facts, Trend};
use crate::incident::{Change, ChangeKind};
use crate::time::Timestamp;

/// What became of it, as far as it was counted.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Outcome {
    /// `refused` (it is shut out), `partly-refused` (a part gets through), `stopped` (nothing comes any more), `usual`
    /// (back to the usual), `answers` (requests work again), `works` (the repeated call works again), `gone` and
    /// `gone-refused` (the caller that made most of it stopped, or is refused), `members` (most of several callers stopped
    /// or are refused).
    pub by: String,
    /// Since when it is refused or silent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<Timestamp>,
    /// Refused requests a minute.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refused_per_minute: Option<f64>,
    /// Requests a minute that get through meanwhile.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub allowed_per_minute: Option<f64>,
    /// The statuses they are refused with.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub statuses: Vec<String>,
    /// Whether refused requests become more or fewer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trend: Option<Trend>,
}

impl Outcome {
    /// Whether it says that what was done about an incident works: its caller is refused all it sends.
    pub fn is_fixed(&self) -> bool {
        self.by == "refused"
    }

    /// Of a change, if it says what became of the incident.
    pub(super) fn of(change: &Change) -> Option<Outcome> {
        let facts = &change.incident.facts;
        let by = match (change.kind, text(facts, "after")?, text(facts, "ended_by")?) {
            (ChangeKind::Resolved(_), _, "") | (ChangeKind::Opened, ..) => return None,
            (ChangeKind::Resolved(_), _, by) => by,
            (_, "", _) => return None,
            (_, "partly", _) => "partly-refused",
            (_, after, _) => after,
        };
        let knocks = matches!(by, "refused" | "partly-refused" | "gone-refused");
        let number = |name: &str| match facts.get(name) {
            Some(Fact::Number(n)) if knocks && n.is_finite() => Some(*n),
            _ => None,
        };
        let since = match (facts.get("refused_since"), facts.get("silent_since")) {
            (Some(Fact::Time(since)), _) if knocks => Some(*since),
            (_, Some(Fact::Time(since))) if matches!(by, "stopped" | "gone") => Some(*since),
            _ => None,
        };
        let statuses = match facts.get("refused_statuses") {
            Some(Fact::List(statuses)) if knocks => statuses.clone(),
            _ => Vec::new(),
        };
        let trend = match text(facts, "refused_trend")? {
            "rising" if knocks => Some(Trend::Rising),
            "steady" if knocks => Some(Trend::Steady),
            "falling" if knocks => Some(Trend::Falling),
            _ => None,
        };
        let (refused_per_minute, allowed_per_minute) = (number("refused_per_minute"), number("allowed_per_minute"));
        Some(Outcome { by: by.to_owned(), since, refused_per_minute, allowed_per_minute, statuses, trend })
    }
}

/// A text among the facts; empty if there is none.
fn text<'a>(facts: &'a Facts, name: &str) -> Option<&'a str> {
    match facts.get(name) {
        None => Some(""),
        Some(Fact::Text(text)) => Some(text),
        Some(_) => None,
    }
}
