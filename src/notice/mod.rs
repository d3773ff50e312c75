//! What we say: the public notice, and how it becomes a message for each kind of receiver.

pub mod words;

mod safe;

mod whose;

mod money;

mod outcome;

mod template;

mod compose;

mod layout;

mod note;

pub mod own;

mod slack;

pub mod email;

mod webhook;

pub mod terminal;

mod render;

mod rule_words;

pub mod sample;

#[cfg(test)]
mod tests;

use serde::{Deserialize, Serialize};

use crate::detect::{Impact, Trend};
use crate::event::{Severity, Subject};
use crate::incident::Where;
use crate::time::Timestamp;

pub use money::Money;
pub use note::Note;
pub use outcome::Outcome;
pub use render::{Renderer, Settings};
pub use template::TemplateError;
pub use whose::Whose;

/// The version of the notice's JSON form.
pub const SCHEMA: u32 = 1;

/// Whether an incident began, got worse (or goes on), or is over.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[allow(missing_docs)]
pub enum NoticeType {
    Opened,
    Updated,
    Resolved,
}

/// A notice: the public schema of `lapwing replay --json`, the webhook body and the JSON-lines output. Fields are only
/// ever added.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Notice {
    /// [`SCHEMA`].
    pub schema: u32,
    /// Opened, updated or resolved.
    #[serde(rename = "type")]
    pub kind: NoticeType,
    /// The incident's id, one for its whole life.
    pub incident: String,
    /// The detector's name, or the name of the user's own rule.
    pub detector: String,
    /// The rule by which it ran.
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
    /// What is seen, in `unit`.
    pub observed: f64,
    /// What is usual, in `unit`; of a budget, its limit.
    pub expected: f64,
    /// What the numbers count.
    pub unit: String,
    /// Whether it is getting worse.
    pub trend: Trend,
    /// What it did so far.
    pub impact: Impact,
    /// What it is made of, largest share first.
    #[serde(rename = "where")]
    pub parts: Where,
    /// Who and what, in one line.
    pub title: String,
    /// Two to four plain sentences.
    pub summary: String,
    /// What to do, first things first.
    pub actions: Vec<String>,
    /// What it costs: so far, an hour now, and by the next morning of a working day if nobody acts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub money: Option<Money>,
    /// What became of it: how it ended, or that its caller is refused and still knocks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub outcome: Option<Outcome>,
    /// Who the key belongs to that it is about, or that most of it comes from, if the configuration says so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub consumer: Option<Whose>,
    /// When this notice was decided, by the log.
    pub at: Timestamp,
    /// A drill or a test, not a real incident.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub drill: bool,
    /// Why it is only in the daily summary; absent from what is told as a message of its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kept: Option<String>,
}

impl Notice {
    /// Whether it is an update that says that what was done about the incident works.
    pub fn is_good_news(&self) -> bool {
        self.kind != NoticeType::Resolved && self.outcome.as_ref().is_some_and(Outcome::is_fixed)
    }
}
