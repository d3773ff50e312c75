//! `lapwing check`: is everything right? All errors at once, each with its place and what to do.

use std::process::ExitCode;
use std::sync::Arc;

use clap::Args;

use super::ConfigArgument;
use super::output::Output;
use crate::app::Failure;
use crate::app::{blind, checking, rule_tests};
use crate::config::{Config, Invalid};
use crate::diag::{Diagnostic, Weight};

/// Check configuration, rules with their tests, formats, templates and access to the logs
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  lapwing check
  lapwing check --config ./lapwing.toml --json
  lapwing check --send          also sends a test message through every channel

Exit codes: 0 all is well, 1 a test message was not accepted, 2 the configuration cannot be used.")]
pub(super) struct Check {
    #[command(flatten)]
    config: ConfigArgument,
    /// Send a test message through every channel
    #[arg(long)]
    send: bool,
    /// Findings as JSON, one a line
    #[arg(long)]
    json: bool,
}

impl Check {
    pub(super) fn run(self, output: &mut Output) -> Result<ExitCode, Failure> {
        let (config, mut found) = match Config::load(self.config.path()) {
            Ok(loaded) => (Some(loaded.config), loaded.warnings),
            Err(Invalid(list)) => (None, list),
        };
        let mut tests = rule_tests::Outcome::default();
        if let Some(config) = &config {
            found.extend(checking::check(config));
            tests = checking::rule_tests(config);
            found.append(&mut tests.failed);
        }
        for diagnostic in &found {
            self.show(output, diagnostic)?;
        }
        let unseen = config.as_ref().map(checking::unseen).unwrap_or_default();
        for (source, blind) in &unseen {
            self.show_blind(output, source, blind)?;
        }
        let errors = found.iter().filter(|d| d.weight == Weight::Error).count();
        if errors > 0 {
            output.flush()?;
            let errors = if errors == 1 { "1 error".to_owned() } else { format!("{errors} errors") };
            output.note(&format!("{}: {errors}", self.config.path().display()));
            return Ok(ExitCode::from(2));
        }
        let Some(config) = config else { return Ok(ExitCode::from(2)) };
        output.flush()?;
        let verdict = match found.len() {
            0 => "all is well".to_owned(),
            1 => "can be used, with 1 warning".to_owned(),
            more => format!("can be used, with {more} warnings"),
        };
        let ran = if tests.run == 0 { String::new() } else { format!(", tests of rules: {} passed", tests.run) };
        output.note(&format!(
            "{}: {verdict} (sources: {}, channels: {}, rules: {}{ran})",
            self.config.path().display(),
            config.sources.len(),
            config.channels.len(),
            config.rules.iter().filter(|r| r.enabled).count()
        ));
        if !self.send {
            return Ok(ExitCode::SUCCESS);
        }
        let mut failed = false;
        for sent in checking::send_test(&Arc::new(config))? {
            failed |= sent.error.is_some();
            let text = sent.error.as_deref().unwrap_or("accepted");
            if self.json {
                output.json(&serde_json::json!({"channel": sent.channel, "accepted": sent.error.is_none(), "error": sent.error}))?;
            } else {
                output.line(&format!("{}: {text}", sent.channel))?;
            }
        }
        Ok(if failed { ExitCode::from(1) } else { ExitCode::SUCCESS })
    }

    /// What a source's lines do not say, and what to paste.
    fn show_blind(&self, output: &mut Output, source: &str, blind: &blind::Blind) -> Result<(), Failure> {
        if self.json {
            let (lines, spots, paste) = (blind.lines, &blind.spots, &blind.paste);
            let unseen = serde_json::json!({"source": source, "lines": lines, "unseen": spots, "paste": paste});
            output.json(&unseen)?;
            return Ok(());
        }
        for sentence in blind.sentences() {
            output.line(&format!("note: source \"{source}\": {sentence}"))?;
        }
        for step in &blind.paste {
            output.line(&format!("  paste into {}:\n    {}", step.into, step.text.replace('\n', "\n    ")))?;
        }
        Ok(())
    }

    fn show(&self, output: &mut Output, diagnostic: &Diagnostic) -> Result<(), Failure> {
        if self.json {
            output.json(&diagnostic.to_json())?;
        } else {
            let colour = output.colour;
            output.line(&diagnostic.render(colour))?;
        }
        Ok(())
    }
}
