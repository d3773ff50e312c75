//! Rules: a detector with its settings, by name. The built-in ones lie in `rules/`; users override them key by key.

use std::collections::BTreeMap;

use super::scene::Sensitivity;
use crate::event::Severity;
use crate::time::Span;

/// One setting of a rule.
#[derive(Clone, PartialEq, Debug)]
#[allow(missing_docs)]
pub enum Setting {
    Number(f64),
    Span(Span),
    Flag(bool),
    Text(String),
    List(Vec<String>),
}

/// A detector with its settings.
#[derive(Clone, PartialEq, Debug)]
pub struct Rule {
    /// Its name: the detector's for the built-in ones.
    pub name: String,
    /// Which detector it runs.
    pub detector: String,
    /// Whether it runs at all.
    pub enabled: bool,
    /// How easily it speaks.
    pub sensitivity: Sensitivity,
    /// Instead of the severity that the detector chooses.
    pub severity: Option<Severity>,
    /// What else the rule's file sets, by key; `rules/DETECTOR.toml` says what each means.
    pub settings: BTreeMap<String, Setting>,
}

impl Rule {
    /// A number, or what the caller takes as default.
    pub fn number(&self, key: &str, default: f64) -> f64 {
        match self.settings.get(key) {
            Some(Setting::Number(n)) => *n,
            _ => default,
        }
    }

    /// A number of things, or what the caller takes as default.
    pub fn count(&self, key: &str, default: u32) -> u32 {
        self.number(key, f64::from(default)).round().clamp(0.0, 1e9) as u32
    }

    /// A length of time, or what the caller takes as default.
    pub fn span(&self, key: &str, default: Span) -> Span {
        match self.settings.get(key) {
            Some(Setting::Span(span)) => *span,
            _ => default,
        }
    }

    /// A list of texts; empty if there is none.
    pub fn list(&self, key: &str) -> &[String] {
        match self.settings.get(key) {
            Some(Setting::List(list)) => list,
            _ => &[],
        }
    }

    /// Whether something holds, or what the caller takes as default.
    pub fn flag(&self, key: &str, default: bool) -> bool {
        match self.settings.get(key) {
            Some(Setting::Flag(flag)) => *flag,
            _ => default,
        }
    }
}
