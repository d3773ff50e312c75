//! `lapwing incidents`: what is going on, and what was.

use std::process::ExitCode;

use anyhow::Context;
use clap::{Args, Subcommand};

use super::SocketArgument;
use super::output::Output;
use crate::app::Failure;
use crate::app::control::Ask;
use crate::notice::{Notice, NoticeType};

/// Show incidents that go on, or were
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  lapwing incidents
  lapwing incidents list --all --json
  lapwing incidents show 01KB3")]
pub(super) struct Incidents {
    #[command(flatten)]
    socket: SocketArgument,
    #[command(subcommand)]
    action: Option<Action>,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// List them
    List(List),
    /// Show all about one
    Show {
        /// Its id, or the beginning of it
        id: String,
        /// As JSON
        #[arg(long)]
        json: bool,
    },
}

#[derive(Debug, Default, Args)]
struct List {
    /// Closed ones too
    #[arg(long)]
    all: bool,
    /// At most so many, newest first
    #[arg(long, default_value_t = 50)]
    limit: usize,
    /// As JSON, one notice a line
    #[arg(long)]
    json: bool,
}

impl Incidents {
    pub(super) fn run(self, output: &mut Output) -> Result<ExitCode, Failure> {
        match self.action.unwrap_or(Action::List(List { limit: 50, ..List::default() })) {
            Action::List(list) => {
                let answer = self.socket.ask(&Ask::Incidents { all: list.all, limit: list.limit })?;
                let notices: Vec<Notice> =
                    serde_json::from_value(answer).context("the daemon's answer cannot be read")?;
                if notices.is_empty() && !list.json {
                    output.line(if list.all { "no incidents" } else { "nothing unusual is going on" })?;
                }
                for notice in &notices {
                    if list.json { output.json(notice)? } else { output.line(&line(notice))? }
                }
            }
            Action::Show { id, json } => {
                let answer = self.socket.ask(&Ask::Incident { id })?;
                if json {
                    output.json(&answer)?;
                } else {
                    let notice: Notice =
                        serde_json::from_value(answer).context("the daemon's answer cannot be read")?;
                    output.line(&line(&notice))?;
                    output.line(&format!("\n{}", notice.summary))?;
                    for action in &notice.actions {
                        output.line(&format!("  - {action}"))?;
                    }
                }
            }
        }
        Ok(ExitCode::SUCCESS)
    }
}

fn line(notice: &Notice) -> String {
    let end = match notice.ended_at {
        Some(end) => format!("until {end}"),
        None if notice.kind == NoticeType::Resolved => "over".to_owned(),
        None => "goes on".to_owned(),
    };
    format!("{}  {:<8}  {}  {end}  {}", notice.incident, notice.severity.as_str(), notice.started_at, notice.title)
}
