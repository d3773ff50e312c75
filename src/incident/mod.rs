//! What is going on: incidents, each with one cause, one opening, updates and one end.

pub mod after;
pub mod allowance;
pub mod apart;
pub mod book;
pub mod cause;
pub mod entry;
pub mod group;
pub mod kept;
pub mod last;
mod moved;
pub mod ruled;
pub mod spread;

use serde::{Deserialize, Serialize};

use crate::detect::grounds::Grounds;
use crate::detect::{Facts, Impact, Trend};
use crate::event::{Severity, Subject};
use crate::incident::kept::Reason;
use crate::time::{Span, Timestamp};

/// A named part of an incident and its share of the whole (0 to 1).
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Part {
    /// As people know it; secrets are masked.
    pub name: String,
    /// Share between 0 and 1.
    pub share: f64,
}

/// What an incident is made of, largest share first.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
#[allow(missing_docs)]
pub struct Where {
    pub keys: Vec<Part>,
    pub endpoints: Vec<Part>,
    pub clients: Vec<Part>,
    pub user_agents: Vec<Part>,
    pub countries: Vec<Part>,
}

/// What is told about an incident: all that the words are made of, names instead of ids.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Incident {
    /// One id for its whole life: 26 characters, sortable by start.
    pub id: String,
    /// Which detector found it (the highest ranking one, if several).
    pub detector: String,
    /// The rule by which the detector ran; the detector's name unless the user named one.
    pub rule: String,
    /// How much it matters.
    pub severity: Severity,
    /// What it is about.
    pub subject: Subject,
    /// When it began, by the log.
    pub started_at: Timestamp,
    /// When it was noticed, by the log.
    pub detected_at: Timestamp,
    /// When it ended, once it has.
    pub ended_at: Option<Timestamp>,
    /// What is seen, in `unit` (at the end: over its whole length).
    pub observed: f64,
    /// What is usual, in `unit`.
    pub expected: f64,
    /// The largest `observed` so far.
    pub peak: f64,
    /// What the numbers count.
    pub unit: String,
    /// Whether it is getting worse.
    pub trend: Trend,
    /// What it did so far.
    pub impact: Impact,
    /// What it is made of.
    pub parts: Where,
    /// What the detector's words are made of.
    pub facts: Facts,
    /// Other findings that this incident explains, as `detector subject`.
    pub also: Vec<String>,
    /// How long the subject has been watched: what "usual" rests on.
    pub history: Span,
    /// Why it was told, for `lapwing explain`.
    pub grounds: Grounds,
}

/// Why an open incident is told again.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Again {
    /// At least twice as bad as last told, or more severe.
    Worse,
    /// Another kind of harm joined it.
    NewHarm,
    /// It still goes on after the cooldown.
    Reminder,
    /// The same goes on from another address.
    Moved,
    /// All it sends is refused now: what was done about it works.
    Refused,
    /// A part of what it sends is refused, the rest gets through.
    PartlyRefused,
}

/// How an incident ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Ending {
    /// Back to the usual.
    Calm,
    /// The subject was lost sight of (evicted), or a newer incident explains it.
    Joined,
}

/// What happened to an incident.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum ChangeKind {
    /// New.
    Opened,
    /// Told again.
    Updated(Again),
    /// Over.
    Resolved(Ending),
    /// Not told as a message of its own: a line of the daily summary.
    Kept(Reason),
}

/// A change of the incident book: what a notice is made from.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Change {
    /// What happened.
    pub kind: ChangeKind,
    /// The incident as of now.
    pub incident: Incident,
    /// When it was decided, in log time.
    pub at: Timestamp,
}
