//! Wiring: the same pipeline run live by threads and tasks, or over files by one loop.

pub mod systemd;

pub mod status;

pub mod control;

mod abreast;
mod front;
mod merge;

mod header;

mod ledger;

mod descriptors;

mod machine;

mod geo;

mod standing;

mod wall;

mod care;

pub mod pipeline;

pub mod tally;

pub mod telling;

pub mod replay;

mod backfill;

mod reading;

mod moments;
mod scribe;
mod session;

pub mod answers;

mod trouble;
mod unfound;

mod memory;

pub mod live;
mod marked;

mod sight;

pub mod blind;

pub mod checking;

pub mod rule_tests;

use crate::config::Invalid;
use crate::diag::Diagnostic;

/// Why a command ended without doing what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// The configuration cannot be used.
    #[error(transparent)]
    Config(#[from] Invalid),
    /// It was asked for something that cannot be.
    #[error("{0}")]
    Usage(String),
    /// It went wrong while running.
    #[error("{0:#}")]
    Running(#[from] anyhow::Error),
}

impl Failure {
    /// The exit code of the contract: 1 failed while running, 2 wrong usage or invalid configuration.
    pub fn exit_code(&self) -> u8 {
        match self {
            Failure::Config(_) | Failure::Usage(_) => 2,
            Failure::Running(_) => 1,
        }
    }

    /// What is to be shown, place by place.
    pub fn diagnostics(&self) -> Vec<Diagnostic> {
        match self {
            Failure::Config(Invalid(list)) => list.clone(),
            other => vec![Diagnostic::error(other.to_string())],
        }
    }
}

impl From<std::io::Error> for Failure {
    fn from(error: std::io::Error) -> Self {
        Failure::Running(error.into())
    }
}
