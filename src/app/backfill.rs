//! The first start: reads what the logs already hold, so that it is known from the first minute what is usual. Nobody is
//! told of what is over.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};

use super::abreast::{Piece, hand_on};
use super::ledger::Ledger;
use super::merge::{Merge, position, whole_lines};
use super::pipeline::{Pipeline, PipelineError};
use super::replay::{is_asked_for, source_of};
use super::session::LATENESS;
use super::systemd;
use crate::config::Config;
use crate::source::{Follower, Position, Start, history};
use crate::time::{Clock, Span, Timestamp};

/// The most work that the look back may be, in bytes on the disk; the newest files come first.
const MAX_BYTES: u64 = 20 << 30;
/// How often the progress is told.
const TELL_EVERY: Span = Span::from_secs(2);

/// What the look back brought.
#[derive(Debug, Default)]
pub(super) struct Backfilled {
    /// Where the follower goes on.
    pub positions: BTreeMap<u64, Position>,
    /// It was stopped before its end.
    pub stopped: bool,
    /// In words, for the log and for `status`.
    pub note: Option<String>,
}

/// Reads the files of every source that begins at the beginning, in the order of their lines' times.
pub(super) fn backfill(
    config: &Config,
    pipeline: &mut Pipeline,
    clock: &dyn Clock,
    stop: &AtomicBool,
    service: bool,
    mut ledger: Option<&mut Ledger>,
) -> Result<Backfilled, PipelineError> {
    let mut done = Backfilled::default();
    let Files { read: files, left } = files(config, pipeline, clock);
    if files.is_empty() {
        return Ok(done);
    }
    let count = files.len();
    let mut feeds = Vec::with_capacity(count);
    for (path, source) in files {
        let until = match whole_lines(&path) {
            Ok(length) => length,
            Err(error) => {
                tracing::warn!(path = %path.display(), %error, "this file is not read for its history");
                continue;
            }
        };
        let stream = pipeline.open(&source)?;
        pipeline.near(stream, super::replay::written(&path));
        feeds.push((path, stream, until));
    }
    pipeline.quiet(true);
    let mut merge = Merge::new(feeds, &config.limits, pipeline);
    let size = merge.size().max(1);
    let (mut told, mut changes) = (clock.monotonic() - TELL_EVERY, Vec::new());
    pipeline.take_abreast(
        |front, on| {
            let (mut piece, mut wanted) = (Piece::default(), true);
            while let Some(run) = merge.next(front).filter(|_| wanted) {
                if let Some(ledger) = ledger.as_deref_mut()
                    && let Err(error) = ledger.note(run.bytes)
                {
                    tracing::error!(%error, "the ledger cannot be written");
                }
                hand_on(front, (run.stream, run.bytes, run.skipped), &mut piece, &mut wanted, on);
                piece.consumed = merge.consumed();
            }
        },
        |consumed, changes| {
            changes.clear();
            let now = clock.monotonic();
            if now - told >= TELL_EVERY {
                told = now;
                let text = format!("reading history: {} %", (consumed * 100 / size).min(100));
                tracing::info!("{text}");
                if service {
                    systemd::still_starting(&text, Span::MINUTE);
                }
            }
            !stop.load(Ordering::Relaxed)
        },
        &mut changes,
    )?;
    if stop.load(Ordering::Relaxed) {
        done.stopped = true;
        return Ok(done);
    }
    // What lies between the last line and now is over as well.
    pipeline.advance(clock.now() - LATENESS, &mut changes);
    pipeline.quiet(false);
    for unread in &merge.unread {
        tracing::warn!(path = %unread.path.display(), error = %unread.error, "history could not be read, or not to its end");
    }
    done.positions =
        merge.positions(|stream| pipeline.name_of(stream)).into_iter().map(|p| (p.generation, p)).collect();
    for (path, source) in &left {
        // Too old to teach anything: known from now on, and not read later either.
        let end = whole_lines(path).and_then(|end| end.map_or_else(|| Ok(std::fs::metadata(path)?.len()), Ok));
        let number = done.positions.last_key_value().map_or(1, |(last, _)| last + 1);
        if let Ok(position) = end.and_then(|end| position(path, end, 0, number, source.clone())) {
            done.positions.insert(number, position);
        }
    }
    pipeline.settle();
    let lines: u64 = pipeline.tallies().iter().map(|(_, tally)| tally.lines()).sum();
    let first = pipeline.tallies().iter().filter_map(|(_, tally)| tally.first).min();
    let newest = pipeline.tallies().iter().filter_map(|(_, tally)| tally.newest).max();
    if let (Some(first), Some(newest)) = (first, newest) {
        let files = if count == 1 { "1 file".to_owned() } else { format!("{count} files") };
        let mut note =
            format!("learned from {lines} lines in {files}, {first} to {newest}; what is over was told to nobody");
        if !left.is_empty() {
            let _ = write!(note, "; older copies left unread: {}", left.len());
        }
        tracing::info!("{note}");
        done.note = Some(note);
    }
    Ok(done)
}

/// Files, each with its source.
#[derive(Default)]
struct Files {
    /// To be read.
    read: Vec<(PathBuf, String)>,
    /// Too old, or too much.
    left: Vec<(PathBuf, String)>,
}

/// The files that are followed and their rotated copies.
fn files(config: &Config, pipeline: &Pipeline, clock: &dyn Clock) -> Files {
    let sources: Vec<_> = config
        .sources
        .iter()
        .zip(pipeline.source_ids())
        .filter(|(source, _)| source.files.start == Start::Beginning)
        .map(|(source, id)| (id, source.files.clone()))
        .collect();
    let Ok(mut follower) = Follower::new(sources, config.limits, Vec::new()) else { return Files::default() };
    follower.scan(clock.monotonic());
    let mut live: Vec<PathBuf> = Vec::new();
    for source in follower.status() {
        live.extend(source.files.into_iter().map(|f| f.path));
    }
    let oldest = clock.now() - config.backfill;
    let mut seen = BTreeSet::new();
    let mut found: Vec<(Timestamp, u64, PathBuf)> = history::expand(&live)
        .into_iter()
        .filter(|path| seen.insert(path.clone()))
        .filter_map(|path| {
            let data = std::fs::metadata(&path).ok().filter(std::fs::Metadata::is_file)?;
            Some((modified(&data), data.len(), path))
        })
        .collect();
    found.sort_by_key(|f| std::cmp::Reverse(f.0));
    let mut room = MAX_BYTES;
    let mut files = Files::default();
    if config.backfill == Span::ZERO {
        return files;
    }
    for (modified, length, path) in found {
        // A compressed file is about ten times its size; a log itself is read in any case.
        let work = if history::says_compressed(&path) { length.saturating_mul(10) } else { length };
        let followed = is_asked_for(config, &path);
        let log = live.contains(&path) && history::stems(path.file_name().unwrap_or_default()).is_empty();
        let wanted = log || ((followed || modified >= oldest) && work <= room);
        if wanted {
            room = room.saturating_sub(work);
        }
        let source = source_of(config, &path);
        if wanted { &mut files.read } else { &mut files.left }.push((path, source));
    }
    files
}

fn modified(data: &std::fs::Metadata) -> Timestamp {
    use std::os::unix::fs::MetadataExt;
    Timestamp::from_secs(data.mtime())
}
