//! `lapwing completions` and `lapwing man`: documents for packagers, made from the command line itself.

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context;
use clap::Args;
use clap_complete::Shell;

use super::output::Output;
use crate::app::Failure;

/// Print completions for a shell
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  lapwing completions bash > /usr/share/bash-completion/completions/lapwing
  lapwing completions zsh > /usr/share/zsh/site-functions/_lapwing
  lapwing completions fish > ~/.config/fish/completions/lapwing.fish")]
pub(super) struct Completions {
    /// Which shell
    shell: Shell,
}

impl Completions {
    pub(super) fn run(self, output: &mut Output) -> Result<ExitCode, Failure> {
        // Made in memory first: the generator does not expect a reader that leaves.
        let mut text = Vec::new();
        clap_complete::generate(self.shell, &mut super::command(), "lapwing", &mut text);
        output.write_all(&text)?;
        Ok(ExitCode::SUCCESS)
    }
}

/// Print the manual page, or write one for each command
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  lapwing man | man -l -
  lapwing man --dir /usr/share/man/man1")]
pub(super) struct Man {
    /// Write lapwing.1 and a page for each command into this directory
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
}

impl Man {
    pub(super) fn run(self, output: &mut Output) -> Result<ExitCode, Failure> {
        if let Some(dir) = self.dir {
            clap_mangen::generate_to(super::command(), &dir)
                .with_context(|| format!("cannot write the manual pages into {}", dir.display()))?;
            return Ok(ExitCode::SUCCESS);
        }
        let mut page = Vec::new();
        clap_mangen::Man::new(super::command()).render(&mut page)?;
        output.write_all(&page)?;
        Ok(ExitCode::SUCCESS)
    }
}
