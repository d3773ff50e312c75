//! Counts over everything: what went through, and how busy streams of one kind are on average.

use serde::{Deserialize, Serialize};

use crate::event::SubjectKind;

/// Mean rate per minute of streams of one kind: what a stream without history is taken for.
#[derive(Clone, Copy, PartialEq, Debug, Serialize, Deserialize)]
pub(super) struct Means {
    pub(super) keys: f64,
    pub(super) clients: f64,
    pub(super) endpoints: f64,
}

impl Default for Means {
    fn default() -> Self {
        Means { keys: 0.1, clients: 0.02, endpoints: 0.5 }
    }
}

impl Means {
    pub(super) fn of(&self, kind: SubjectKind) -> f64 {
        match kind {
            SubjectKind::Key => self.keys,
            SubjectKind::Client => self.clients,
            SubjectKind::Endpoint => self.endpoints,
            SubjectKind::Source | SubjectKind::Site => 10.0,
        }
    }
}

/// What went through, for people who check.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Totals {
    /// Events counted.
    pub events: u64,
    /// Events that came after their ten seconds had been judged.
    pub late: u64,
    /// Events from the future, counted when they arrived.
    pub future: u64,
}
