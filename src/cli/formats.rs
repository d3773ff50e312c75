//! `lapwing formats`: which formats are known, and which fits.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Subcommand};
use serde_json::json;

use super::ConfigArgument;
use super::detect;
use super::output::Output;
use crate::app::{Failure, replay};
use crate::format::{Choice, ChoiceError, PASTED, Syntax, Template};
use crate::sanitize;
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
    /// Say which formats a log is in, from its first line to its last, and why
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
            Action::Explain { format } => {
                if let Choice::Template(text) = Choice::parse(format) {
                    let template = Template::new(PASTED, &text, Zone::UTC)
                        .map_err(|error| Failure::Usage(ChoiceError::Template { error, text }.to_string()))?;
                    self.explain(output, format, &[template])?;
                    return Ok(ExitCode::SUCCESS);
                }
                let Some(entry) = registry.get(format) else {
                    return Err(Failure::Usage(ChoiceError::unknown(format, &registry).to_string()));
                };
                if entry.templates().is_empty() {
                    let message = format!("the fields of \"{format}\" are told by their names, in each line or log");
                    return Err(Failure::Usage(message));
                }
                self.explain(output, format, entry.templates())?;
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
                detect::run(file, self.json, &registry, config.limits.line_bytes, config.zone, output)
            }
        }
    }

    /// Says how a format is read; of one in several variants each.
    fn explain(&self, output: &mut Output, text: &str, variants: &[Template]) -> Result<(), Failure> {
        let syntax = Syntax::of(text).as_str();
        let named = matches!(Choice::parse(text), Choice::Named(_));
        for (at, template) in variants.iter().enumerate() {
            let fields: Vec<(&str, &str)> = template.fields().collect();
            if self.json {
                let fields: Vec<_> = fields
                    .iter()
                    .map(|(name, role)| json!({"name": name, "is": (!role.is_empty()).then_some(role)}))
                    .collect();
                let kind = (!named).then_some(syntax);
                output.json(&json!({"kind": kind, "fields": fields, "warnings": template.warnings()}))?;
                continue;
            }
            if !named {
                output.line(&format!("written as {syntax} writes it"))?;
            }
            if variants.len() > 1 {
                output.line(&format!("variant {} of {}:", at + 1, variants.len()))?;
            }
            let width = fields.iter().map(|(name, _)| name.len()).max().unwrap_or(0);
            for (name, role) in fields {
                let role = if role.is_empty() { "kept under its name" } else { role };
                output.line(&sanitize::terminal(&format!("  {name:width$}  {role}")))?;
            }
            for warning in template.warnings() {
                output.note(&format!("warning: {}", sanitize::terminal(warning)));
            }
        }
        Ok(())
    }
}
