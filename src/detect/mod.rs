//! What is odd: detectors that judge what the cells remember.
//!
//! Detectors keep no state and never see single events. They read cells (`measure`), and answer with a [`Finding`] or
//! nothing. One file a detector, one entry in [`DETECTORS`].

pub mod grounds;
pub mod pattern;
pub mod rule;
pub mod scene;
pub mod user_rule;

pub mod budget;
pub mod burst;
pub mod credential_stuffing;
pub mod drift;
pub mod enumeration;
pub mod error_spike;
pub mod front_end_exposure;
pub mod harvesting;
pub mod impossible_travel;
pub mod leaked_key;
pub mod payload_size;
pub mod retry_loop;
pub mod scope_creep;
pub mod shared_key;
pub mod slow_response;
pub mod traffic_drop;
pub mod workflow;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::detect::grounds::Grounds;
use crate::event::{Id, Severity};
use crate::time::{Span, Timestamp};

/// Whether it is getting worse.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[allow(missing_docs)]
pub enum Trend {
    Rising,
    #[default]
    Steady,
    Falling,
}

/// What it did so far.
#[derive(Clone, Copy, PartialEq, Debug, Default, Serialize, Deserialize)]
pub struct Impact {
    /// Requests that belong to it.
    pub requests: u64,
    /// Failed ones among them.
    pub errors: u64,
    /// What they cost in the configured currency, where a cost is known.
    pub cost: Option<f64>,
}

/// A number or text that a detector's words are made of.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub enum Fact {
    /// A whole number of things.
    Count(u64),
    /// A measured number.
    Number(f64),
    /// A share between 0 and 1.
    Share(f64),
    /// A name or text; cleaned before it is shown.
    Text(String),
    /// An instant.
    Time(Timestamp),
    /// A length of time.
    Span(Span),
    /// Several texts.
    List(Vec<String>),
    /// Whether something holds.
    Flag(bool),
}

/// What a detector found out, by name; each detector's file lists its names.
pub type Facts = BTreeMap<String, Fact>;

/// What something is made of, by id and share, largest first. The engine turns ids into names.
#[derive(Clone, PartialEq, Debug, Default)]
#[allow(missing_docs)]
pub struct Parts {
    pub keys: Vec<(Id, f64)>,
    pub endpoints: Vec<(Id, f64)>,
    pub clients: Vec<(Id, f64)>,
    pub agents: Vec<(Id, f64)>,
}

/// One detector's judgement on one subject at one instant: something is odd.
#[derive(Clone, PartialEq, Debug)]
pub struct Finding {
    /// Which detector, by its name in the contract.
    pub detector: &'static str,
    /// When it began.
    pub started_at: Timestamp,
    /// What is seen now, in `unit`.
    pub observed: f64,
    /// What is usual, in `unit`.
    pub expected: f64,
    /// `requests/min`, `share of requests`, `calls`, `new addresses`.
    pub unit: &'static str,
    /// Surprise in bits: -log2 of the probability under the subject's own model. Never shown.
    pub bits: f64,
    /// Requests beyond the usual since the start: what folding one finding into another is decided by.
    pub excess: f64,
    /// How much it matters.
    pub severity: Severity,
    /// Whether it is getting worse.
    pub trend: Trend,
    /// What it did so far.
    pub impact: Impact,
    /// What its words are made of.
    pub facts: Facts,
    /// What it is made of, as far as the detector knows better than the subject's own mix.
    pub parts: Parts,
    /// Why: for people who ask, never for an alert.
    pub grounds: Grounds,
}

/// A detector as it is listed.
#[derive(Clone, Copy, Debug)]
pub struct DetectorKind {
    /// Its name in the contract.
    pub name: &'static str,
    /// What it notices, in one sentence.
    pub notices: &'static str,
    /// Rank for the title of an incident with several findings: smaller wins.
    pub rank: u8,
}

/// Every detector, in the order in which the contract names them.
pub const DETECTORS: &[DetectorKind] = &[
    burst::KIND,
    error_spike::KIND,
    leaked_key::KIND,
    front_end_exposure::KIND,
    retry_loop::KIND,
    harvesting::KIND,
    enumeration::KIND,
    credential_stuffing::KIND,
    scope_creep::KIND,
    payload_size::KIND,
    workflow::KIND,
    impossible_travel::KIND,
    shared_key::KIND,
    drift::KIND,
    budget::KIND,
    slow_response::KIND,
    traffic_drop::KIND,
];
