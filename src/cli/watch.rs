//! `lapwing watch`: live, on this terminal, without configuration.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;

use super::ConfigArgument;
use super::output::Output;
use crate::app::telling::Teller;
use crate::app::{Failure, live, replay};
use crate::config::Source;
use crate::notice::Notice;
use crate::notice::terminal::Style;
use crate::notice::words;

/// Follow logs and show alerts on this terminal; nothing is configured, sent or kept
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  lapwing watch /var/log/nginx/access.log
  lapwing watch --json /var/log/caddy/*.log | jq .title

What the files and their rotated copies already hold is read first, to learn what is usual. Ctrl-C ends it.")]
pub(super) struct Watch {
    /// Logs to follow
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// Alerts as JSON, one notice a line
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    config: ConfigArgument,
}

impl Watch {
    pub(super) fn run(self, output: &mut Output) -> Result<ExitCode, Failure> {
        let mut config = self.config.load_if_named(output)?;
        let mut sources: Vec<Source> = Vec::new();
        for path in &self.files {
            if path == Path::new("-") {
                return Err(Failure::Usage("standard input cannot be followed; use `lapwing replay -`".to_owned()));
            }
            if let Err(error) = std::fs::File::open(path) {
                let sentence = format!("cannot read {}: {}", path.display(), replay::plain(&error));
                return Err(Failure::Running(anyhow::anyhow!(sentence)));
            }
            let absolute = std::path::absolute(path)?;
            let name = replay::source_of(&config, path);
            let mut source = config.sources.iter().find(|s| s.files.name == name).cloned().unwrap_or_default();
            source.files.name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            while sources.iter().any(|s| s.files.name == source.files.name) {
                source.files.name.push('\'');
            }
            source.files.path = vec![globset::escape(&absolute.to_string_lossy())];
            source.files.rotated.clear();
            sources.push(source);
        }
        config.sources = sources;
        let style = Style { colour: output.colour, width: output.width() };
        let json = self.json;
        let hear = move |notice: &Notice, teller: &Teller| {
            let mut out = std::io::stdout().lock();
            let line = if json {
                serde_json::to_string(notice).unwrap_or_default()
            } else {
                format!("{}\n", teller.terminal(notice, style))
            };
            if writeln!(out, "{line}").and_then(|()| out.flush()).is_err() {
                // Nobody reads on: what a pipe's writer does then.
                std::process::exit(0);
            }
        };
        live::watch(config, Box::new(hear), |learned| {
            output.note(&format!(
                "{learned}; watching {}, Ctrl-C ends it",
                words::plural(self.files.len() as f64, "file", "files")
            ));
        })?;
        Ok(ExitCode::SUCCESS)
    }
}
