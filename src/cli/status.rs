//! `lapwing status`: how the daemon is.

use std::fmt::Write;
use std::process::ExitCode;

use anyhow::Context;
use clap::Args;

use super::SocketArgument;
use super::output::Output;
use crate::app::Failure;
use crate::app::control::Ask;
use crate::app::status::Status as Picture;
use crate::time::Span;

/// Show how the running daemon is: sources, channels, state
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  lapwing status
  lapwing status --json | jq .sources
  lapwing status --check          exit code 1, and why, when somebody has to see to it")]
pub(super) struct Status {
    #[command(flatten)]
    socket: SocketArgument,
    /// As JSON
    #[arg(long)]
    json: bool,
    /// Only say whether all is well; exit code 1 and the reasons if not
    #[arg(long, conflicts_with = "json")]
    check: bool,
}

impl Status {
    pub(super) fn run(self, output: &mut Output) -> Result<ExitCode, Failure> {
        let answer = self.socket.ask(&Ask::Status)?;
        if self.json {
            output.json(&answer)?;
            return Ok(ExitCode::SUCCESS);
        }
        let picture: Picture = serde_json::from_value(answer).context("the daemon's answer cannot be read")?;
        if self.check {
            if picture.problems.is_empty() {
                output.line(&picture.line())?;
                return Ok(ExitCode::SUCCESS);
            }
            output.line(&picture.problems.join("\n"))?;
            return Ok(ExitCode::FAILURE);
        }
        output.line(text(&picture).trim_end())?;
        Ok(ExitCode::SUCCESS)
    }
}

/// The share of lines that could not be read, if it is worth a word.
fn share(rejected: u64, parsed: u64) -> String {
    let share = 100.0 * rejected as f64 / (rejected + parsed).max(1) as f64;
    if rejected == 0 { String::new() } else { format!(" ({share:.1} % cannot be read)") }
}

/// The picture for people.
fn text(picture: &Picture) -> String {
    let mut out = String::new();
    let _ = writeln!(out, "Lapwing {}, process {}, since {}", picture.version, picture.pid, picture.started_at);
    let _ = writeln!(out, "{}; open incidents: {}", picture.state, picture.open_incidents);
    if let Some(at) = picture.log_time {
        let _ = writeln!(out, "judged up to {at} (log time)");
    }
    for source in &picture.sources {
        let format = source.format.as_deref().unwrap_or("not yet known");
        let _ = writeln!(out, "\nsource {}: format {format}", source.name);
        if let Some(turned) = &source.turned {
            let _ = writeln!(out, "  {turned}");
        }
        let _ = writeln!(
            out,
            "  {} lines: {} read, {} not{}",
            source.lines,
            source.parsed,
            source.rejected + source.oversize + source.partial,
            share(source.rejected, source.parsed)
        );
        for (count, what) in [
            (source.blank, "blank lines"),
            (source.oversize, "lines over the length limit"),
            (source.partial, "unfinished last lines"),
            (source.nul_bytes, "NUL bytes in holes"),
        ] {
            if count > 0 {
                let _ = writeln!(out, "    {count} {what}");
            }
        }
        for (reason, count) in &source.rejected_by {
            let _ = writeln!(out, "    {count} {reason}");
        }
        if let Some(sample) = &source.rejected_sample {
            let _ = writeln!(out, "    such as: {sample}");
        }
        if source.bytes_behind > 0 {
            let eta = source
                .eta_seconds
                .map_or_else(String::new, |s| format!(", about {} at this pace", Span::from_secs(s as i64)));
            let _ = writeln!(out, "  {} bytes still to read{eta}", source.bytes_behind);
        }
        if let Some(at) = source.last_line_at {
            let _ = writeln!(out, "  newest line {at}");
        }
        if source.waiting {
            let _ = writeln!(out, "  waiting: no file is there yet");
        }
        for trouble in &source.troubles {
            let _ = writeln!(out, "  ! {trouble}");
        }
        for file in &source.files {
            let note = file.note.as_deref().map(|n| format!(" ({n})")).unwrap_or_default();
            let _ = writeln!(out, "  {} at byte {}{note}", file.path, file.offset);
        }
        if source.more_files > 0 {
            let _ = writeln!(out, "  and {} more files", source.more_files);
        }
    }
    for source in picture.sources.iter().filter(|source| !source.blind.spots.is_empty()) {
        let _ = writeln!(out, "\nwhat the newest {} lines of source {} do not show:", source.blind.lines, source.name);
        for sentence in source.blind.sentences() {
            let _ = writeln!(out, "  {sentence}");
        }
        for step in &source.blind.paste {
            let _ = writeln!(out, "  paste into {}:\n    {}", step.into, step.text.replace('\n', "\n    "));
        }
    }
    if let Some(judging) = picture.engine.get("judging").and_then(|lines| lines.as_array()) {
        let _ = writeln!(out, "\nwhat can be judged:");
        for line in judging.iter().filter_map(|line| line.as_str()) {
            let _ = writeln!(out, "  {line}");
        }
    }
    let following = &picture.following;
    let events = if following.events { "by events" } else { "by looking every two seconds" };
    let _ = writeln!(
        out,
        "\nfiles are followed {events}; since the start: {} rotations, {} truncations, {} copies known, {} times events lost",
        following.rotations, following.truncations, following.copies, following.rescans
    );
    for channel in &picture.channels {
        let _ = write!(out, "\nchannel {} ({}): {}", channel.name, channel.kind, channel.state);
        if channel.queued > 0 {
            let _ = write!(out, ", {} waiting", channel.queued);
        }
        if let Some(at) = channel.last_delivered {
            let _ = write!(out, ", last delivered {at}");
        }
    }
    let memory = picture.memory;
    if memory.ceiling > 0 {
        let mib = |bytes: u64| bytes.div_ceil(1 << 20);
        let _ = write!(
            out,
            "\n\nmemory: {} MiB of at most {}; tables {} of {}",
            mib(memory.resident),
            mib(memory.ceiling),
            mib(memory.used),
            mib(memory.limit)
        );
        if memory.evicted > 0 {
            let _ = write!(out, "; {} subjects had to give way", memory.evicted);
        }
    }
    let _ = write!(out, "\n\nstate {}: {} kB", picture.store.dir, picture.store.bytes.div_ceil(1000));
    if let Some(at) = picture.store.last_cut {
        let _ = write!(out, ", last saved {at}");
    }
    out.push('\n');
    if let Some(error) = &picture.reload_error {
        let _ = writeln!(out, "! the configuration stays as it was, since the new one cannot be used:");
        for line in error.lines() {
            let _ = writeln!(out, "    {line}");
        }
    }
    if picture.store.given_up > 0 {
        let _ = writeln!(out, "{} messages were given up: lapwing outbox", picture.store.given_up);
    }
    for problem in &picture.problems {
        let _ = writeln!(out, "! {problem}");
    }
    for note in &picture.notes {
        let _ = writeln!(out, "note: {note}");
    }
    out
}
