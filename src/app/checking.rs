//! What `check` and `drill` try out: formats, templates, access to the logs, and the way to every receiver.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Context;

use super::Failure;
use super::blind::Blind;
use super::geo;
use super::machine;
use super::replay::{plain, registry};
use super::rule_tests;
use super::telling::Teller;
use crate::config::{Config, Source};
use crate::diag::{Diagnostic, Origin, Place};
use crate::format::{FileError, Registry, SourceParser};
use crate::notice::{Notice, sample};
use crate::notify::{self, Message, Outcome, Render};
use crate::source::{Follower, remedy};
use crate::time::{Clock, Span, SystemClock, Timestamp};

/// What became of one message.
#[derive(Debug)]
pub struct Sent {
    /// Through which channel.
    pub channel: String,
    /// Of which detector.
    pub detector: String,
    /// Why it was not accepted.
    pub error: Option<String>,
}

/// Everything that can be found without sending anything.
pub fn check(config: &Config) -> Vec<Diagnostic> {
    let mut found = Vec::new();
    let registry = match Registry::with_dir(&config.parsers_dir) {
        Ok(registry) => Arc::new(registry),
        Err(error) => {
            found.push(of_format_file(error));
            return found;
        }
    };
    if config.sources.is_empty() {
        found.push(
            Diagnostic::warning("no source is configured: there is nothing to watch").help("add a [source.NAME] table"),
        );
    }
    if config.channels.is_empty() {
        found.push(Diagnostic::warning("no channel is configured: nobody is told").help("add a [channel.NAME] table"));
    }
    if let Err(error) = Teller::new(Arc::new(config.clone())) {
        found.push(Diagnostic::error(error.to_string()));
    }
    for source in &config.sources {
        let name = &source.files.name;
        let plan = config.plan(source);
        match SourceParser::with_fields(plan.choice, registry.clone(), plan.zone, plan.fields) {
            Ok(parser) => {
                found.extend(parser.warnings().iter().map(|w| Diagnostic::warning(format!("source \"{name}\": {w}"))));
            }
            Err(error) => found.push(Diagnostic::error(format!("source \"{name}\": {error}"))),
        }
        found.extend(access(config, source));
    }
    found.extend(machine::check(config));
    found.extend(geo::check(config));
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
    for channel in &config.channels {
        if let Err(error) = channel.settings().build(clock.clone()) {
            found.push(Diagnostic::error(format!("[channel.{}] {error}", channel.name)));
        }
    }
    found
}

/// What cannot be seen in the lines of each source, with what to paste; sources in whose lines all is seen are left out.
pub fn unseen(config: &Config) -> Vec<(String, Blind)> {
    // Told by [`check`].
    let Ok(registry) = Registry::with_dir(&config.parsers_dir).map(Arc::new) else { return Vec::new() };
    let of = |source: &Source| {
        let followed = vec![(crate::event::SourceId(0), source.files.clone())];
        let mut follower = Follower::new(followed, config.limits, Vec::new()).ok()?;
        follower.scan(Span::ZERO);
        let files = follower.status().into_iter().flat_map(|status| status.files);
        let paths: Vec<PathBuf> = files.map(|file| file.path).collect();
        Some((source.files.name.clone(), Blind::of(config, source, &registry, &paths)?))
    };
    let mut unseen: Vec<(String, Blind)> = config.sources.iter().filter_map(of).collect();
    Blind::say_once(unseen.iter_mut().map(|(_, blind)| blind));
    unseen.retain(|(_, blind)| !blind.spots.is_empty());
    unseen
}

/// Runs the tests that stand beside rules.
pub fn rule_tests(config: &Config) -> rule_tests::Outcome {
    match Registry::with_dir(&config.parsers_dir) {
        Ok(registry) => rule_tests::run(config, &Arc::new(registry)),
        // Told by [`check`].
        Err(_) => rule_tests::Outcome::default(),
    }
}

fn of_format_file(error: FileError) -> Diagnostic {
    let diagnostic = Diagnostic::error(error.message);
    match error.span {
        Some(span) => diagnostic.at(&Place { origin: Origin::new(error.origin, error.text), span }, ""),
        None => diagnostic.help(format!("in {}", error.origin)),
    }
}

/// Whether a source's files are there and may be read.
fn access(config: &Config, source: &Source) -> Vec<Diagnostic> {
    let name = &source.files.name;
    let sources = vec![(crate::event::SourceId(0), source.files.clone())];
    let mut follower = match Follower::new(sources, config.limits, Vec::new()) {
        Ok(follower) => follower,
        Err(error) => return vec![Diagnostic::error(format!("source \"{name}\": {error}"))],
    };
    follower.scan(Span::ZERO);
    let mut found = Vec::new();
    for status in follower.status() {
        if status.waiting || status.files.is_empty() {
            found.push(
                Diagnostic::warning(format!("source \"{name}\": no file is at {}", source.files.path.join(", ")))
                    .help("it is read as soon as it is there"),
            );
        }
        for file in status.files {
            if let Err(error) = std::fs::File::open(&file.path) {
                found.push(unreadable(name, &file.path, &error));
            }
        }
    }
    found
}

fn unreadable(source: &str, path: &Path, error: &std::io::Error) -> Diagnostic {
    let d = Diagnostic::error(format!("source \"{source}\": cannot read {}: {}", path.display(), plain(error)));
    let denied = error.kind() == std::io::ErrorKind::PermissionDenied;
    d.maybe_help(denied.then(|| remedy(path)))
}

/// The sample alerts of some detectors, as of now, marked as drills.
///
/// # Errors
/// A template that would not work.
pub fn drills(config: &Arc<Config>, detectors: &[String], now: Timestamp) -> Result<Vec<Notice>, Failure> {
    let teller = Teller::new(config.clone()).map_err(|e| Failure::Usage(e.to_string()))?;
    let changes = detectors.iter().filter_map(|name| sample::drill(name, now));
    Ok(changes
        .map(|change| {
            let mut notice = teller.notice(&change);
            notice.drill = true;
            notice
        })
        .collect())
}

/// Sends one drill through every channel, whatever the route says.
///
/// # Errors
/// A template or format that cannot be used.
pub fn send_test(config: &Arc<Config>) -> Result<Vec<Sent>, Failure> {
    let first = sample::detectors().into_iter().take(1).collect::<Vec<_>>();
    let notices = drills(config, &first, SystemClock::new().now())?;
    send(config, &notices)
}

/// Sends notices through every channel once, and says what became of each.
///
/// # Errors
/// A template or format that cannot be used.
pub fn send(config: &Arc<Config>, notices: &[Notice]) -> Result<Vec<Sent>, Failure> {
    notify::install_tls();
    registry(config)?;
    let teller = Teller::new(config.clone()).map_err(|e| Failure::Usage(e.to_string()))?;
    let messages = teller.messages();
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().context("cannot start sending")?;
    let mut all = Vec::new();
    for channel in &config.channels {
        let ready = match channel.settings().build(clock.clone()) {
            Ok(ready) => ready,
            Err(error) => return Err(Failure::Usage(format!("[channel.{}] {error}", channel.name))),
        };
        for (i, notice) in notices.iter().enumerate() {
            let mut message = messages.message(notice, &ready.kind);
            let outcome = runtime.block_on(async {
                if i > 0 {
                    // Receivers take about a message a second.
                    tokio::time::sleep(Span::SECOND.to_std()).await;
                }
                let outcome = ready.notifier.send(&message, &[]).await;
                if let Outcome::ResendPlain { .. } = outcome
                    && let Some(plain) = std::mem::replace(&mut message, Message::Text(String::new())).into_plain()
                {
                    return ready.notifier.send(&plain, &[]).await;
                }
                outcome
            });
            let error = match outcome {
                Outcome::Delivered => None,
                Outcome::Partly { why, .. }
                | Outcome::Retry { why, .. }
                | Outcome::Doubtful { why }
                | Outcome::GiveUp { why }
                | Outcome::Broken { why }
                | Outcome::ResendPlain { why } => Some(why),
            };
            all.push(Sent { channel: channel.name.clone(), detector: notice.detector.clone(), error });
        }
    }
    Ok(all)
}
