//! `lapwing explain`: why was this told, or why was it not?

use std::process::ExitCode;

use anyhow::Context;
use clap::Args;

use super::SocketArgument;
use super::output::Output;
use crate::app::Failure;
use crate::app::answers::Explained;
use crate::app::control::Ask;

/// Say why an incident was told, or what was lacking for it
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  lapwing explain                 what can be explained
  lapwing explain 01KB3           an incident, or a line of the daily summary, by the beginning of its id
  lapwing explain acme            everything about one key, endpoint or client

For logs that lie there: lapwing replay --explain FILE")]
pub(super) struct Explain {
    #[command(flatten)]
    socket: SocketArgument,
    /// The id of an incident or its beginning, or a subject's name
    #[arg(value_name = "INCIDENT")]
    what: Option<String>,
    /// As JSON, one a line
    #[arg(long)]
    json: bool,
}

impl Explain {
    pub(super) fn run(self, output: &mut Output) -> Result<ExitCode, Failure> {
        let asked = self.what.is_some();
        let answer = self.socket.ask(&Ask::Explain { what: self.what })?;
        let explained: Vec<Explained> = serde_json::from_value(answer).context("the daemon's answer cannot be read")?;
        if explained.is_empty() && !self.json {
            output.line("nothing was told lately, and nothing came near")?;
        }
        for one in &explained {
            if self.json {
                output.json(one)?;
            } else if asked {
                output.line(&one.text())?;
            } else {
                output.line(&format!("{}  {}  {}", one.incident, one.told(), one.title))?;
            }
        }
        Ok(ExitCode::SUCCESS)
    }
}
