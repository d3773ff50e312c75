//! `lapwing mark`: notes what was done to the site, so that what begins with it says so.

use std::process::ExitCode;

use clap::{Args, Subcommand};

use super::SocketArgument;
use super::output::Output;
use crate::app::Failure;
use crate::app::control::Ask;
use crate::time::{Clock, SystemClock, Timestamp};

/// Note what was done to the site: alerts that begin with it say so
#[derive(Debug, Args)]
#[command(
    arg_required_else_help = true,
    after_help = "Examples:
  lapwing mark deploy v1.4.2
  lapwing mark deploy v1.4.2 --subject '/v1/checkout*'
  lapwing mark deploy --at 2026-03-02T14:00:00Z
  lapwing mark list"
)]
pub(super) struct Mark {
    #[command(flatten)]
    socket: SocketArgument,
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Note a deploy: an error spike that begins within the hour names it
    Deploy(Deploy),
    /// List the marks
    List {
        /// As JSON, one mark a line
        #[arg(long)]
        json: bool,
    },
}

#[derive(Debug, Args)]
struct Deploy {
    /// What was deployed: a version, a name
    #[arg(value_name = "WHAT", default_value = "")]
    what: String,
    /// When: 2026-03-02T14:00:00Z (without zone: UTC); now if not given
    #[arg(long, value_name = "TIME", value_parser = super::replay::instant)]
    at: Option<Timestamp>,
    /// Which endpoints or source it is about; `*` stands for any characters
    #[arg(long, value_name = "NAME")]
    subject: Option<String>,
    /// Who deployed it; this user if not given
    #[arg(long, value_name = "NAME")]
    author: Option<String>,
}

/// The user at the terminal, also behind sudo.
pub(super) fn this_user() -> String {
    let name = |variable: &str| std::env::var(variable).ok().filter(|name| !name.is_empty());
    name("SUDO_USER").or_else(|| name("USER")).or_else(|| name("LOGNAME")).unwrap_or_default()
}

impl Mark {
    pub(super) fn run(self, output: &mut Output) -> Result<ExitCode, Failure> {
        match self.action {
            Action::Deploy(deploy) => {
                let at = deploy.at.unwrap_or_else(|| SystemClock::new().now()).floor(crate::time::Span::SECOND);
                let author = deploy.author.unwrap_or_else(this_user);
                let named = if deploy.what.is_empty() { String::new() } else { format!(" {}", deploy.what) };
                self.socket.ask(&Ask::Mark { what: deploy.what, at, author, subject: deploy.subject })?;
                output.line(&format!("deploy{named} at {at}: what begins with it will say so"))?;
            }
            Action::List { json } => {
                let answer = self.socket.ask(&Ask::Marks)?;
                super::list(output, &answer, json, "no marks", |row| {
                    let text = |key: &str| row[key].as_str().unwrap_or_default().to_owned();
                    let about = row["subject"].as_str().map(|subject| format!(" on {subject}")).unwrap_or_default();
                    format!("{}  deploy {}{about}  {}", text("at"), text("what"), text("author"))
                })?;
            }
        }
        Ok(ExitCode::SUCCESS)
    }
}
