//! `lapwing drill`: does an alert reach people, and do they understand it?

use std::process::ExitCode;
use std::sync::Arc;

use clap::Args;

use super::ConfigArgument;
use super::output::Output;
use crate::app::{Failure, checking};
use crate::diag;
use crate::notice::sample;
use crate::notice::terminal::Style;
use crate::time::{Clock, SystemClock};

/// Send a sample alert of each kind through the real templates and channels, marked as a drill
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  lapwing drill
  lapwing drill leaked-key --config ./lapwing.toml
  lapwing drill --show          on this terminal only")]
pub(super) struct Drill {
    /// Only this detector's
    #[arg(value_name = "DETECTOR")]
    detector: Option<String>,
    #[command(flatten)]
    config: ConfigArgument,
    /// Show them here instead of sending them
    #[arg(long)]
    show: bool,
    /// Results as JSON, one a line
    #[arg(long)]
    json: bool,
}

impl Drill {
    pub(super) fn run(self, output: &mut Output) -> Result<ExitCode, Failure> {
        let known = sample::detectors();
        let detectors = match &self.detector {
            None => known,
            Some(name) if known.contains(name) => vec![name.clone()],
            Some(name) => {
                let help = diag::suggest(name, known.iter().map(String::as_str)).unwrap_or_default();
                return Err(Failure::Usage(format!("no detector is called \"{name}\": {help}")));
            }
        };
        let config = if self.show { self.config.load_if_named(output)? } else { self.config.load(output)? };
        if config.channels.is_empty() && !self.show {
            return Err(Failure::Usage("no channel is configured; --show shows the alerts here".to_owned()));
        }
        let now = SystemClock::new().now();
        let config = Arc::new(config);
        let notices = checking::drills(&config, &detectors, now)?;
        if self.show {
            let teller = crate::app::telling::Teller::new(config).map_err(|e| Failure::Usage(e.to_string()))?;
            let style = Style { colour: output.colour, width: output.width() };
            for notice in &notices {
                if self.json {
                    output.json(notice)?;
                } else {
                    output.line(&format!("{}\n", teller.terminal(notice, style)))?;
                }
            }
            return Ok(ExitCode::SUCCESS);
        }
        let mut failed = false;
        for sent in checking::send(&config, &notices)? {
            failed |= sent.error.is_some();
            if self.json {
                output.json(&serde_json::json!({
                    "channel": sent.channel, "detector": sent.detector, "accepted": sent.error.is_none(), "error": sent.error,
                }))?;
            } else {
                let text = sent.error.as_deref().unwrap_or("accepted");
                output.line(&format!("{}: {}: {text}", sent.channel, sent.detector))?;
            }
        }
        Ok(if failed { ExitCode::from(1) } else { ExitCode::SUCCESS })
    }
}
