//! `lapwing formats`: which formats are known, and which fits.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Subcommand};
use serde_json::json;

use super::ConfigArgument;
use super::detect;
use super::output::Output;
use crate::app::{Failure, replay};

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
    /// Say which formats a log is in, from its first line to its last, and why
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
                        let row = json!({
                            "name": entry.name,
                            "aliases": entry.aliases,
                            "description": entry.description,
                            "origin": entry.origin,
                        });
                        output.json(&row)?;
                    } else {
                        let also = match &*entry.aliases {
                            [] => String::new(),
                            aliases => format!(" (also: {})", aliases.join(", ")),
                        };
                        output.line(&format!("{:width$}  {}{also}", entry.name, entry.description))?;
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
                detect::run(&file, self.json, &registry, config.limits.line_bytes, config.zone, output)
            }
        }
    }
}
