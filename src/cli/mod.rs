//! The command line: one file a command. Results go to standard output, everything else to standard error.

mod check;
mod completions;
mod detect;
mod drill;
mod explain;
mod formats;
mod incidents;
mod mark;
mod outbox;
mod output;
mod parse;
mod rejected;
mod replay;
mod run;
mod silence;
mod status;
mod watch;

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{ArgAction, Args, Parser, Subcommand, ValueEnum};

use crate::app::Failure;
use crate::app::control;
use crate::config::{self, Config};
use output::Output;

/// Reads access logs and says in plain words when an API key, an endpoint or a client does something unusual.
#[derive(Debug, Parser)]
#[command(
    name = "lapwing",
    version,
    propagate_version = true,
    max_term_width = 100,
    subcommand_required = true,
    arg_required_else_help = true,
    after_help = "\
Examples:
  lapwing replay /var/log/nginx/access.log*     what would it have told me about these logs?
  lapwing watch /var/log/nginx/access.log       the same live, on this terminal
  lapwing check                                 is /etc/lapwing/lapwing.toml right?
  systemctl enable --now lapwing                as a service

Exit codes: 0 done, 1 failed while running, 2 wrong usage or invalid configuration."
)]
struct Cli {
    #[command(flatten)]
    common: Common,
    #[command(subcommand)]
    command: Command,
}

/// What every command understands.
#[derive(Clone, Debug, Args)]
struct Common {
    /// Say more about what is being done, on standard error (-vv: even more)
    #[arg(short, long, global = true, action = ArgAction::Count, help_heading = "Common options")]
    verbose: u8,
    /// Say nothing on standard error but errors
    #[arg(short, long, global = true, conflicts_with = "verbose", help_heading = "Common options")]
    quiet: bool,
    /// Colours: on a terminal, always, or never (NO_COLOR and CLICOLOR_FORCE are heeded)
    #[arg(
        long,
        global = true,
        value_name = "WHEN",
        default_value = "auto",
        hide_default_value = true,
        help_heading = "Common options"
    )]
    color: When,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
enum When {
    Auto,
    Always,
    Never,
}

#[derive(Debug, Subcommand)]
enum Command {
    Run(run::Run),
    Watch(watch::Watch),
    Replay(replay::Replay),
    Parse(parse::Parse),
    Formats(formats::Formats),
    Check(check::Check),
    Drill(drill::Drill),
    Incidents(incidents::Incidents),
    Explain(explain::Explain),
    Silence(silence::Silence),
    Mark(mark::Mark),
    Status(status::Status),
    Outbox(outbox::Outbox),
    Completions(completions::Completions),
    Man(completions::Man),
}

/// Does what the arguments say; the exit code is the contract's.
pub fn main(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    let cli = match Cli::try_parse_from(arguments) {
        Ok(cli) => cli,
        Err(e) => {
            // Help and version are results and end well; clap knows which stream each belongs to.
            let _ = e.print();
            return ExitCode::from(u8::from(e.use_stderr()) * 2);
        }
    };
    let mut output = Output::new(cli.common.color, cli.common.quiet);
    output::start_log(&cli.common, matches!(cli.command, Command::Run(_)));
    let done = match cli.command {
        Command::Run(c) => c.run(&mut output),
        Command::Watch(c) => c.run(&mut output),
        Command::Replay(c) => c.run(&mut output),
        Command::Parse(c) => c.run(&mut output),
        Command::Formats(c) => c.run(&mut output),
        Command::Check(c) => c.run(&mut output),
        Command::Drill(c) => c.run(&mut output),
        Command::Incidents(c) => c.run(&mut output),
        Command::Explain(c) => c.run(&mut output),
        Command::Silence(c) => c.run(&mut output),
        Command::Mark(c) => c.run(&mut output),
        Command::Status(c) => c.run(&mut output),
        Command::Outbox(c) => c.run(&mut output),
        Command::Completions(c) => c.run(&mut output),
        Command::Man(c) => c.run(&mut output),
    };
    match done.and_then(|code| output.flush().map(|()| code).map_err(Failure::from)) {
        Ok(code) => code,
        Err(failure) if output::is_closed_pipe(&failure) => ExitCode::SUCCESS,
        Err(failure) => {
            for diagnostic in failure.diagnostics() {
                output.tell(&diagnostic.render(output.colour_on_stderr));
            }
            ExitCode::from(failure.exit_code())
        }
    }
}

/// The command that packages make their documents from.
fn command() -> clap::Command {
    <Cli as clap::CommandFactory>::command()
}

/// Which configuration, for commands that can do without.
#[derive(Clone, Debug, Args)]
struct ConfigArgument {
    /// The configuration file
    #[arg(short, long, value_name = "FILE", env = "LAPWING_CONFIG", global = true)]
    config: Option<PathBuf>,
}

impl ConfigArgument {
    fn path(&self) -> &Path {
        self.config.as_deref().unwrap_or(Path::new(config::DEFAULT_PATH))
    }

    /// The configuration; its warnings go to standard error.
    fn load(&self, output: &Output) -> Result<Config, Failure> {
        let loaded = Config::load(self.path())?;
        for warning in &loaded.warnings {
            output.note(&warning.render(output.colour_on_stderr));
        }
        Ok(loaded.config)
    }

    /// Whether it was named on the command line.
    fn is_named(&self) -> bool {
        self.config.is_some()
    }

    /// The named configuration; without a name, what holds without a file.
    fn load_if_named(&self, output: &Output) -> Result<Config, Failure> {
        if self.config.is_some() { self.load(output) } else { Ok(Config::default()) }
    }
}

/// Where the running daemon is asked.
#[derive(Clone, Debug, Args)]
struct SocketArgument {
    /// The daemon's control socket
    #[arg(long, value_name = "PATH", env = "LAPWING_SOCKET", global = true)]
    socket: Option<PathBuf>,
    #[command(flatten)]
    config: ConfigArgument,
}

/// Lists what the daemon answered, a line or a JSON object each.
fn list(
    output: &mut Output,
    answer: &serde_json::Value,
    json: bool,
    none: &str,
    line: impl Fn(&serde_json::Value) -> String,
) -> Result<(), Failure> {
    let rows = answer.as_array().map(Vec::as_slice).unwrap_or_default();
    if rows.is_empty() && !json {
        output.line(none)?;
    }
    for row in rows {
        if json {
            output.json(row)?;
        } else {
            output.line(line(row).trim_end())?;
        }
    }
    Ok(())
}

impl SocketArgument {
    fn ask(&self, ask: &control::Ask) -> Result<serde_json::Value, Failure> {
        let paths = match &self.socket {
            Some(path) => vec![path.clone()],
            None => match Config::load(self.config.path()) {
                Ok(loaded) => match loaded.config.socket {
                    Some(path) => vec![path],
                    None => control::likely_paths(&loaded.config.state_dir),
                },
                Err(invalid) if self.config.config.is_some() => return Err(invalid.into()),
                // The default configuration may be for the daemon's eyes alone; its socket is where it always is.
                Err(_) => control::likely_paths(&Config::default().state_dir),
            },
        };
        Ok(control::ask(&paths, ask)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_sound() {
        command().debug_assert();
    }
}
