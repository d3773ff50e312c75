//! Many files read as one stream in the order of their lines' times: what a replay and the first start's look back need.
//!
//! Rotated copies follow one another, several sources run side by side; both come out in order. A file is opened when
//! its first line's time has come, so that a hundred rotated copies cost one open file at a time.

use std::fs::File;
use std::io::{self, Read, Seek};
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::descriptors;
use crate::source::archive::{self, Archive, LineReader, Packing};
use crate::source::{Limits, Position, Proof, Skipped, lines};
use crate::time::{Span, Timestamp};

/// Blocks looked at when a file's first time is searched: a file that begins with more noise is read as if it were old.
const BLOCKS_PEEKED: usize = 8;
/// So many files at most are held open until their turn comes; the others are opened by their names then.
const HELD: usize = 256;
/// Bytes that a proof of identity covers.
const PROOF_BYTES: u64 = 256;

/// Tells the time of a line of a stream; `None` where it cannot be read.
pub(super) trait Times {
    /// The time of one line.
    fn time(&mut self, stream: usize, block: &[u8], line: &[u8]) -> Option<Timestamp>;
}

/// One file on its way.
struct Feed {
    path: PathBuf,
    stream: usize,
    /// Read no further than this: a followed file may grow meanwhile.
    until: Option<u64>,
    /// The file itself, which may be rotated before its turn comes, with the position at its end as it was found.
    held: Option<(File, Position)>,
    reader: Option<LineReader<Archive>>,
    consumed: Arc<AtomicU64>,
    size: u64,
    block: Vec<u8>,
    at: usize,
    /// The time of the next line, as far as known.
    next: Timestamp,
    skipped: Skipped,
    lines: u64,
    state: State,
}

#[derive(PartialEq, Eq)]
enum State {
    Pending,
    Reading,
    Over,
}

/// A run of lines that come next.
pub(super) struct Run<'a> {
    /// Whose lines.
    pub stream: usize,
    /// The lines, each with its line feed (the last of a file may have none).
    pub bytes: &'a [u8],
    /// What was passed over before them.
    pub skipped: Skipped,
}

/// A file that could not be read, or not to its end.
#[derive(Debug)]
pub struct Unread {
    /// Which file.
    pub path: PathBuf,
    /// Why.
    pub error: io::Error,
}

/// The merged stream.
pub(super) struct Merge {
    feeds: Vec<Feed>,
    line_bytes: usize,
    /// Files that failed, so far.
    pub unread: Vec<Unread>,
    current: Option<usize>,
}

impl Merge {
    /// From files with their streams; each is looked into for its first time. Files that cannot be opened are noted.
    pub(super) fn new(files: Vec<(PathBuf, usize, Option<u64>)>, limits: &Limits, times: &mut impl Times) -> Self {
        let mut merge = Merge { feeds: Vec::new(), line_bytes: limits.line_bytes, unread: Vec::new(), current: None };
        let held = HELD.min(descriptors::allowed(limits) / 2);
        for (path, stream, until) in files {
            let mut feed = Feed {
                path,
                stream,
                until,
                held: None,
                reader: None,
                consumed: Arc::default(),
                size: 0,
                block: Vec::new(),
                at: 0,
                next: Timestamp::MIN,
                skipped: Skipped::default(),
                lines: 0,
                state: State::Pending,
            };
            if merge.feeds.len() < held && is_file(&feed.path) {
                feed.hold();
            }
            match feed.peek(merge.line_bytes, times) {
                Ok(()) => merge.feeds.push(feed),
                Err(error) => merge.unread.push(Unread { path: feed.path, error }),
            }
        }
        merge.feeds.sort_by_key(|f| f.next);
        merge
    }

    /// Bytes that lie on the disk in all; 0 where it is not known.
    pub(super) fn size(&self) -> u64 {
        self.feeds.iter().map(|f| f.size).sum()
    }

    /// Bytes of them that were read.
    pub(super) fn consumed(&self) -> u64 {
        self.feeds.iter().map(Feed::consumed).sum()
    }

    /// The next run of lines, or `None` at the end of all files.
    pub(super) fn next(&mut self, times: &mut impl Times) -> Option<Run<'_>> {
        let chosen = loop {
            let (index, _) = self
                .feeds
                .iter()
                .enumerate()
                .filter(|(_, f)| f.state != State::Over)
                .min_by_key(|(index, f)| (f.next, f.state == State::Pending, *index))?;
            let feed = &mut self.feeds[index];
            match feed.fill(self.line_bytes) {
                Ok(true) => break index,
                Ok(false) => {}
                Err(error) => self.unread.push(Unread { path: feed.path.clone(), error }),
            }
            feed.state = State::Over;
            feed.reader = None;
            feed.block = Vec::new();
            // What was passed over behind the last line is counted as well.
            let skipped = std::mem::take(&mut feed.skipped);
            if skipped != Skipped::default() {
                return Some(Run { stream: feed.stream, bytes: &[], skipped });
            }
        };
        // Up to where the others may wait.
        let limit = self
            .feeds
            .iter()
            .enumerate()
            .filter(|(i, f)| *i != chosen && f.state != State::Over)
            .map(|(_, f)| f.next)
            .min()
            .unwrap_or(Timestamp::MAX);
        self.current = Some(chosen);
        let feed = &mut self.feeds[chosen];
        let start = feed.at;
        feed.step(limit, times);
        let skipped = std::mem::take(&mut feed.skipped);
        Some(Run { stream: feed.stream, bytes: feed.block.get(start..feed.at).unwrap_or_default(), skipped })
    }

    /// Positions just after what was read, for files read to their end: the follower goes on from there. That of a
    /// compressed file is its end, which says that nothing new is in it.
    pub(super) fn positions(&self, source_of: impl Fn(usize) -> String) -> Vec<Position> {
        let read = self.feeds.iter().filter(|f| f.state == State::Over);
        read.enumerate()
            .filter_map(|(i, f)| {
                let (generation, source) = (i as u64 + 1, source_of(f.stream));
                match &f.held {
                    // As it was found: by now it may have been truncated, and its copy goes on from here.
                    Some((_, found)) => Some(Position { generation, source, lines: f.lines, ..found.clone() }),
                    None => position(&f.path, f.until.unwrap_or(f.size), f.lines, generation, source).ok(),
                }
            })
            .collect()
    }
}

impl Feed {
    /// Holds the file open. Where that fails, opening it by name when its turn comes says why.
    fn hold(&mut self) {
        let Ok(file) = File::open(&self.path) else { return };
        let Ok(offset) = self.until.map_or_else(|| Ok(file.metadata()?.len()), io::Result::Ok) else { return };
        if let Ok(found) = position_in(&file, &self.path, offset, 0, 0, String::new()) {
            self.held = Some((file, found));
        }
    }

    fn open(&mut self, line_bytes: usize) -> io::Result<()> {
        let held = self.held.as_mut().map(|(file, _)| file.rewind().and_then(|()| file.try_clone())).transpose()?;
        let archive = match (self.until, held) {
            (Some(length), Some(file)) => Archive::new(file.take(length), Some(length))?,
            (Some(length), None) => Archive::new(File::open(&self.path)?.take(length), Some(length))?,
            (None, Some(file)) => {
                let length = file.metadata()?.len();
                Archive::new(file, Some(length))?
            }
            (None, None) => archive::open(&self.path)?,
        };
        self.size = archive.size().unwrap_or(0);
        self.consumed = archive.consumed();
        self.reader = Some(LineReader::new(archive, line_bytes));
        Ok(())
    }

    /// Finds the time of the first line that has one. Standard input stays open with what was read; files are closed.
    fn peek(&mut self, line_bytes: usize, times: &mut impl Times) -> io::Result<()> {
        self.open(line_bytes)?;
        for _ in 0..BLOCKS_PEEKED {
            if !self.fill(line_bytes)? {
                break;
            }
            let block = self.block.get(self.at..).unwrap_or_default();
            if let Some(time) = lines(block).find_map(|line| times.time(self.stream, block, line)) {
                self.next = time;
                break;
            }
            if self.path == Path::new("-") {
                break;
            }
            self.at = self.block.len();
        }
        if self.path == Path::new("-") || !is_file(&self.path) {
            self.state = State::Reading;
            return Ok(());
        }
        self.reader = None;
        self.consumed = Arc::default();
        self.block = Vec::new();
        (self.at, self.lines, self.skipped) = (0, 0, Skipped::default());
        Ok(())
    }

    /// Sees to it that there are lines to hand out. False at the end of the file.
    fn fill(&mut self, line_bytes: usize) -> io::Result<bool> {
        if self.reader.is_none() {
            self.open(line_bytes)?;
        }
        self.state = if self.state == State::Over { State::Over } else { State::Reading };
        while self.at >= self.block.len() {
            let Some(reader) = &mut self.reader else { return Ok(false) };
            let before = reader.skipped();
            let more = reader.next_block(&mut self.block)?;
            let after = reader.skipped();
            self.skipped.oversize_lines += after.oversize_lines - before.oversize_lines;
            self.skipped.nul_bytes += after.nul_bytes - before.nul_bytes;
            self.skipped.partial_lines += after.partial_lines - before.partial_lines;
            self.lines = reader.line_count();
            self.at = 0;
            if !more {
                self.block.clear();
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Moves on over the lines up to `limit`, at least one.
    fn step(&mut self, limit: Timestamp, times: &mut impl Times) {
        let rest = self.block.get(self.at..).unwrap_or_default();
        let last = lines(rest.rsplit(|b| *b == b'\n').nth(1).or(Some(rest)).unwrap_or_default()).last();
        let end =
            if limit == Timestamp::MAX { None } else { last.and_then(|line| times.time(self.stream, rest, line)) };
        if limit == Timestamp::MAX || end.is_some_and(|end| end <= limit) {
            self.next = end.unwrap_or(self.next).max(self.next);
            self.at = self.block.len();
            return;
        }
        let mut taken = 0;
        for line in rest.split_inclusive(|b| *b == b'\n') {
            let time = lines(line).next().and_then(|l| times.time(self.stream, rest, l));
            if let Some(time) = time {
                self.next = time;
                if time > limit && taken > 0 {
                    break;
                }
            }
            taken += line.len();
        }
        self.at += taken;
    }

    fn consumed(&self) -> u64 {
        if self.state == State::Over { self.size } else { self.consumed.load(Ordering::Relaxed).min(self.size) }
    }
}

/// The position at `offset` of the file at `path`, after `lines` lines.
///
/// # Errors
/// A file that cannot be read, or that does not reach as far.
pub(super) fn position(path: &Path, offset: u64, lines: u64, generation: u64, source: String) -> io::Result<Position> {
    position_in(&File::open(path)?, path, offset, lines, generation, source)
}

fn position_in(
    file: &File,
    path: &Path,
    offset: u64,
    lines: u64,
    generation: u64,
    source: String,
) -> io::Result<Position> {
    let data = file.metadata()?;
    let proof = |from: u64, to: u64| -> io::Result<Proof> {
        let mut bytes = vec![0; (to - from) as usize];
        file.read_exact_at(&mut bytes, from)?;
        Ok(Proof::of(&bytes))
    };
    Ok(Position {
        generation,
        source,
        path: path.to_owned(),
        device: data.dev(),
        inode: data.ino(),
        head: proof(0, offset.min(PROOF_BYTES))?,
        tail: proof(offset.saturating_sub(PROOF_BYTES), offset)?,
        offset,
        lines,
        unseen: Span::ZERO,
        target: path.is_symlink().then(|| path.canonicalize().ok()).flatten(),
    })
}

fn is_file(path: &Path) -> bool {
    std::fs::metadata(path).is_ok_and(|m| m.is_file())
}

/// How long a plain file is up to its last complete line; `None` for a compressed one.
pub(super) fn whole_lines(path: &Path) -> io::Result<Option<u64>> {
    let mut file = File::open(path)?;
    let mut first = Vec::with_capacity(16);
    (&mut file).take(16).read_to_end(&mut first)?;
    if Packing::of(&first) != Packing::Plain {
        return Ok(None);
    }
    let mut end = file.metadata()?.len();
    let mut buffer = vec![0; 64 << 10];
    while end > 0 {
        let from = end.saturating_sub(buffer.len() as u64);
        let piece = &mut buffer[..(end - from) as usize];
        file.read_exact_at(piece, from)?;
        if let Some(feed) = memchr::memrchr(b'\n', piece) {
            return Ok(Some(from + feed as u64 + 1));
        }
        end = from;
    }
    Ok(Some(0))
}
