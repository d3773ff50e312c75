//! `lapwing formats`: which formats are known, and which fits.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::anyhow;
use clap::{Args, Subcommand};
use serde_json::json;

use super::ConfigArgument;
use super::output::Output;
use crate::app::{Failure, replay};
use crate::format::{Choice, ChoiceError, PASTED, SAMPLE_LINES, Syntax, Template, guess};
use crate::sanitize;
use crate::source::archive::{self, LineReader};
use crate::source::lines;
use crate::time::Zone;

/// List the known formats, show one, or say which one fits a log
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  lapwing formats
  lapwing formats detect /var/log/nginx/access.log
  lapwing formats explain '$remote_addr [$time_local] \"$request\" $status'
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
    /// Say how a log format is read: its fields, what each is, and what is ambiguous
    Explain {
        /// A log format as it stands in the server's configuration, or the name of a format
        #[arg(value_name = "TEXT|NAME")]
        format: String,
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
        match self.action.as_ref().unwrap_or(&Action::List) {
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
            Action::Explain { format } => {
                let template = match Choice::parse(format) {
                    Choice::Template(text) => Template::new(PASTED, &text, Zone::UTC)
                        .map_err(|error| Failure::Usage(ChoiceError::Template { error, text }.to_string()))?,
                    _ => match registry.get(format).map(|entry| entry.template().cloned()) {
                        Some(Some(template)) => template,
                        Some(None) => {
                            return Err(Failure::Usage(format!(
                                "\"{format}\" is JSON: its fields are told by their names"
                            )));
                        }
                        None => {
                            let error = ChoiceError::unknown(format, &registry);
                            return Err(Failure::Usage(error.to_string()));
                        }
                    },
                };
                self.explain(output, format, &template)?;
                Ok(ExitCode::SUCCESS)
            }
            Action::Show { name } => {
                let Some(entry) = registry.get(name) else {
                    let help = registry.suggest(name).map(|s| format!("; did you mean \"{s}\"?")).unwrap_or_default();
                    return Err(Failure::Usage(format!("no format is called \"{name}\"{help}")));
                };
                for warning in entry.warnings() {
                    output.note(&format!("warning: {}: {}", entry.name, sanitize::terminal(warning)));
                }
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
                let mut reader = LineReader::new(archive::open(file).map_err(cannot)?, config.limits.line_bytes);
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

    fn explain(&self, output: &mut Output, text: &str, template: &Template) -> Result<(), Failure> {
        let syntax = Syntax::of(text).as_str();
        let named = matches!(Choice::parse(text), Choice::Named(_));
        let fields: Vec<(&str, &str)> = template.fields().collect();
        if self.json {
            let fields: Vec<_> = fields
                .iter()
                .map(|(name, role)| json!({"name": name, "is": (!role.is_empty()).then_some(role)}))
                .collect();
            let kind = (!named).then_some(syntax);
            output.json(&json!({"kind": kind, "fields": fields, "warnings": template.warnings()}))?;
            return Ok(());
        }
        if !named {
            output.line(&format!("written as {syntax} writes it"))?;
        }
        let width = fields.iter().map(|(name, _)| name.len()).max().unwrap_or(0);
        for (name, role) in fields {
            let role = if role.is_empty() { "kept under its name" } else { role };
            output.line(&sanitize::terminal(&format!("  {name:width$}  {role}")))?;
        }
        for warning in template.warnings() {
            output.note(&format!("warning: {}", sanitize::terminal(warning)));
        }
        Ok(())
    }
}
