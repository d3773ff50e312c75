//! `lapwing formats`: which formats are known, and which fits.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::anyhow;
use clap::{Args, Subcommand};
use serde_json::json;

use super::ConfigArgument;
use super::output::Output;
use crate::app::{Failure, replay};
use crate::format::{SAMPLE_LINES, guess};
use crate::sanitize;
use crate::source::archive::{self, LineReader};
use crate::source::lines;

/// List the known formats, show one, or say which one fits a log
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  lapwing formats
  lapwing formats detect /var/log/nginx/access.log
  lapwing formats show combined > /etc/lapwing/parsers/mine.toml")]
pub(super) struct Formats {
    #[command(flatten)]
    config: ConfigArgument,
    /// As JSON
    #[arg(long, global = true)]
    json: bool,
    #[command(subcommand)]
    action: Option<Action>,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// List them (also without a word)
    List,
    /// Say which format fits a log, and why
    Detect {
        /// A log; `-` is standard input
        #[arg(value_name = "FILE")]
        file: PathBuf,
    },
    /// Print a format's file
    Show {
        /// Its name
        name: String,
    },
}

impl Formats {
    pub(super) fn run(self, output: &mut Output) -> Result<ExitCode, Failure> {
        let config = self.config.load_if_named(output)?;
        let registry = replay::registry(&config)?;
        match self.action.unwrap_or(Action::List) {
            Action::List => {
                let width = registry.iter().map(|e| e.name.len()).max().unwrap_or(0);
                for entry in registry.iter() {
                    if self.json {
                        let row = json!({"name": entry.name, "description": entry.description, "origin": entry.origin});
                        output.json(&row)?;
                    } else {
                        output.line(&format!("{:width$}  {}", entry.name, entry.description))?;
                    }
                }
                Ok(ExitCode::SUCCESS)
            }
            Action::Show { name } => {
                let Some(entry) = registry.get(&name) else {
                    let help = registry.suggest(&name).map(|s| format!("; did you mean \"{s}\"?")).unwrap_or_default();
                    return Err(Failure::Usage(format!("no format is called \"{name}\"{help}")));
                };
                if self.json {
                    output.json(&json!({"name": entry.name, "origin": entry.origin, "text": entry.text}))?;
                } else {
                    output.line(entry.text.trim_end())?;
                }
                Ok(ExitCode::SUCCESS)
            }
            Action::Detect { file } => {
                let cannot = |e: std::io::Error| {
                    Failure::Running(anyhow!("cannot read {}: {}", file.display(), replay::plain(&e)))
                };
                let mut reader = LineReader::new(archive::open(&file).map_err(cannot)?, config.limits.line_bytes);
                let (mut block, mut sample) = (Vec::new(), Vec::new());
                while sample.len() < SAMPLE_LINES && reader.next_block(&mut block).map_err(cannot)? {
                    sample.extend(lines(&block).take(SAMPLE_LINES - sample.len()).map(<[u8]>::to_vec));
                }
                let sample: Vec<&[u8]> = sample.iter().map(Vec::as_slice).collect();
                let guess = guess(&sample, &registry);
                if self.json {
                    let votes: Vec<_> =
                        guess.votes.iter().map(|v| json!({"format": v.format, "fits": v.fits})).collect();
                    output.json(&json!({
                        "file": file.display().to_string(),
                        "format": guess.format,
                        "also": guess.also,
                        "reason": guess.reason,
                        "lines": guess.lines,
                        "votes": votes,
                    }))?;
                } else {
                    output.line(guess.format.as_deref().unwrap_or("no known format fits"))?;
                    output.line(&sanitize::terminal(&guess.reason))?;
                    for vote in &guess.votes {
                        output.line(&format!("  {} of {} lines: {}", vote.fits, guess.lines, vote.format))?;
                    }
                }
                Ok(if guess.format.is_some() { ExitCode::SUCCESS } else { ExitCode::from(1) })
            }
        }
    }
}
