//! Files followed live: which there are, in which order they are read, and when one is over.
//!
//! [`Follower::scan`] looks for files and decides which is which (`whereabouts.rs` finds them, `adopt.rs` decides);
//! [`Follower::read`] takes in lines. Both are synchronous, and time is an argument. The file events of
//! [`super::watch`] only make them come sooner.

mod adopt;
mod closing;
mod likeness;
mod packed;
mod status;
mod troubles;
mod whereabouts;

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::path::{Path, PathBuf};

use super::file::{self, OpenFile, Step};
use super::generation::{Generation, State};
use super::history::Order;
use super::places::{Pattern, PatternError};
use super::{Chunk, Limits, Position, Settings};
use crate::event::SourceId;
use crate::time::Span;

pub use status::{FileStatus, SourceStatus};
use troubles::Refused;
pub use troubles::Trouble;

/// How often to scan when no event asks for it sooner.
pub const SCAN_EVERY: Span = Span::from_secs(2);

/// A deleted file is held open no longer than this: it keeps disk space busy.
const HOLD_DELETED: Span = Span::from_mins(10);
/// Evidence for a copy is waited for no longer than this.
const EVIDENCE: Span = Span::from_secs(10);
/// Positions of files that were not seen for this long are dropped.
const FORGET: Span = Span::from_days(7);
/// The shortest and the longest wait after a failed read.
const RETRY: (Span, Span) = (Span::SECOND, Span::from_secs(30));
/// A hole of at least so many bytes is worth a word in the log.
const HOLE_TOLD: u64 = 1 << 20;
/// What a step through a file costs of a call's budget at least, in bytes.
const LOOK_BYTES: u64 = 4 << 10;

/// What one call of [`Follower::read`] did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// Bytes taken in.
    pub bytes: u64,
    /// Whether everything known was read to its end; if not, call again at once.
    pub at_end: bool,
    /// Bytes that wait in files that are known.
    pub behind: u64,
    /// Generations whose positions are not needed any more: drop them from the store with the next cut, after the
    /// chunks of this call were counted.
    pub forgotten: Vec<u64>,
}

/// What happened to files since the start, for metrics.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Files found under a rotated name, or without a name.
    pub rotations: u64,
    /// Files truncated or written anew in place.
    pub truncations: u64,
    /// Copies and archives of known files that were recognised.
    pub copies: u64,
}

/// A configured source with its patterns read.
struct Source {
    id: SourceId,
    settings: Settings,
    patterns: Vec<Pattern>,
    rotated: Vec<Pattern>,
}

/// Follows all files of all sources.
pub struct Follower {
    sources: Vec<Source>,
    limits: Limits,
    generations: BTreeMap<u64, Generation>,
    /// Numbers of logs by source and path; the targets of links stand for the log as well.
    lineages: HashMap<(SourceId, PathBuf), usize>,
    lineage_count: usize,
    next_generation: u64,
    scanned: bool,
    /// What cannot be read, and why; and what could not at the scan before.
    refused: BTreeMap<PathBuf, Refused>,
    refused_before: BTreeMap<PathBuf, Refused>,
    directories: BTreeSet<PathBuf>,
    /// Chunks decided by a scan, for the next read.
    pending: VecDeque<Chunk>,
    forgotten: Vec<u64>,
    /// Lines taken from rotated files since [`Follower::caught_up`] was asked, by generation.
    old_lines: HashMap<u64, u64>,
    /// The log that was read last: the next call begins after it.
    last_lineage: usize,
    chunk: Vec<u8>,
    counters: Counters,
    /// Files that can certainly still be opened within the limit.
    room: usize,
}

impl Follower {
    /// Follows `sources`, going on from `positions`.
    ///
    /// # Errors
    /// The first path pattern that cannot be used.
    pub fn new(
        sources: Vec<(SourceId, Settings)>,
        limits: Limits,
        positions: Vec<Position>,
    ) -> Result<Follower, PatternError> {
        let patterns = |texts: &[String]| texts.iter().map(|text| Pattern::new(text)).collect::<Result<Vec<_>, _>>();
        let sources = sources
            .into_iter()
            .map(|(id, settings)| {
                Ok(Source { id, patterns: patterns(&settings.path)?, rotated: patterns(&settings.rotated)?, settings })
            })
            .collect::<Result<Vec<_>, PatternError>>()?;
        let mut follower = Follower {
            sources,
            limits,
            generations: BTreeMap::new(),
            lineages: HashMap::new(),
            lineage_count: 0,
            next_generation: positions.iter().map(|p| p.generation.saturating_add(1)).max().unwrap_or(1).max(1),
            scanned: false,
            refused: BTreeMap::new(),
            refused_before: BTreeMap::new(),
            directories: BTreeSet::new(),
            pending: VecDeque::new(),
            forgotten: Vec::new(),
            old_lines: HashMap::new(),
            last_lineage: 0,
            chunk: vec![0; limits.chunk_bytes.max(1)],
            counters: Counters::default(),
            room: 0,
        };
        for position in positions {
            let source = follower.sources.iter().find(|s| s.settings.name == position.source);
            let source = source.map_or(UNCONFIGURED, |s| s.id);
            let lineage = usize::MAX;
            follower.generations.insert(position.generation, Generation::new(position, source, lineage, Span::ZERO));
        }
        Ok(follower)
    }

    /// Looks for files: new ones, renamed ones, copies, archives; closes what is over. Call it every [`SCAN_EVERY`],
    /// and when the watcher says so.
    pub fn scan(&mut self, now: Span) {
        let found = self.look_around(now);
        self.recognise(found, now);
        self.account_for_the_unseen(now);
        self.decide_copies(now);
        self.start_archives(now);
        self.rank();
        self.retire(now);
        self.hold(now);
        self.scanned = true;
    }

    /// Takes in what was written, at most [`Limits::read_bytes`], fairly over all logs; of one log the older file first.
    pub fn read(&mut self, now: Span, sink: &mut dyn FnMut(Chunk)) -> Progress {
        let mut progress = Progress::default();
        self.hand_out_pending(sink);
        let mut queue = self.queue(now);
        let budget = self.limits.read_bytes as u64;
        let mut spent = 0;
        while spent < budget
            && let Some((lineage, mut files)) = queue.pop_front()
        {
            let Some(&id) = files.front() else { continue };
            self.last_lineage = lineage;
            let (bytes, more) = self.advance(id, now, sink, &mut files);
            // What a step decided comes before what the next one reads.
            self.hand_out_pending(sink);
            progress.bytes += bytes;
            // A look that finds nothing is free: there is one a file and call, and a budget spent on idle files would
            // never let the call come to an end.
            spent += if more { bytes.max(LOOK_BYTES) } else { bytes };
            if !more {
                files.pop_front();
            }
            if !files.is_empty() {
                queue.push_back((lineage, files));
            }
        }
        progress.at_end = queue.is_empty();
        progress.behind = self.generations.values().map(Generation::behind).sum();
        progress.forgotten = std::mem::take(&mut self.forgotten);
        progress
    }

    /// The positions of all generations, as of the last chunk handed out.
    pub fn positions(&self) -> Vec<Position> {
        let kept = |g: &&Generation| !matches!(g.state, State::Undecided { .. } | State::CopyOf(_) | State::Packed(_));
        self.generations.values().filter(kept).map(|g| g.position.clone()).collect()
    }

    /// Directories whose events concern the follower: give them to the watcher after each scan.
    pub fn directories(&self) -> &BTreeSet<PathBuf> {
        &self.directories
    }

    /// What happened to files so far.
    pub fn counters(&self) -> Counters {
        self.counters
    }

    fn hand_out_pending(&mut self, sink: &mut dyn FnMut(Chunk)) {
        for chunk in self.pending.drain(..) {
            sink(chunk);
        }
    }

    /// The files with something to do, older first within each log, beginning after the log served last.
    fn queue(&self, now: Span) -> VecDeque<(usize, VecDeque<u64>)> {
        let mut ready: Vec<_> = self
            .generations
            .values()
            .filter(|g| g.retry_at <= now && (g.wants_reading() || g.is_unpacking()))
            .map(|g| (g.lineage, g.named, g.order, g.id))
            .collect();
        ready.sort_unstable();
        let mut lines: VecDeque<(usize, VecDeque<u64>)> = VecDeque::new();
        for (lineage, _, _, id) in ready {
            match lines.back_mut() {
                Some((last, files)) if *last == lineage => files.push_back(id),
                _ => lines.push_back((lineage, VecDeque::from([id]))),
            }
        }
        let start = lines.iter().position(|(lineage, _)| *lineage > self.last_lineage).unwrap_or(0);
        lines.rotate_left(start);
        lines
    }

    /// One step of one file. Says how many bytes it brought and whether there may be more.
    fn advance(
        &mut self,
        id: u64,
        now: Span,
        sink: &mut dyn FnMut(Chunk),
        successors: &mut VecDeque<u64>,
    ) -> (u64, bool) {
        if self.generations.get(&id).is_some_and(Generation::is_unpacking) {
            return self.advance_archive(id, sink);
        }
        match self.make_ready(id, now).and_then(|ready| Ok(ready && !self.turned_out_packed(id, now)?)) {
            Ok(true) => {}
            Ok(false) => return (0, false),
            Err(e) => return self.failed(id, now, &e),
        }
        let Some(generation) = self.generations.get_mut(&id) else { return (0, false) };
        let Some(open) = generation.open.as_mut() else { return (0, false) };
        let mut bytes = Vec::new();
        let before = open.progress();
        let step = match open.step(now, &mut self.chunk, &mut bytes) {
            Ok(step) => step,
            Err(e) => return self.failed(id, now, &e),
        };
        let read = open.progress().saturating_sub(before);
        generation.facts = open.facts;
        generation.failures = 0;
        generation.error = None;
        if open.hole() >= HOLE_TOLD && !std::mem::replace(&mut generation.hole_told, true) {
            tracing::info!(path = %generation.position.path.display(), bytes = open.hole(), "a hole without data is passed over");
        }
        match step {
            Step::AtEnd => (0, false),
            Step::Moved => {
                generation.active = now;
                self.bound_buffers(id);
                (read, true)
            }
            Step::Taken(skipped) => {
                generation.active = now;
                let before = generation.position.lines;
                open.mark(&mut generation.position);
                if generation.superseded || generation.order != Order::LIVE {
                    *self.old_lines.entry(id).or_default() += generation.position.lines - before;
                }
                sink(Chunk { source: generation.source, bytes, position: generation.position.clone(), skipped });
                (read, true)
            }
            Step::Over { partial } => {
                if let Some(new) = self.over(id, partial, now) {
                    successors.push_back(new);
                }
                (0, false)
            }
        }
    }

    /// Sees to it that a file is open. False if it cannot be now.
    fn make_ready(&mut self, id: u64, now: Span) -> std::io::Result<bool> {
        let Some(generation) = self.generations.get(&id) else { return Ok(false) };
        if generation.open.is_some() {
            return Ok(true);
        }
        if !self.make_room() {
            return Ok(false);
        }
        let Some(generation) = self.generations.get_mut(&id) else { return Ok(false) };
        let (file, facts) = file::open(generation.path())?;
        if (facts.device, facts.inode) != (generation.facts.device, generation.facts.inode) {
            return Ok(false); // Renamed since the scan: the next one finds it.
        }
        let open = OpenFile::resume(&file, facts, &generation.position, self.limits.line_bytes)?;
        let proven = open.is_some();
        let open = open.unwrap_or_else(|| OpenFile::from_start(file, facts, self.limits.line_bytes));
        generation.open = Some(open);
        if proven {
            return Ok(true);
        }
        if let Some(new) = self.over(id, false, now) {
            return self.make_ready(new, now).map(|_| false);
        }
        Ok(false)
    }

    /// Finds room for one more open file; closes those that were idle longest if the limit is reached. False if none
    /// can be closed.
    fn make_room(&mut self) -> bool {
        if self.room == 0 {
            let limit = self.limits.open_files.max(1);
            let open = self.generations.values().filter(|g| g.open.is_some()).count();
            self.room = limit.saturating_sub(open);
            if self.room == 0 {
                // Some at once, so that going through many files does not look for a victim at each.
                self.room = self.close_idle((limit / 8).max(1));
            }
        }
        let found = self.room > 0;
        self.room = self.room.saturating_sub(1);
        found
    }

    /// Closes up to `most` files, those at their end first, then those idle longest. Says how many.
    fn close_idle(&mut self, most: usize) -> usize {
        let open = self.generations.values().filter(|g| g.named && matches!(g.state, State::Reading));
        let mut idle: Vec<_> = open.filter_map(|g| Some((!g.open.as_ref()?.at_end(), g.active, g.id))).collect();
        idle.sort_unstable();
        idle.truncate(most);
        for (_, _, id) in &idle {
            if let Some(generation) = self.generations.get_mut(id) {
                generation.close();
            }
        }
        idle.len()
    }

    /// The content of a file is over: its position stays, for the copy that may be somewhere, and the file is read from
    /// its start under a new number.
    fn over(&mut self, id: u64, partial: bool, now: Span) -> Option<u64> {
        let new = self.next_generation;
        let limit = self.limits.line_bytes;
        let old = self.generations.get_mut(&id)?;
        let open = old.open.take()?;
        old.state = State::Gone { shrank: true, since: now, partial };
        let mut position = unread(new, old.position.source.clone(), old.position.path.clone());
        position.target.clone_from(&old.position.target);
        let mut generation = Generation::new(position, old.source, old.lineage, now);
        generation.order = old.order;
        generation.named = old.named;
        generation.nameless_since = old.nameless_since;
        generation.facts = open.facts;
        old.named = false;
        tracing::info!(path = %old.path().display(), at = old.position.offset, "truncated or written anew: read from its start");
        let open = open.anew(limit);
        open.mark(&mut generation.position);
        generation.open = Some(open);
        self.next_generation += 1;
        self.counters.truncations += 1;
        self.generations.insert(new, generation);
        self.note(new);
        Some(new)
    }

    /// Tries a file again later.
    fn failed(&mut self, id: u64, now: Span, error: &std::io::Error) -> (u64, bool) {
        if let Some(generation) = self.generations.get_mut(&id) {
            if generation.failures == 0 {
                tracing::warn!(path = %generation.path().display(), %error, "cannot be read: tried again");
                generation.failing_since = now;
            }
            generation.retry_at = now + RETRY.0.times(1 << generation.failures.min(5)).min(RETRY.1);
            generation.failures = generation.failures.saturating_add(1);
            generation.error = Some(file::what(generation.path(), error));
        }
        (0, false)
    }

    /// Keeps the memory of unfinished lines below the limit: this one is read again later if it is too much.
    fn bound_buffers(&mut self, id: u64) {
        let own = self.generations.get(&id).and_then(|g| g.open.as_ref()).map_or(0, OpenFile::buffered);
        if own <= self.limits.chunk_bytes {
            return;
        }
        let all: usize = self.generations.values().filter_map(|g| g.open.as_ref()).map(OpenFile::buffered).sum();
        if all > self.limits.buffered_bytes
            && let Some(open) = self.generations.get_mut(&id).and_then(|g| g.open.as_mut())
        {
            open.park();
        }
    }

    /// Hands out a position without lines.
    fn note(&mut self, id: u64) {
        if let Some(generation) = self.generations.get_mut(&id) {
            let skipped = std::mem::take(&mut generation.lost);
            let position = generation.position.clone();
            self.pending.push_back(Chunk { source: generation.source, bytes: Vec::new(), position, skipped });
        }
    }

    /// Drops a generation and its position.
    fn forget(&mut self, id: u64) {
        if self.generations.remove(&id).is_some() {
            self.forgotten.push(id);
        }
    }
}

/// The source of positions whose source is not configured any more.
const UNCONFIGURED: SourceId = SourceId(u16::MAX);

/// The position of a file before anything was read of it.
fn unread(generation: u64, source: String, path: PathBuf) -> Position {
    let (head, tail) = Default::default();
    let (device, inode, offset, lines, unseen, target) = Default::default();
    Position { generation, source, path, device, inode, head, tail, offset, lines, unseen, target }
}

/// The directory of a path, for joining names.
fn directory_of(path: &Path) -> &Path {
    path.parent().unwrap_or(Path::new(""))
}
