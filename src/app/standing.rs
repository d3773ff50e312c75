//! How reading stands, as a picture for `lapwing status` and for the watch over the sources.

use std::collections::{BTreeMap, VecDeque};

use super::status::{FileStatus, Following};
use crate::event::SourceId;
use crate::source::follow::Trouble;
use crate::source::{Follower, Watcher};
use crate::time::Span;

/// The most files of one source that are shown.
const FILES_SHOWN: usize = 100;
/// The pace of reading is taken over so many pictures.
const PACE_OVER: usize = 10;
/// A backlog of at least so many bytes is worth a word in the log,
const BACKLOG_TOLD: u64 = 64 << 20;
/// as often as this.
const BACKLOG_EVERY: Span = Span::from_secs(30);

/// How reading stands.
#[derive(Clone, Debug, Default)]
pub(super) struct Picture {
    /// Source by source.
    pub sources: Vec<(SourceId, SourcePicture)>,
    /// What happened to files since the start, and how they are watched.
    pub following: Following,
}

/// How reading of one source stands.
#[derive(Clone, Debug, Default)]
pub(super) struct SourcePicture {
    /// Nothing that it names exists.
    pub waiting: bool,
    /// Bytes that wait.
    pub behind: u64,
    /// How long reading them will take at the present pace.
    pub eta: Option<Span>,
    /// Files held open.
    pub open_files: usize,
    /// The files that are followed; those that something is to be said about first.
    pub files: Vec<FileStatus>,
    /// How many more there are.
    pub more_files: usize,
    /// What cannot be read though it should be, and for how long.
    pub troubles: Vec<(Trouble, Span)>,
}

/// What is kept from picture to picture.
#[derive(Debug, Default)]
pub(super) struct Standing {
    /// Bytes that waited, source by source, the oldest picture first.
    behind: BTreeMap<SourceId, VecDeque<(Span, u64)>>,
    backlog_told: Option<Span>,
}

impl Standing {
    /// Draws the picture.
    pub(super) fn picture(&mut self, follower: &mut Follower, watcher: &Watcher, now: Span) -> Picture {
        if let Some((lines, files @ 1..)) = follower.caught_up().filter(|(lines, _)| *lines > 0) {
            let files = if files == 1 { "1 rotated file".to_owned() } else { format!("{files} rotated files") };
            tracing::info!("caught up {lines} lines from {files}");
        }
        let mut picture = Picture::default();
        for status in follower.status() {
            let files: Vec<FileStatus> = status.files.iter().map(file_status).collect();
            let (files, more_files) = shown(files);
            let source = SourcePicture {
                waiting: status.waiting,
                behind: status.behind,
                eta: self.eta(status.source, status.behind, now),
                open_files: status.open_files,
                files,
                more_files,
                troubles: status.troubles.into_iter().map(|t| (now - t.since, t)).map(|(age, t)| (t, age)).collect(),
            };
            picture.sources.push((status.source, source));
        }
        let counters = follower.counters();
        picture.following = Following {
            events: watcher.is_watching(),
            rotations: counters.rotations,
            truncations: counters.truncations,
            copies: counters.copies,
            rescans: watcher.rescans(),
        };
        self.tell_backlog(&picture, now);
        picture
    }

    /// How long a source will take to catch up, by how much less waits than some pictures ago.
    fn eta(&mut self, source: SourceId, behind: u64, now: Span) -> Option<Span> {
        let before = self.behind.entry(source).or_default();
        before.push_back((now, behind));
        if before.len() > PACE_OVER {
            before.pop_front();
        }
        let &(since, most) = before.front()?;
        let (less, took) = (most.checked_sub(behind)?, now - since);
        if behind == 0 || less == 0 || took <= Span::ZERO {
            return None;
        }
        let millis = behind as f64 / less as f64 * took.millis() as f64;
        Some(Span::from_secs((millis / 1000.0).ceil() as i64))
    }

    fn tell_backlog(&mut self, picture: &Picture, now: Span) {
        let behind: u64 = picture.sources.iter().map(|(_, source)| source.behind).sum();
        if behind < BACKLOG_TOLD || self.backlog_told.is_some_and(|at| now - at < BACKLOG_EVERY) {
            return;
        }
        self.backlog_told = Some(now);
        let eta = picture.sources.iter().filter_map(|(_, source)| source.eta).max();
        let eta = eta.map_or_else(String::new, |eta| format!(", about {eta} at this pace"));
        tracing::info!("catching up: {} MiB still to read{eta}", behind >> 20);
    }
}

fn file_status(file: &crate::source::follow::FileStatus) -> FileStatus {
    // What is ordinary needs no words.
    let mode = (file.mode != "reading").then(|| file.mode.to_owned());
    FileStatus {
        path: file.path.display().to_string(),
        offset: file.offset,
        bytes_behind: file.behind,
        note: file.last_error.clone().or(mode),
    }
}

/// The files that are shown, and how many are not: those with a word to say, and those that are behind, come first.
fn shown(mut files: Vec<FileStatus>) -> (Vec<FileStatus>, usize) {
    let more = files.len().saturating_sub(FILES_SHOWN);
    if more > 0 {
        let done = ["idle", "left alone", "finished", "a copy"];
        let idle = |file: &FileStatus| file.note.as_deref().is_some_and(|note| done.contains(&note));
        files.sort_by_key(|file| (idle(file), std::cmp::Reverse(file.bytes_behind)));
        files.truncate(FILES_SHOWN);
        files.sort_by(|a, b| a.path.cmp(&b.path));
    }
    (files, more)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_time_to_catch_up_follows_the_pace() {
        let mut standing = Standing::default();
        let source = SourceId(0);
        assert_eq!(standing.eta(source, 1000, Span::from_secs(1)), None);
        assert_eq!(standing.eta(source, 900, Span::from_secs(2)), Some(Span::from_secs(9)));
        assert_eq!(standing.eta(source, 400, Span::from_secs(3)), Some(Span::from_secs(2)));
        // More comes than is read.
        assert_eq!(standing.eta(source, 2000, Span::from_secs(4)), None);
        assert_eq!(standing.eta(source, 0, Span::from_secs(5)), None);
    }

    #[test]
    fn of_very_many_files_those_with_a_word_to_say_are_shown() {
        let file = |n: usize, note: Option<&str>| FileStatus {
            path: format!("{n:05}.log"),
            note: note.map(str::to_owned),
            ..FileStatus::default()
        };
        let mut files: Vec<FileStatus> = (0..5000).map(|n| file(n, Some("idle"))).collect();
        files[4000].note = Some("refused".to_owned());
        files[3000].bytes_behind = 7;
        let (shown, more) = shown(files);
        assert_eq!((shown.len(), more), (FILES_SHOWN, 4900));
        assert!(shown.iter().any(|f| f.path == "04000.log") && shown.iter().any(|f| f.path == "03000.log"));
    }
}
