//! What Lapwing says of itself: a channel that is broken, a state that cannot be saved.

use super::{Notice, NoticeType, SCHEMA};
use crate::detect::{Impact, Trend};
use crate::event::{Severity, Subject};
use crate::incident::Where;
use crate::time::Timestamp;

/// The detector of such notices.
pub const DETECTOR: &str = "lapwing";

/// What it is about, in words.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Words {
    /// Who and what, in one line.
    pub title: String,
    /// A few plain sentences.
    pub summary: String,
    /// What to do, first things first.
    pub actions: Vec<String>,
}

/// A notice about Lapwing itself. `rule` names what is wrong; with `since` it makes the id, so that the end finds its
/// opening. Instants are those of the wall clock.
pub fn notice(
    rule: &str,
    severity: Severity,
    since: Timestamp,
    now: Timestamp,
    kind: NoticeType,
    words: Words,
) -> Notice {
    Notice {
        schema: SCHEMA,
        kind,
        incident: format!("{rule}-{}", since.millis()),
        detector: DETECTOR.to_owned(),
        rule: rule.to_owned(),
        severity,
        subject: Subject::site(),
        started_at: since,
        detected_at: since,
        ended_at: (kind == NoticeType::Resolved).then_some(now),
        observed: 0.0,
        expected: 0.0,
        unit: "messages".to_owned(),
        trend: Trend::Steady,
        impact: Impact::default(),
        parts: Where::default(),
        title: words.title,
        summary: words.summary,
        actions: words.actions,
        at: now,
        drill: false,
        money: None,
        outcome: None,
        consumer: None,
        kept: None,
    }
}
