//! `lapwing outbox`: messages that wait or were given up.

use std::process::ExitCode;

use clap::{Args, Subcommand};
use serde_json::Value;

use super::SocketArgument;
use super::output::Output;
use crate::app::Failure;
use crate::app::control::Ask;

/// Show messages that wait for their channel, or were given up
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  lapwing outbox
  lapwing outbox retry 17")]
pub(super) struct Outbox {
    #[command(flatten)]
    socket: SocketArgument,
    /// As JSON, one message a line
    #[arg(long)]
    json: bool,
    #[command(subcommand)]
    action: Option<Action>,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Try a message again that was given up
    Retry {
        /// Its number
        number: u64,
    },
}

impl Outbox {
    pub(super) fn run(self, output: &mut Output) -> Result<ExitCode, Failure> {
        if let Some(Action::Retry { number }) = self.action {
            self.socket.ask(&Ask::Retry { number })?;
            output.note(&format!("message {number} will be tried again"));
            return Ok(ExitCode::SUCCESS);
        }
        let answer = self.socket.ask(&Ask::Outbox)?;
        let rows = answer.as_array().cloned().unwrap_or_default();
        if self.json {
            for row in &rows {
                output.json(row)?;
            }
        } else if rows.is_empty() {
            output.line("nothing waits")?;
        } else {
            for row in &rows {
                let text = |key: &str| row[key].as_str().unwrap_or("-").to_owned();
                let given_up = if row["given_up"] == Value::Bool(true) { " GIVEN UP" } else { "" };
                output.line(&format!(
                    "{:>6}  {:<12} since {}  tried {}{given_up}  {}",
                    row["number"].as_u64().unwrap_or_default(),
                    text("channel"),
                    text("decided_at"),
                    row["attempts"],
                    text("title")
                ))?;
                if let Some(error) = row["last_error"].as_str() {
                    output.line(&format!("        {error}"))?;
                }
            }
        }
        Ok(ExitCode::SUCCESS)
    }
}
