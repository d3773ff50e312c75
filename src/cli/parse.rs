//! `lapwing parse`: how lines are read.

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::anyhow;
use clap::Args;
use serde_json::json;

use super::ConfigArgument;
use super::output::Output;
use super::rejected::Rejected;
use crate::app::pipeline::Secrets;
use crate::app::{Failure, replay};
use crate::event::SourceId;
use crate::format::{Choice, SAMPLE_LINES, SourceParser};
use crate::intake::{EventView, Intake};
use crate::sanitize;
use crate::source::archive::{self, LineReader};
use crate::source::lines;
use crate::time::{Timestamp, Zone};

/// Show how lines are read
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  lapwing parse /var/log/nginx/access.log | less
  lapwing parse --json access.log | jq -r .endpoint | sort | uniq -c | sort -n
  lapwing parse --log-format '$remote_addr [$time_local] \"$request\" $status' access.log
  lapwing parse --format caddy -

With --json one object a line of input, in its order; a line that cannot be read gives
{\"line\":7,\"rejected\":\"unquoted request\",\"column\":41}. What was rejected is summed up at the end, on standard error
with --json.")]
pub(super) struct Parse {
    /// A log; `-` is standard input
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// The format by name, or a log format as it stands in the server's configuration, instead of looking at the lines
    #[arg(long, value_name = "NAME|TEXT", conflicts_with = "log_format")]
    format: Option<String>,
    /// The server's log format, as it stands in its configuration
    #[arg(long, value_name = "TEXT")]
    log_format: Option<String>,
    /// The zone of times that are written without one
    #[arg(long, value_name = "ZONE", value_parser = Zone::parse)]
    timezone: Option<Zone>,
    /// One JSON object a line
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    config: ConfigArgument,
}

impl Parse {
    pub(super) fn run(self, output: &mut Output) -> Result<ExitCode, Failure> {
        let config = self.config.load_if_named(output)?;
        let registry = replay::registry(&config)?;
        let name = replay::source_of(&config, &self.file);
        let source = config.sources.iter().find(|s| s.files.name == name);
        let plan = source.map(|s| config.plan(s));
        let choice = match (&self.format, &self.log_format, &plan) {
            (Some(given), _, _) => Choice::parse(given),
            (_, Some(text), _) => Choice::Template(text.clone()),
            (_, _, Some(plan)) => plan.choice.clone(),
            _ => Choice::Auto,
        };
        let zone = self.timezone.or(plan.as_ref().map(|p| p.zone)).unwrap_or(config.zone);
        let fields = plan.map(|p| p.fields).unwrap_or_default();
        let mut parser = SourceParser::with_fields(choice, Arc::clone(&registry), zone, fields)
            .map_err(|e| Failure::Usage(e.to_string()))?;
        parser.near(replay::written(&self.file));
        // What does not say when is shown all the same, as of the epoch.
        parser.set_arrival(Some(Timestamp::from_secs(0)));
        for warning in parser.warnings() {
            output.note(&format!("warning: {warning}"));
        }
        let secrets = Secrets::for_replay();
        let by_id = vec![source.map(|s| config.intake_source(s)).unwrap_or_default()];
        let mut intake = Intake::new(config.intake_settings(by_id, Vec::new()), secrets.fingerprint, secrets.hasher);
        let cannot =
            |e: std::io::Error| Failure::Running(anyhow!("cannot read {}: {}", self.file.display(), replay::plain(&e)));
        let mut reader = LineReader::new(archive::open(&self.file).map_err(cannot)?, config.limits.line_bytes);
        let mut block = Vec::new();
        let (mut number, mut parsed) = (0, 0u64);
        let mut rejected = Rejected::default();
        loop {
            let oversize = reader.skipped().oversize_lines;
            let is_over = !reader.next_block(&mut block).map_err(cannot)?;
            if !is_over && parser.wants_sample() {
                let sample: Vec<&[u8]> = lines(&block).take(SAMPLE_LINES).collect();
                let guess = parser.offer(&sample);
                if !sample.is_empty() {
                    output.note(&guess.reason);
                }
            }
            // Lines that were passed over stood before this block's: their numbers are taken.
            for _ in oversize..reader.skipped().oversize_lines {
                number += 1;
                rejected.note("line too long", number, None, b"");
                if self.json {
                    output.json(
                        &json!({"line": number, "rejected": "line too long", "column": config.limits.line_bytes}),
                    )?;
                }
            }
            if is_over {
                break;
            }
            for raw in block.split_inclusive(|b| *b == b'\n') {
                number += 1;
                let Some(line) = lines(raw).next() else { continue };
                match parser.parse(line) {
                    Ok(record) => {
                        parsed += 1;
                        let mut view = intake.describe(&record, SourceId(0));
                        view.line = number;
                        record.format.clone_into(&mut view.format);
                        if self.json { output.json(&view)? } else { output.line(&row(&view))? }
                    }
                    Err(reject) => {
                        rejected.note(&reject.reason.to_string(), number, Some(reject.column), line);
                        if self.json {
                            let reason = reject.reason.as_str();
                            output.json(&json!({"line": number, "rejected": reason, "column": reject.column}))?;
                        } else {
                            let text = sanitize::terminal(&sanitize::redact_line(line));
                            output.line(&format!(
                                "{number}: not read, column {}: {}: {text}",
                                reject.column, reject.reason
                            ))?;
                        }
                    }
                }
            }
        }
        let summary = rejected.summary(&sanitize::terminal(&self.file.display().to_string()), parsed);
        // Scripts read nothing but events on standard output.
        if !self.json {
            output.line(&summary)?;
        }
        output.flush()?;
        if self.json {
            output.note(&summary);
        }
        Ok(ExitCode::SUCCESS)
    }
}

/// One event for people.
fn row(view: &EventView) -> String {
    let or_dash = |text: &Option<String>| text.clone().unwrap_or_else(|| "-".to_owned());
    let number = |n: Option<u64>| n.map_or_else(|| "-".to_owned(), |n| n.to_string());
    let mut text = format!(
        "{}: {} {} key {} {} {} → {} status {} {} bytes",
        view.line,
        view.time,
        or_dash(&view.client),
        or_dash(&view.key),
        or_dash(&view.method),
        or_dash(&view.target),
        or_dash(&view.endpoint),
        number(view.status.map(u64::from)),
        number(view.bytes_out),
    );
    if let Some(duration) = view.duration {
        text.push_str(" in ");
        text.push_str(&duration.to_string());
        text.push_str(" s");
    }
    let tokens = [("tokens in", view.tokens_in), ("tokens out", view.tokens_out)];
    for (name, count) in tokens.into_iter().filter_map(|(name, count)| Some((name, count?))) {
        text.push_str(&format_args!(" {count} {name}").to_string());
    }
    for (name, value) in view.further() {
        text.push_str(&format_args!(" {name}={value}").to_string());
    }
    sanitize::terminal(&text)
}
