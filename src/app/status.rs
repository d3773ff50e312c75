//! What `lapwing status` shows: one picture of the whole, made by those who know and read by those who ask.

use std::fmt::Write;
use std::sync::{Arc, Mutex, PoisonError};

use serde::{Deserialize, Serialize};

use super::answers::Explained;
use super::blind::Blind;
use crate::time::{Span, Timestamp};

/// The whole picture.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Status {
    /// Lapwing's version.
    pub version: String,
    /// The process.
    pub pid: u32,
    /// Since when it runs.
    pub started_at: Timestamp,
    /// What it is doing, in a few words.
    pub state: String,
    /// The newest instant of log time that was judged.
    pub log_time: Option<Timestamp>,
    /// Lines taken in of all sources together: what `wc -l` says of their files.
    pub lines_total: u64,
    /// Source by source.
    pub sources: Vec<SourceStatus>,
    /// What happened to files since the start, and how they are watched.
    pub following: Following,
    /// Channel by channel.
    pub channels: Vec<ChannelStatus>,
    /// The state directory.
    pub store: StoreStatus,
    /// Incidents that go on.
    pub open_incidents: usize,
    /// The engine's own account: subjects, memory, evictions, what it cannot judge yet.
    pub engine: serde_json::Value,
    /// Memory, in bytes.
    pub memory: MemoryStatus,
    /// When the configuration in force was read, and why a newer one was not taken.
    pub configured_at: Timestamp,
    /// Why the last reload changed nothing.
    pub reload_error: Option<String>,
    /// What a start found damaged, and the like.
    pub notes: Vec<String>,
    /// What was kept for the daily summary, now or in the last days, and why.
    pub kept: Vec<Explained>,
    /// When this picture was made.
    pub looked_at: Timestamp,
    /// What somebody has to see to: empty while all is well.
    pub problems: Vec<String>,
}

/// Memory, in bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct MemoryStatus {
    /// What the whole process may take: `[limits] memory`.
    pub ceiling: u64,
    /// What the system says it takes.
    pub resident: u64,
    /// What the tables of subjects may take of that.
    pub limit: u64,
    /// What they take, by own accounting.
    pub used: u64,
    /// Subjects that had to give way, ever.
    pub evicted: u64,
}

/// One source.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct SourceStatus {
    /// Its name.
    pub name: String,
    /// The format its lines are read with, once known.
    pub format: Option<String>,
    /// Where its lines last turned to another format, in words.
    pub turned: Option<String>,
    /// Lines taken in: parsed, rejected, blank, over the length limit, partial.
    pub lines: u64,
    /// Lines that were read.
    pub parsed: u64,
    /// Lines that could not be read.
    pub rejected: u64,
    /// Why, by reason.
    pub rejected_by: Vec<(String, u64)>,
    /// The first line that could not be read, made safe to show.
    pub rejected_sample: Option<String>,
    /// Lines over the length limit.
    pub oversize: u64,
    /// Unfinished last lines of files that are over.
    pub partial: u64,
    /// Lines with nothing in them.
    pub blank: u64,
    /// NUL bytes in holes.
    pub nul_bytes: u64,
    /// The newest line's time.
    pub last_line_at: Option<Timestamp>,
    /// Bytes that wait to be read.
    pub bytes_behind: u64,
    /// How far the newest line lies behind the clock while bytes wait, in seconds.
    pub seconds_behind: Option<u64>,
    /// How long reading what waits will take at the present pace, in seconds.
    pub eta_seconds: Option<u64>,
    /// Nothing that it names exists yet.
    pub waiting: bool,
    /// Files held open.
    pub open_files: usize,
    /// Files that are followed, at most a hundred of them.
    pub files: Vec<FileStatus>,
    /// How many more there are.
    pub more_files: usize,
    /// What is wrong with it, in sentences.
    pub troubles: Vec<String>,
    /// What its newest lines do not say, and what to paste so that they do.
    pub blind: Blind,
}

/// What happened to files since the start, and how they are watched.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Following {
    /// All directories report events; if not, some are looked at every two seconds.
    pub events: bool,
    /// Files found under a rotated name, or without a name.
    pub rotations: u64,
    /// Files truncated or written anew in place.
    pub truncations: u64,
    /// Copies and archives of known files that were recognised.
    pub copies: u64,
    /// How often events were lost, so that everything had to be looked at.
    pub rescans: u64,
}

/// One file of a source.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct FileStatus {
    /// Where it lies.
    pub path: String,
    /// How far it was read, in bytes.
    pub offset: u64,
    /// Bytes that wait to be read.
    pub bytes_behind: u64,
    /// What is wrong with it, or what is special.
    pub note: Option<String>,
}

/// One channel.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct ChannelStatus {
    /// Its name.
    pub name: String,
    /// What it is.
    pub kind: String,
    /// `ok`, or what it waits for, or why it is broken.
    pub state: String,
    /// Messages that wait.
    pub queued: usize,
    /// Since when the oldest waits.
    pub oldest: Option<Timestamp>,
    /// When it last accepted one.
    pub last_delivered: Option<Timestamp>,
}

/// The state directory.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct StoreStatus {
    /// Where it lies.
    pub dir: String,
    /// Its size.
    pub bytes: u64,
    /// When the last cut succeeded.
    pub last_cut: Option<Timestamp>,
    /// Why cuts fail, if they do.
    pub failing: Option<String>,
    /// Files that were set aside.
    pub quarantined: usize,
    /// Messages that were given up and are still listed.
    pub given_up: usize,
    /// Messages ever given up because too many were waiting.
    pub shed: u64,
}

/// Where the picture hangs. Held for moments only: whoever looks gets a copy.
#[derive(Clone, Debug, Default)]
pub struct Board(Arc<Mutex<Status>>);

impl Board {
    /// Changes the picture.
    pub fn update(&self, change: impl FnOnce(&mut Status)) {
        change(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner));
    }

    /// The picture as of now.
    pub fn look(&self) -> Status {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// A picture older than this was not renewed as it should be.
const STALE: Span = Span::from_secs(30);
/// Messages that wait longer do not arrive.
const UNHEARD: Span = Span::from_mins(15);

impl Status {
    /// What somebody has to see to, as of `now`: what a health check fails for.
    pub fn find_problems(&self, now: Timestamp) -> Vec<String> {
        let mut problems = Vec::new();
        let began = self.state == "starting" || self.state == "reading history";
        if !began && now - self.looked_at > STALE {
            problems.push(format!("nothing has moved since {}: the pipeline is stuck", self.looked_at));
        }
        problems.extend(self.store.failing.as_ref().map(|why| format!("the state is {why}")));
        for channel in &self.channels {
            if channel.state.starts_with("broken") {
                problems.push(format!("channel {} is {}", channel.name, channel.state));
            } else if let Some(oldest) = channel.oldest.filter(|oldest| now - *oldest > UNHEARD) {
                problems.push(format!(
                    "channel {} accepts nothing since {oldest}: {} messages wait ({})",
                    channel.name, channel.queued, channel.state
                ));
            }
        }
        if let Some(error) = &self.reload_error {
            let first = error.lines().next().unwrap_or_default();
            problems.push(format!("the new configuration cannot be used: {first}"));
        }
        problems
    }

    /// The line that `systemctl status` shows.
    pub fn line(&self) -> String {
        let lines: u64 = self.sources.iter().map(|s| s.lines).sum();
        let behind: u64 = self.sources.iter().map(|s| s.bytes_behind).sum();
        let mut text = format!(
            "{}: {lines} lines, sources: {}, open incidents: {}",
            self.state,
            self.sources.len(),
            self.open_incidents
        );
        if behind > 1 << 20 {
            let _ = write!(text, ", {} MiB behind", behind >> 20);
        }
        if self.memory.resident > 0 {
            let _ = write!(text, ", {} MiB of memory", self.memory.resident >> 20);
        }
        if self.store.failing.is_some() {
            text.push_str(", the state cannot be saved");
        }
        if let Some(channel) = self.channels.iter().find(|c| c.state.starts_with("broken")) {
            let _ = write!(text, ", channel {} is broken", channel.name);
        }
        text
    }
}
