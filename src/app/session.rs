//! The pipeline's thread of the daemon: takes lines in, judges, tells, and cuts.
//!
//! One cut holds positions and what is remembered. It is made at intervals, and at once when a message was decided; the
//! message itself is written down before that, with the incident, and then goes out. What is remembered is copied as bytes
//! here; another thread packs and writes them, and lines go on being counted.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError};

use super::answers::Explained;
use super::blind::{Blind, Eyes};
use super::care::{Care, View};
use super::ledger::Ledger;
use super::marked;
use super::memory::Governor;
use super::moments::{LOOK_EVERY, Moments};
use super::pipeline::Pipeline;
use super::reading::{Input, gather};
use super::scribe::Scribe;
use super::standing::{Picture, SourcePicture};
use super::status::{Board, ChannelStatus, MemoryStatus, StoreStatus};
use super::systemd;
use super::telling::Teller;
use super::trouble::{self, Signs, Troubles};
use super::unfound::{self, Unfound};
use super::wall::Wall;
use crate::detect::traffic_drop;
use crate::engine::Matter;
use crate::event::SubjectKind;
use crate::fault;
use crate::incident::{Again, Change, ChangeKind};
use crate::measure::ring::TICK;
use crate::notice::Notice;
use crate::notify::{self, Outbox};
use crate::source::{Chunk, Position};
use crate::store::{IncidentRow, OutboxRow, Store};
use crate::time::{Clock, Span, Timestamp};

/// How long lines may come late and still be judged in their place: the engine's own patience.
pub(super) const LATENESS: Span = Span::from_secs(15);
/// How often it is looked at what silence is kept about.
const SILENCES_EVERY: Span = Span::from_secs(30);
/// How often systemd is told a line.
const LINE_EVERY: Span = Span::from_secs(10);
/// A reader that gave no sign of life for this long is stuck: the watchdog is not told that all is well.
const READER_PATIENCE: Span = Span::from_secs(15);
/// A backlog is told as a whole when it is read within this time; one that takes longer is told as it is read.
const BACKLOG_PATIENCE: Span = Span::MINUTE;
/// How long one wait for lines lasts at the shortest, where nothing comes, and at the longest: the reader gives its sign
/// of life more often.
const WAIT: (Span, Span) = (Span::from_millis(250), Span::from_secs(3));

/// Where notices go.
pub(super) enum Hearer {
    /// To the store's outbox and its channels.
    Outbox(Arc<Outbox>),
    /// Straight to somebody who watches.
    Direct(Hear),
}

/// Whoever hears notices directly.
pub type Hear = Box<dyn FnMut(&Notice, &Teller) + Send>;

/// What the thread works with.
pub(super) struct Session {
    pub(super) pipeline: Pipeline,
    pub(super) positions: BTreeMap<u64, Position>,
    pub(super) store: Arc<Store>,
    /// Saves what is remembered.
    pub(super) scribe: Scribe,
    pub(super) teller: Arc<Teller>,
    pub(super) hearer: Hearer,
    pub(super) board: Board,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) governor: Governor,
    /// Whether systemd is told.
    pub(super) service: bool,
    /// Watches over the sources.
    pub(super) care: Care,
    /// What the sources' lines do not say.
    pub(super) eyes: Eyes,
    /// Where every counted line is entered, for tests.
    pub(super) ledger: Option<Ledger>,
}

/// How reading stands, as far as the reader has said.
#[derive(Default)]
struct Stand {
    at_end: bool,
    picture: Picture,
}

impl Session {
    /// Works until it is told to stop or nobody sends any more; then makes the last cut and gives itself back.
    pub(super) fn run(mut self, inbox: &Receiver<Input>) -> Session {
        let start = self.clock.monotonic();
        let mut moments = Moments::at(start);
        let watchdog = systemd::watchdog_interval().filter(|_| self.service);
        let mut stand = Stand::default();
        let mut steady = Wall::default();
        let (mut changes, mut next): (Vec<Change>, Option<Input>) = (Vec::new(), None);
        // The first cut is made as soon as positions come: from then on every file is known that was there.
        let (mut dirty, mut met, mut first) = (false, true, true);
        let mut troubles = Troubles::new(self.pipeline.defects());
        let mut before = Some(self.pipeline.lines());
        let mut unfound = Unfound::since(self.store.stats().last_cut);
        let names: Vec<String> = self.pipeline.tallies().iter().map(|(name, _)| (*name).to_owned()).collect();
        let over = self.care.keep_only(&names, self.clock.now());
        if !over.is_empty() {
            self.say(&over, self.clock.now(), &mut moments);
        }
        loop {
            fault::point("session.turn");
            let mut wait = moments.next_cut(dirty, met);
            if let Some(every) = watchdog {
                wait = wait.min(moments.alive + every);
            }
            let wait = (wait - self.clock.monotonic()).min(self.next_tick(&stand)).clamp(WAIT.0, WAIT.1);
            let input = next.take().map_or_else(|| inbox.recv_timeout(wait.to_std()), Ok);
            let wall = self.clock.now();
            // What silence is measured by; lines are held against the clock as it is.
            let believed = steady.read(wall, self.clock.monotonic());
            self.pipeline.wall(wall);
            self.pipeline.patient(self.clock.monotonic() - moments.at_end < BACKLOG_PATIENCE);
            let mut idle = false;
            match input {
                Ok(Input::Chunk(chunk)) => {
                    let chunks = gather(chunk, inbox, &mut next);
                    met |= self.count(chunks, &mut changes);
                    stand.at_end = false;
                    dirty = true;
                }
                Ok(Input::Positions(all)) => {
                    met |= all.iter().any(|p| !self.positions.contains_key(&p.generation));
                    dirty |= first || has_moved(&self.positions, &all);
                    first = false;
                    self.positions = all.into_iter().map(|p| (p.generation, p)).collect();
                }
                Ok(Input::Rest(fresh)) => {
                    idle = fresh.at_end;
                    stand.at_end = fresh.at_end;
                    if let Some(picture) = fresh.picture {
                        stand.picture = picture;
                    }
                    moments.reader = self.clock.monotonic();
                }
                Err(RecvTimeoutError::Timeout) => idle = stand.at_end,
                Ok(Input::Stop) | Err(RecvTimeoutError::Disconnected) => break,
            }
            if idle {
                // Nothing lies unread: silence is silence, and the wall clock drives the ticks.
                self.pipeline.advance(believed - LATENESS, &mut changes);
                moments.at_end = self.clock.monotonic();
                if let Some(caught_up) = before.take().map(|before| self.pipeline.lines() - before).filter(|n| *n > 0) {
                    tracing::info!("caught up: {caught_up} lines read since the last saved state");
                }
            }
            let now = self.clock.monotonic();
            if let Some(written) = self.scribe.look() {
                moments.note_saved(now, written.took);
                // What was not saved is as urgent as before.
                dirty |= written.result.is_err();
                self.scribe.say(written.result, true);
            }
            if !changes.is_empty() {
                self.tell(&mut changes, wall, &mut moments);
            }
            if now - moments.look >= LOOK_EVERY {
                moments.look = now;
                if let Some(bytes) = self.governor.look() {
                    self.pipeline.set_memory(bytes);
                }
                let notices = self.care(&stand, now, wall);
                if !notices.is_empty() {
                    self.say(&notices, wall, &mut moments);
                }
                if now - moments.silence >= SILENCES_EVERY {
                    moments.silence = now;
                    self.look_at_silences(wall, &mut moments);
                }
                if let Some(cut) = unfound.due(stand.at_end, now) {
                    self.look_for_told(cut, wall, &mut moments);
                }
                if stand.at_end {
                    self.eyes.look(&self.teller.config(), self.pipeline.registry(), &stand.picture, now);
                }
                self.look(&stand, wall, &mut moments);
                self.tell_of_itself(&mut troubles, wall, now);
            }
            if now >= moments.next_cut(dirty, met) && !self.scribe.is_busy() {
                self.cut(&mut moments);
                (dirty, met) = (false, false);
            }
            if self.service && now - moments.line >= LINE_EVERY {
                moments.line = now;
                systemd::status(&self.board.look().line());
            }
            if watchdog.is_some_and(|every| now - moments.alive >= every) && now - moments.reader < READER_PATIENCE {
                moments.alive = now;
                systemd::alive();
            }
        }
        self.cut(&mut moments);
        self.scribe.wait();
        if let Some(written) = self.scribe.look() {
            self.scribe.say(written.result, true);
        }
        self
    }

    /// Counts the lines of chunks; whether some are of a file that was not known.
    fn count(&mut self, chunks: Vec<Chunk>, changes: &mut Vec<Change>) -> bool {
        for chunk in &chunks {
            if self.pipeline.stream_of(chunk.source).is_some() {
                self.enter(&chunk.bytes);
            }
        }
        self.pipeline.take_chunks(&chunks, changes);
        let mut met = false;
        for position in chunks.into_iter().map(|chunk| chunk.position) {
            met |= self.positions.insert(position.generation, position).is_none();
        }
        met
    }

    /// How long it is, by the wall clock, until it judges though no lines come.
    fn next_tick(&self, stand: &Stand) -> Span {
        let due = self.pipeline.judged_until().filter(|_| stand.at_end).map(|until| until + TICK + LATENESS);
        due.map_or(WAIT.1, |due| due - self.clock.now())
    }

    /// Tells what changed: written down first, then sent.
    fn tell(&mut self, changes: &mut Vec<Change>, wall: Timestamp, moments: &mut Moments) {
        let mut rows = Vec::new();
        let (mut notices, mut kept) = (Vec::new(), Vec::new());
        let marks = self.store.marks();
        for mut change in changes.drain(..) {
            marked::explain(&mut change, &marks);
            let mut notice = self.teller.notice(&change);
            if notice.kept.is_some() {
                kept.push(notice);
                continue;
            }
            self.teller.mark_late(&mut notice, wall);
            rows.push(IncidentRow::new(notice.clone(), wall).explained(change.incident.grounds));
            notices.push(notice);
        }
        self.deliver(rows, &notices, &kept, moments);
    }

    /// Tells what went beyond the ceiling of its silence, and what still goes on when its silence ends.
    fn look_at_silences(&mut self, wall: Timestamp, moments: &mut Moments) {
        let Hearer::Outbox(outbox) = &self.hearer else { return };
        if !outbox.keeps_silence() {
            return;
        }
        let marks = self.store.marks();
        let open = self.pipeline.open_incidents().into_iter().map(|incident| {
            let mut change = Change { kind: ChangeKind::Updated(Again::Reminder), incident, at: wall };
            marked::explain(&mut change, &marks);
            self.teller.notice(&change)
        });
        let due = outbox.overdue(&open.collect::<Vec<_>>());
        if !due.is_empty() {
            self.say(&due, wall, moments);
        }
    }

    /// Tells the end of what was told after that cut, by a process that died, and is not known any more.
    fn look_for_told(&mut self, cut: Timestamp, wall: Timestamp, moments: &mut Moments) {
        let open = self.pipeline.open_incidents();
        let goes_on = |id: &str| open.iter().any(|incident| incident.id == id);
        let ends = unfound::ends(self.store.open_incidents(), cut, goes_on, wall);
        if !ends.is_empty() {
            self.say(&ends, wall, moments);
        }
    }

    /// Tells notices of Lapwing itself.
    fn say(&mut self, notices: &[Notice], wall: Timestamp, moments: &mut Moments) {
        let rows = notices.iter().map(|n| IncidentRow::new(n.clone(), wall)).collect();
        self.deliver(rows, notices, &[], moments);
    }

    fn deliver(&mut self, rows: Vec<IncidentRow>, notices: &[Notice], kept: &[Notice], moments: &mut Moments) {
        for notice in notices {
            tracing::info!(incident = notice.incident, kind = ?notice.kind, severity = notice.severity.as_str(), "{}", notice.title);
        }
        let messages = match &mut self.hearer {
            Hearer::Outbox(outbox) => {
                let mut messages = outbox.decide(notices);
                messages.extend(outbox.summarise(kept));
                messages
            }
            Hearer::Direct(hear) => {
                for notice in notices {
                    hear(notice, &self.teller);
                }
                Vec::new()
            }
        };
        if !(rows.is_empty() && messages.is_empty()) {
            self.write_down(rows, messages);
        }
        moments.note_told();
    }

    /// Messages and the incidents they are about: once they are durable the senders may have them.
    fn write_down(&mut self, rows: Vec<IncidentRow>, messages: Vec<OutboxRow>) {
        let told = self.store.tell(rows, messages);
        if let Hearer::Outbox(senders) = &self.hearer {
            senders.wake();
        }
        self.scribe.say(told, false);
        fault::point("told");
    }

    /// Tells what goes wrong with Lapwing itself.
    fn tell_of_itself(&self, troubles: &mut Troubles, wall: Timestamp, now: Span) {
        let signs = Signs { unsaved: self.store.failing(), defects: self.pipeline.defects() };
        let notices = troubles.look(&signs, wall, now);
        if let Hearer::Outbox(outbox) = &self.hearer {
            trouble::tell(outbox, &self.store, &notices);
        }
    }

    /// Gives the scribe what is remembered now. What became of it is heard of later.
    fn cut(&mut self, moments: &mut Moments) {
        self.settle();
        let (now, taken) = (self.clock.monotonic(), self.clock.now());
        let state = self.pipeline.save(self.positions.values().cloned().collect());
        moments.note_cut(now, self.clock.monotonic() - now);
        self.scribe.take(state, taken);
    }

    /// Enters lines that are counted now in the ledger, if one is kept.
    fn enter(&mut self, bytes: &[u8]) {
        let entered = self.ledger.as_mut().map_or(Ok(()), |ledger| ledger.note(bytes));
        self.keep_ledger(entered);
    }

    /// Sees to it that the ledger has what the next cut will say.
    fn settle(&mut self) {
        let flushed = self.ledger.as_mut().map_or(Ok(()), Ledger::flush);
        self.keep_ledger(flushed);
    }

    fn keep_ledger(&mut self, written: std::io::Result<()>) {
        if let Err(error) = written {
            tracing::error!(%error, "the ledger cannot be written: it ends here");
            self.ledger = None;
        }
    }

    /// Watches over the sources: what of them is told now.
    fn care(&mut self, stand: &Stand, now: Span, wall: Timestamp) -> Vec<Notice> {
        let step = self.care.pass(now);
        let pipeline = &self.pipeline;
        let dropped: Vec<String> = pipeline
            .open_incidents()
            .into_iter()
            .filter(|i| i.detector == traffic_drop::NAME && i.subject.kind != SubjectKind::Key)
            .map(|i| i.subject.name)
            .collect();
        let mut told = Vec::new();
        for (stream, ((name, tally), id)) in pipeline.tallies().into_iter().zip(pipeline.source_ids()).enumerate() {
            let Some((_, picture)) = stand.picture.sources.iter().find(|(source, _)| *source == id) else { continue };
            let drop_told = dropped.iter().any(|subject| subject == name || subject == "site");
            let view = View { name, tally, picture, at_end: stand.at_end, drop_told };
            told.extend(self.care.look(&view, step, wall, &|| pipeline.guess(stream)));
        }
        told
    }

    /// Renews the picture.
    fn look(&self, stand: &Stand, wall: Timestamp, moments: &mut Moments) {
        let revision = self.pipeline.kept_revision();
        let explained = |change: Change| Explained::of(&self.teller.notice(&change), change.incident.grounds);
        let kept = (moments.kept != Some(revision)).then(|| self.pipeline.kept().map(explained).collect());
        moments.kept = Some(revision);
        let mut engine = self.pipeline.status();
        let ids = self.pipeline.source_ids();
        let mut sources = self.pipeline.source_status();
        for (source, id) in sources.iter_mut().zip(ids) {
            let Some((_, picture)) = stand.picture.sources.iter().find(|(s, _)| *s == id) else { continue };
            source.blind = self.eyes.of(&source.name);
            let SourcePicture { waiting, behind, eta, open_files, files, more_files, troubles } = picture.clone();
            source.waiting = waiting;
            source.bytes_behind = behind;
            source.seconds_behind =
                source.last_line_at.filter(|_| behind > 0).map(|at| (wall - at).millis().max(0) as u64 / 1000);
            source.eta_seconds = eta.map(|eta| eta.millis() as u64 / 1000);
            source.open_files = open_files;
            source.files = files;
            source.more_files = more_files;
            source.troubles = troubles.iter().map(|(t, _)| format!("{}: {}", t.path.display(), t.error)).collect();
        }
        if Blind::say_once(sources.iter_mut().map(|source| &mut source.blind)) {
            engine.judging.retain(|line| line.matter != Matter::NoPlaces);
        }
        let stats = self.store.stats();
        let channels = match &self.hearer {
            Hearer::Outbox(outbox) => outbox.status().iter().map(channel_status).collect(),
            Hearer::Direct(_) => Vec::new(),
        };
        self.board.update(|picture| {
            picture.looked_at = wall;
            picture.log_time = engine.judged_until;
            picture.open_incidents = engine.open.len();
            picture.memory = MemoryStatus {
                ceiling: self.governor.ceiling as u64,
                resident: self.governor.resident as u64,
                limit: engine.memory.limit as u64,
                used: engine.memory.used as u64,
                evicted: engine.evicted,
            };
            picture.engine = serde_json::to_value(&engine).unwrap_or_default();
            if let Some(kept) = kept {
                picture.kept = kept;
            }
            picture.lines_total = sources.iter().map(|source| source.lines).sum();
            picture.sources = sources;
            picture.following = stand.picture.following.clone();
            picture.channels = channels;
            picture.state = if stand.at_end { "watching" } else { "catching up" }.to_owned();
            picture.store = StoreStatus {
                dir: std::mem::take(&mut picture.store.dir),
                bytes: stats.bytes,
                last_cut: stats.last_cut,
                failing: stats.failing.map(|(since, why)| format!("not saved since {since}: {why}")),
                quarantined: stats.quarantined,
                given_up: stats.dead,
                shed: stats.shed,
            };
        });
    }
}

/// Whether the files stand elsewhere than was known. For how long one was not seen is no news.
fn has_moved(known: &BTreeMap<u64, Position>, now: &[Position]) -> bool {
    let same = |position: &Position| {
        let unseen = position.unseen;
        known.get(&position.generation).is_some_and(|old| Position { unseen, ..old.clone() } == *position)
    };
    known.len() != now.len() || !now.iter().all(same)
}

fn channel_status(status: &notify::ChannelStatus) -> ChannelStatus {
    let state = match &status.state {
        notify::ChannelState::Ok => "ok".to_owned(),
        notify::ChannelState::Waiting { until, because } => format!("waiting until {until}: {because}"),
        notify::ChannelState::Broken { because, .. } => format!("broken: {because}"),
    };
    ChannelStatus {
        name: status.name.clone(),
        kind: status.kind.to_string(),
        state,
        queued: status.queued,
        oldest: status.oldest,
        last_delivered: status.last_delivered,
    }
}
