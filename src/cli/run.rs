//! `lapwing run`: the daemon.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;

use super::ConfigArgument;
use super::output::Output;
use crate::app::{Failure, live};

/// Run as the daemon: follow the sources, learn, tell the channels
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  lapwing run
  lapwing run --config ./lapwing.toml -v

SIGHUP reads the configuration again; one with an error changes nothing. SIGTERM saves the state and ends.")]
pub(super) struct Run {
    #[command(flatten)]
    config: ConfigArgument,
    /// Enter a hash of every counted line in this file, in step with the saved state: for tests of exactly-once
    #[arg(long, value_name = "FILE", hide = true)]
    ledger: Option<PathBuf>,
}

impl Run {
    pub(super) fn run(self, _output: &mut Output) -> Result<ExitCode, Failure> {
        live::run(self.config.path(), self.ledger)?;
        Ok(ExitCode::SUCCESS)
    }
}
