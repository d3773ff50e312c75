//! What survives: the state directory.
//!
//! A cut ([`Store::cut`]) is the engine's bulk state with its read positions, written as one snapshot file (a database was
//! measured 4 to 160 times slower for it), then one small transaction of the journal that records which generation is
//! current. That commit is the atomic point: after a crash there is the previous cut or the new one, and positions and counts
//! always agree.
//!
//! Messages and incidents do not wait for it: they are a small transaction of their own ([`Store::tell`]), made before a
//! message goes out. After a crash in between the older state reads the same lines again and decides the same, by the same
//! ids, and what was told is left out.
//!
//! Reading and marking messages works from memory, so a full or vanished disk stops neither detecting nor sending: what
//! could not be written is written with the next commit that succeeds.

mod directory;
mod error;
mod held;
mod incidents;
mod journal;
mod marks;
mod mirror;
mod open;
mod outbox;
mod rows;
mod seal;
mod secret;
mod snapshot;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

pub use error::StoreError;
pub use held::Held;
pub use marks::Mark;
pub use open::Recovery;
pub use rows::{ChannelRow, IncidentRow, OutboxRow, PaceRow, Silence};
pub use secret::Secret;

use crate::fault;
use crate::notice::NoticeType;
use crate::time::{Clock, Span, Timestamp};
use directory::Lock;
use journal::{Journal, Op, Table};
use mirror::{Meta, Mirror};
use rows::told_key;
use snapshot::Snapshot;

/// The version of everything in the state directory. A program refuses a newer one and opens every older one.
pub const SCHEMA: u32 = 1;
/// A generation of every hour is kept besides the current one.
const HOURLY: Span = Span::HOUR;
/// How many of those.
const HOURLY_KEPT: usize = 3;
/// Messages given up that are remembered for `lapwing outbox`.
const DEAD_LIMIT: usize = 1_000;
/// Messages whose telling is remembered, so that none is told twice.
const TOLD_LIMIT: usize = 20_000;

/// Ceilings of the store.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Messages waiting at most, all channels together.
    pub outbox_rows: usize,
    /// Bytes of messages waiting at most.
    pub outbox_bytes: usize,
    /// Incidents remembered, open and closed.
    pub incidents: usize,
    /// Bytes of engine state before packing.
    pub state_bytes: u64,
    /// How long opening the journal may take before it counts as damaged.
    pub open_limit: Span,
}

impl Default for Settings {
    fn default() -> Self {
        Settings {
            outbox_rows: 10_000,
            outbox_bytes: 64 << 20,
            incidents: 5_000,
            state_bytes: 1 << 30,
            open_limit: Span::from_secs(10),
        }
    }
}

/// What the store has to say about itself.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Stats {
    /// Bytes in the state directory, without the quarantine.
    pub bytes: u64,
    /// The current generation.
    pub generation: u64,
    /// When the last cut succeeded.
    pub last_cut: Option<Timestamp>,
    /// Messages waiting.
    pub queued: usize,
    /// Messages given up and still listed.
    pub dead: usize,
    /// Messages given up because the outbox was full.
    pub shed: u64,
    /// Files in the quarantine.
    pub quarantined: usize,
    /// Since when nothing could be written, and why.
    pub failing: Option<(Timestamp, String)>,
}

/// The open state directory, or one in memory. Shared freely between threads.
pub struct Store {
    dir: Option<PathBuf>,
    settings: Settings,
    clock: Arc<dyn Clock>,
    secret: Secret,
    /// One cut at a time; held while the snapshot is written, when `inner` is free.
    cutting: Mutex<()>,
    inner: Mutex<Inner>,
}

struct Inner {
    /// Held, not looked at: taken anew when the directory was removed.
    lock: Option<Lock>,
    journal: Journal,
    mirror: Mirror,
    /// The journal lacks changes that the mirror has: the next commit writes everything.
    stale: bool,
    /// Incidents of commits that failed.
    unsaved: BTreeMap<String, IncidentRow>,
    /// The newest state, where there is no directory.
    state: Option<Vec<u8>>,
    failing: Option<(Timestamp, String)>,
}

impl Inner {
    /// Nothing can be written since `now`, or since it was noted first, for this reason.
    fn fail(&mut self, now: Timestamp, error: &StoreError) {
        let since = self.failing.take().map_or(now, |(since, _)| since);
        self.failing = Some((since, error.to_string()));
    }
}

impl Store {
    /// Opens the state directory and says what was found there and what was lost.
    ///
    /// # Errors
    /// Only what no content of the directory can cause: another daemon holds it, a newer version wrote it, or the
    /// system refuses to read or write there.
    pub fn open(dir: &Path, settings: Settings, clock: Arc<dyn Clock>) -> Result<(Store, Recovery), StoreError> {
        open::open(dir, settings, clock)
    }

    /// A store that is forgotten with the process: for `watch`, `replay` and tests.
    pub fn in_memory(clock: Arc<dyn Clock>) -> Result<Store, StoreError> {
        Ok(Store::assemble(
            None,
            Settings::default(),
            clock,
            Secret::create()?,
            Journal::in_memory()?,
            Mirror::default(),
            None,
        ))
    }

    fn assemble(
        dir: Option<PathBuf>,
        settings: Settings,
        clock: Arc<dyn Clock>,
        secret: Secret,
        journal: Journal,
        mirror: Mirror,
        lock: Option<Lock>,
    ) -> Store {
        let inner = Inner { lock, journal, mirror, stale: false, unsaved: BTreeMap::new(), state: None, failing: None };
        Store { dir, settings, clock, secret, cutting: Mutex::new(()), inner: Mutex::new(inner) }
    }

    /// Makes a state durable: the engine's at `taken`, with read positions and parser decisions; the store does not look
    /// inside.
    ///
    /// # Errors
    /// The state is not saved: call again with a newer one.
    pub fn cut(&self, state: Vec<u8>, taken: Timestamp) -> Result<(), StoreError> {
        let _one_at_a_time = self.cutting.lock().unwrap_or_else(PoisonError::into_inner);
        fault::point("cut.before");
        let written = self.write_snapshot(state, taken);
        fault::point("cut.after-snapshot");
        let mut inner = self.inner();
        let before = inner.mirror.meta.clone();
        match &written {
            Ok(generation) => {
                let meta = &mut inner.mirror.meta;
                meta.generation = *generation;
                meta.cut_at = Some(taken);
                let last = meta.hourly.last().map(|(_, at)| *at);
                if last.is_none_or(|at| taken - at >= HOURLY || at - taken >= HOURLY) {
                    meta.hourly.push((*generation, taken));
                    let excess = meta.hourly.len().saturating_sub(HOURLY_KEPT);
                    meta.hourly.drain(..excess);
                }
            }
            Err(e) => inner.fail(taken, e),
        }
        let ops = [inner.mirror.meta_op()];
        let committed = self.commit(&mut inner, &ops, written.is_ok());
        fault::point("cut.after-commit");
        if committed.is_err() {
            // The file is there, but it is not the current one: the next cut writes it anew.
            let meta = &mut inner.mirror.meta;
            (meta.generation, meta.cut_at, meta.hourly) = (before.generation, before.cut_at, before.hourly);
        }
        let kept = (committed.is_ok() && written.is_ok()).then(|| inner.mirror.meta.clone());
        drop(inner);
        // Removing a large file takes its time, and nobody waits for it here: no other cut is under way.
        if let Some(meta) = kept {
            self.prune(&meta);
        }
        written?;
        committed
    }

    /// Marks the end of an orderly run, after its last cut: a start that does not find the mark says that the last run
    /// was cut short.
    ///
    /// # Errors
    /// The mark is not written; nothing else depends on it.
    pub fn close(&self) -> Result<(), StoreError> {
        let mut inner = self.inner();
        inner.mirror.meta.closed = true;
        let op = inner.mirror.meta_op();
        self.commit(&mut inner, &[op], false)
    }

    /// The key of fingerprints and the seed of ids, made once per state directory.
    pub fn secret(&self) -> &Secret {
        &self.secret
    }

    /// The state of the last cut of a store in memory.
    pub fn state(&self) -> Option<Vec<u8>> {
        self.inner().state.clone()
    }

    /// Notes that a cut ended without an answer.
    pub fn note_failure(&self, error: &StoreError) {
        self.inner().fail(self.clock.now(), error);
    }

    /// Since when nothing could be written, and why. Unlike [`Store::stats`], it asks no disk.
    pub fn failing(&self) -> Option<(Timestamp, String)> {
        self.inner().failing.clone()
    }

    /// How it is doing.
    pub fn stats(&self) -> Stats {
        let inner = self.inner();
        let quarantine = self.dir.as_ref().and_then(|dir| fs::read_dir(dir.join(directory::QUARANTINE)).ok());
        Stats {
            bytes: self.dir.as_deref().map_or(0, directory::bytes),
            generation: inner.mirror.meta.generation,
            last_cut: inner.mirror.meta.cut_at,
            queued: inner.mirror.outbox.len(),
            dead: inner.mirror.dead.len(),
            shed: inner.mirror.meta.shed,
            quarantined: quarantine.map_or(0, Iterator::count),
            failing: inner.failing.clone(),
        }
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        // Changes to the mirror are single assignments: a panic elsewhere leaves nothing half done.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Writes the next generation with a copy of what the journal holds.
    fn write_snapshot(&self, state: Vec<u8>, taken_at: Timestamp) -> Result<u64, StoreError> {
        if state.len() as u64 > self.settings.state_bytes {
            return Err(StoreError::TooLarge { bytes: state.len() as u64, limit: self.settings.state_bytes });
        }
        let mut inner = self.inner();
        let generation = inner.mirror.meta.generation + 1;
        let Some(dir) = self.dir.as_deref() else {
            inner.state = Some(state);
            return Ok(generation);
        };
        let ops = inner.mirror.ops();
        drop(inner);
        let journal = postcard::to_allocvec(&ops).unwrap_or_default();
        directory::create(dir)?;
        snapshot::write(dir, &Snapshot { generation, taken_at, journal, state })?;
        Ok(generation)
    }

    /// Writes changes that the mirror already has. `healthy`: nothing else failed, so a success ends the failing.
    fn commit(&self, inner: &mut Inner, ops: &[Op], healthy: bool) -> Result<(), StoreError> {
        let committed = self.try_commit(inner, ops);
        match &committed {
            Ok(()) => {
                inner.stale = false;
                inner.unsaved.clear();
                if healthy {
                    inner.failing = None;
                }
            }
            Err(e) => {
                inner.stale = true;
                inner.fail(self.clock.now(), e);
            }
        }
        committed
    }

    fn try_commit(&self, inner: &mut Inner, ops: &[Op]) -> Result<(), StoreError> {
        if let Some(dir) = self.dir.as_deref()
            && inner.journal.is_gone()
        {
            inner.stale = true;
            directory::create(dir)?;
            if !Lock::is_there(dir) {
                inner.lock = Some(Lock::take(dir)?);
            }
            directory::state_version(dir)?;
            self.secret.write(dir)?;
            let now = self.clock.now();
            inner.journal.reopen(self.settings.open_limit, |path| directory::set_aside(dir, path, now).map(|_| ()))?;
            // The snapshots may have gone with the directory.
            inner.mirror.meta.hourly.retain(|(generation, _)| snapshot::path(dir, *generation).exists());
        }
        let all;
        let ops = if inner.stale {
            let mut everything = inner.mirror.ops();
            everything.extend(inner.unsaved.values().map(mirror::incident_op));
            all = everything;
            &all
        } else {
            ops
        };
        let open: BTreeSet<&[u8]> = inner.mirror.open.keys().map(String::as_bytes).collect();
        let is_open = |id: &[u8]| open.contains(id);
        inner.journal.commit(ops, inner.stale, self.settings.incidents, &is_open)
    }

    /// Gives up the least important messages while there are too many.
    fn shed(&self, mirror: &mut Mirror) -> Vec<Op> {
        let mut ops = Vec::new();
        while mirror.outbox.len() > self.settings.outbox_rows || mirror.outbox_bytes > self.settings.outbox_bytes {
            let Some(number) = mirror.least() else { break };
            mirror.meta.shed += 1;
            ops.extend(bury(mirror, number, "given up because too many messages were waiting"));
        }
        ops
    }

    /// Removes the snapshots that nothing refers to any more.
    fn prune(&self, meta: &Meta) {
        let Some(dir) = self.dir.as_deref() else { return };
        let kept = |g: u64| g == meta.generation || meta.hourly.iter().any(|(hourly, _)| *hourly == g);
        for generation in snapshot::generations(dir).into_iter().filter(|g| !kept(*g)) {
            // One that cannot be removed is tried again with the next cut.
            let _ = fs::remove_file(snapshot::path(dir, generation));
        }
    }
}

/// Moves a message to the list of those given up.
fn bury(mirror: &mut Mirror, number: u64, why: &str) -> Vec<Op> {
    let Some(mut row) = mirror.remove(number) else { return Vec::new() };
    row.last_error = Some(why.to_owned());
    let mut ops = vec![Op::remove(Table::Outbox, number.to_be_bytes())];
    ops.push(Op::put(Table::Dead, number.to_be_bytes(), &row));
    mirror.dead.insert(number, row);
    while mirror.dead.len() > DEAD_LIMIT {
        if let Some((oldest, _)) = mirror.dead.pop_first() {
            ops.push(Op::remove(Table::Dead, oldest.to_be_bytes()));
        }
    }
    ops
}

/// Whether a message of this kind was ever decided for a channel.
fn was_told(mirror: &Mirror, channel: &str, incident: &str, kind: NoticeType, at: Timestamp) -> bool {
    mirror.told.contains_key(&told_key(channel, incident, kind, at))
}
