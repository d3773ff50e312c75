//! The daemon: reader thread, pipeline thread, and tasks for sending, signals and the control socket.
//!
//! A reload is a restart of the inside: the last cut, a new configuration, and on from that cut. So it takes the path
//! that every start takes, and a configuration that cannot be used changes nothing.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, channel, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};

use anyhow::{Context, anyhow};
use tokio::runtime::Runtime;
use tokio::signal::unix::{SignalKind, signal};

use super::answers::Desk;
use super::backfill::backfill;
use super::blind::Eyes;
use super::care::Care;
use super::ledger::Ledger;
use super::memory::Governor;
use super::pipeline::{Pipeline, PipelineError, Secrets};
use super::reading::{Input, Reader};
use super::replay::registry;
use super::scribe::Scribe;
pub use super::session::Hear;
use super::session::{Hearer, Session};
use super::status::Board;
use super::telling::Teller;
use super::{Failure, control, descriptors, systemd, trouble};
use crate::config::{Config, Invalid};
use crate::event::Hasher;
use crate::intake::FingerprintKey;
use crate::notify::{self, Outbox, PaceSettings};
use crate::source::Follower;
use crate::store::{self, Recovery, Store};
use crate::time::{Clock, Span, SystemClock};

/// Chunks that wait between reader and pipeline.
const INBOX: usize = 16;
/// How often the main thread sees whether the others are well.
const CARE_EVERY: Span = Span::from_secs(2);

/// What the main thread is told.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Wish {
    Stop,
    Reload,
}

/// Runs the daemon until it is told to stop. With a `ledger`, an entry for every counted line goes to that file: what
/// tests of exactly-once look at.
///
/// # Errors
/// The configuration cannot be used, the state directory is taken, or a part of the daemon died.
pub fn run(path: &Path, ledger: Option<PathBuf>) -> Result<(), Failure> {
    let loaded = Config::load(path)?;
    for warning in &loaded.warnings {
        tracing::warn!("{}", warning.short());
    }
    let config = loaded.config;
    if config.sources.is_empty() {
        return Err(Failure::Usage(format!(
            "{} names no source: add a table such as\n\n[source.web]\npath = [\"/var/log/nginx/access.log*\"]",
            path.display()
        )));
    }
    if config.channels.is_empty() {
        tracing::warn!("no channel is configured: incidents are seen by `lapwing incidents` alone");
    }
    notify::install_tls();
    // Its memory holds secrets: none of it goes into a core file. Where that is refused, the unit's limit holds.
    let _ = rustix::process::set_dumpable_behavior(rustix::process::DumpableBehavior::NotDumpable);
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
    let (store, recovery) = Store::open(&config.state_dir, store::Settings::default(), clock.clone())
        .map_err(|e| Failure::Running(e.into()))?;
    let board = Board::default();
    board.update(|picture| {
        picture.version = env!("CARGO_PKG_VERSION").to_owned();
        picture.pid = std::process::id();
        picture.started_at = clock.now();
        picture.configured_at = clock.now();
        picture.state = "starting".to_owned();
        picture.store.dir = config.state_dir.display().to_string();
        picture.notes.clone_from(&recovery.lost);
    });
    for sentence in &recovery.lost {
        tracing::error!("{sentence}");
    }
    if let Some(at) = recovery.taken_at.filter(|_| recovery.cut_short) {
        tracing::warn!("the last run was cut short; going on from what was saved at {at}");
    }
    let runtime = runtime()?;
    let stop = Arc::new(AtomicBool::new(false));
    let wishes = signals(&runtime, &stop)?;
    let outbox = Arc::new(Mutex::new(None));
    let store = Arc::new(store);
    let socket = config.socket.clone().unwrap_or_else(|| control::default_path(&config.state_dir));
    let desk = Desk { board: board.clone(), store: store.clone(), clock: clock.clone(), outbox: outbox.clone() };
    {
        let _inside = runtime.enter();
        let listener = control::listen(&socket)?;
        runtime.spawn(control::serve(listener, Arc::new(desk)));
    }
    let daemon = Daemon { path: path.to_owned(), ledger, store, board, clock, runtime, stop, outbox };
    let done = daemon.live(config, recovery, &wishes);
    if done.is_ok()
        && let Err(error) = daemon.store.close()
    {
        tracing::warn!(%error, "the next start will take this one for cut short");
    }
    // The socket goes with the daemon; a dead one would be replaced by the next.
    let _ = std::fs::remove_file(&socket);
    daemon.runtime.shutdown_timeout(Span::from_secs(1).to_std());
    done
}

/// Two threads are enough: sending waits, it does not compute.
fn runtime() -> Result<Runtime, Failure> {
    Ok(tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .thread_name("sending")
        .enable_all()
        .build()
        .context("cannot start the tasks")?)
}

/// SIGTERM and SIGINT stop, SIGHUP reloads.
fn signals(runtime: &Runtime, stop: &Arc<AtomicBool>) -> Result<Receiver<Wish>, Failure> {
    let (tell, wishes) = channel();
    let _inside = runtime.enter();
    let mut terminate = signal(SignalKind::terminate()).context("cannot listen to signals")?;
    let mut interrupt = signal(SignalKind::interrupt()).context("cannot listen to signals")?;
    let mut hangup = signal(SignalKind::hangup()).context("cannot listen to signals")?;
    let stop = stop.clone();
    runtime.spawn(async move {
        loop {
            let wish = tokio::select! {
                _ = terminate.recv() => Wish::Stop,
                _ = interrupt.recv() => Wish::Stop,
                _ = hangup.recv() => Wish::Reload,
            };
            if wish == Wish::Stop {
                stop.store(true, Ordering::Relaxed);
            }
            if tell.send(wish).is_err() {
                return;
            }
        }
    });
    Ok(wishes)
}

struct Daemon {
    path: PathBuf,
    ledger: Option<PathBuf>,
    store: Arc<Store>,
    board: Board,
    clock: Arc<dyn Clock>,
    runtime: Runtime,
    stop: Arc<AtomicBool>,
    outbox: Arc<Mutex<Option<Arc<Outbox>>>>,
}

/// The inside at work.
struct Inside {
    reader: Reader,
    inbox: SyncSender<Input>,
    pipeline: JoinHandle<Session>,
}

impl Inside {
    fn start(session: Session, follower: Follower, clock: Arc<dyn Clock>) -> Result<Self, Failure> {
        let (inbox, lines) = sync_channel(INBOX);
        let pipeline = thread::Builder::new()
            .name("pipeline".to_owned())
            .spawn(move || session.run(&lines))
            .context("cannot start the pipeline's thread")?;
        let reader = Reader::start(follower, inbox.clone(), clock).context("cannot start the reader's thread")?;
        Ok(Inside { reader, inbox, pipeline })
    }

    /// Whether both threads run.
    fn is_alive(&self) -> bool {
        !self.pipeline.is_finished() && self.reader.is_alive()
    }

    /// Stops reading, then the pipeline, which takes what was read before.
    fn stop(self) -> Result<Session, Failure> {
        let Inside { reader, inbox, pipeline } = self;
        reader.stop();
        // The reader leaves within its next wait; what it sent is counted before the stop is seen.
        drop(reader);
        let _ = inbox.send(Input::Stop);
        drop(inbox);
        pipeline.join().map_err(|_| Failure::Running(anyhow!("the pipeline's thread died: this is a defect")))
    }
}

impl Daemon {
    fn live(&self, mut config: Config, recovery: Recovery, wishes: &Receiver<Wish>) -> Result<(), Failure> {
        let Some(mut running) = self.start(&config, recovery.state.as_deref(), recovery.lost)? else { return Ok(()) };
        systemd::ready("watching");
        tracing::info!(sources = config.sources.len(), channels = config.channels.len(), "watching");
        loop {
            match wishes.recv_timeout(CARE_EVERY.to_std()) {
                Ok(Wish::Stop) | Err(RecvTimeoutError::Disconnected) => {
                    tracing::info!("stopping");
                    systemd::stopping();
                    self.end(running)?;
                    return Ok(());
                }
                Ok(Wish::Reload) => {
                    systemd::reloading();
                    match self.reread(&config) {
                        Ok(fresh) => {
                            let state = self.end(running)?;
                            let old = std::mem::replace(&mut config, fresh);
                            let started = match self.start(&config, Some(&state), Vec::new()) {
                                Ok(started) => started,
                                Err(failure) => {
                                    self.not_reloaded(&failure.to_string());
                                    config = old;
                                    self.start(&config, Some(&state), Vec::new())?
                                }
                            };
                            let Some(again) = started else { return Ok(()) };
                            running = again;
                            tracing::info!("the configuration was read again");
                        }
                        Err(sentence) => self.not_reloaded(&sentence),
                    }
                    systemd::ready("watching");
                }
                Err(RecvTimeoutError::Timeout) => {
                    if !running.is_alive() {
                        // What died is told by its own panic; systemd starts us again from the last cut.
                        let part = if running.pipeline.is_finished() { "pipeline" } else { "reader" };
                        return Err(Failure::Running(anyhow!("the {part} thread ended by itself: this is a defect")));
                    }
                }
            }
        }
    }

    /// Reads the configuration again. What cannot change while running is said.
    fn reread(&self, old: &Config) -> Result<Config, String> {
        let loaded = Config::load(&self.path)
            .map_err(|Invalid(list)| list.iter().map(crate::diag::Diagnostic::short).collect::<Vec<_>>().join("\n"))?;
        for warning in &loaded.warnings {
            tracing::warn!("{}", warning.short());
        }
        let config = loaded.config;
        if config.sources.is_empty() {
            return Err("the new configuration names no source".to_owned());
        }
        if config.state_dir != old.state_dir || config.socket != old.socket {
            return Err("\"state_dir\" and \"socket\" can only change with a restart".to_owned());
        }
        // Whatever can fail is tried before anything is stopped.
        let registry = registry(&config).map_err(|e| e.to_string())?;
        Pipeline::new(&config, registry, &self.secrets(), None).map_err(|e| e.to_string())?;
        Teller::new(Arc::new(config.clone())).map_err(|e| e.to_string())?;
        Ok(config)
    }

    fn not_reloaded(&self, sentence: &str) {
        for line in sentence.lines() {
            tracing::error!("the configuration stays as it was: {line}");
        }
        self.board.update(|picture| picture.reload_error = Some(sentence.to_owned()));
    }

    fn secrets(&self) -> Secrets {
        let secret = self.store.secret();
        Secrets { hasher: Hasher::new(secret.hash_seed), fingerprint: FingerprintKey::new(secret.fingerprint_key) }
    }

    /// Starts the inside from the last cut, or from the logs' history where there is none. `None` if it was told to stop
    /// meanwhile. `damage` is what the store could not trust: it is told with what cannot be taken over here.
    fn start(
        &self,
        config: &Config,
        snapshot: Option<&[u8]>,
        mut damage: Vec<String>,
    ) -> Result<Option<Inside>, Failure> {
        let config = Arc::new(config.clone());
        let teller = Arc::new(Teller::new(config.clone()).map_err(|e| Failure::Usage(e.to_string()))?);
        let registry = registry(&config)?;
        let mut channels = Vec::with_capacity(config.channels.len());
        for channel in &config.channels {
            let built = channel.settings().build(self.clock.clone());
            channels.push(built.map_err(|e| Failure::Usage(format!("[channel.{}] {e}", channel.name)))?);
        }
        let (mut pipeline, restored) = Pipeline::new(&config, registry, &self.secrets(), snapshot).map_err(refused)?;
        pipeline.near_now(self.clock.now());
        for sentence in &restored.lost {
            tracing::error!("{sentence}");
        }
        for sentence in &restored.notes {
            tracing::warn!("{sentence}");
        }
        damage.extend_from_slice(&restored.lost);
        let mut notes = restored.lost;
        notes.extend(restored.notes);
        let first = snapshot.is_none();
        let mut ledger = self.ledger.as_deref().map(|path| Ledger::open(path, pipeline.offered())).transpose();
        let mut ledger = ledger.as_mut().map(Option::take).map_err(|e| Failure::Usage(format!("the ledger: {e}")))?;
        let mut positions = restored.positions.into_iter().map(|p| (p.generation, p)).collect();
        if first {
            self.board.update(|picture| picture.state = "reading history".to_owned());
            let past =
                backfill(&config, &mut pipeline, &*self.clock, &self.stop, true, ledger.as_mut()).map_err(refused)?;
            if past.stopped {
                return Ok(None);
            }
            positions = past.positions;
            notes.extend(past.note);
        }
        let sources = config.sources.iter().zip(pipeline.source_ids());
        let sources = sources.map(|(source, id)| (id, source.files.clone())).collect();
        let known = positions.values().cloned().collect();
        let follower = Follower::new(sources, descriptors::within_limit(config.limits), known)
            .map_err(|e| Failure::Usage(format!("the sources cannot be followed: {e}")))?;
        let outbox = {
            let _inside = self.runtime.enter();
            Arc::new(Outbox::start(
                channels,
                config.routes(),
                PaceSettings::default(),
                self.store.clone(),
                Arc::new(teller.messages()),
                self.clock.clone(),
            ))
        };
        *self.outbox.lock().unwrap_or_else(PoisonError::into_inner) = Some(outbox.clone());
        if !damage.is_empty() {
            trouble::tell(&outbox, &self.store, &[trouble::damaged(&damage, self.clock.now())]);
        }
        self.board.update(|picture| {
            picture.notes.extend(notes);
            picture.notes.dedup();
            picture.configured_at = self.clock.now();
            picture.reload_error = None;
        });
        let session = Session {
            pipeline,
            positions,
            scribe: Scribe::new(self.store.clone(), self.clock.clone()),
            store: self.store.clone(),
            teller,
            hearer: Hearer::Outbox(outbox),
            board: self.board.clone(),
            clock: self.clock.clone(),
            governor: Governor::new(config.memory),
            service: true,
            eyes: Eyes::default(),
            care: Care::new(self.store.open_incidents().into_iter().map(|row| row.notice)),
            ledger,
        };
        Ok(Some(Inside::start(session, follower, self.clock.clone())?))
    }

    /// Stops the inside: reading, then the last cut, then sending. Gives back what the last cut holds.
    fn end(&self, inside: Inside) -> Result<Vec<u8>, Failure> {
        let session = inside.stop()?;
        *self.outbox.lock().unwrap_or_else(PoisonError::into_inner) = None;
        let state = session.pipeline.save(session.positions.into_values().collect());
        if let Hearer::Outbox(outbox) = session.hearer
            && let Ok(outbox) = Arc::try_unwrap(outbox)
        {
            self.runtime.block_on(outbox.stop());
        }
        Ok(state)
    }
}

fn refused(error: PipelineError) -> Failure {
    match error {
        PipelineError::Newer(sentence) => Failure::Running(anyhow!(sentence)),
        PipelineError::Format { .. } => Failure::Usage(error.to_string()),
        PipelineError::Died(died) => Failure::Running(died.into()),
    }
}

/// Follows files without configuration and hands every notice to `hear`, until it is interrupted.
///
/// # Errors
/// A file that cannot be followed.
pub fn watch(config: Config, hear: Hear, started: impl FnOnce(&str)) -> Result<(), Failure> {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
    let store = Store::in_memory(clock.clone()).map_err(|e| Failure::Running(e.into()))?;
    let config = Arc::new(config);
    let teller = Arc::new(Teller::new(config.clone()).map_err(|e| Failure::Usage(e.to_string()))?);
    let runtime = runtime()?;
    let stop = Arc::new(AtomicBool::new(false));
    let wishes = signals(&runtime, &stop)?;
    let (mut pipeline, _) =
        Pipeline::new(&config, registry(&config)?, &Secrets::for_replay(), None).map_err(refused)?;
    pipeline.near_now(clock.now());
    let past = backfill(&config, &mut pipeline, &*clock, &stop, false, None).map_err(refused)?;
    if past.stopped {
        return Ok(());
    }
    let sources = config.sources.iter().zip(pipeline.source_ids());
    let sources = sources.map(|(source, id)| (id, source.files.clone())).collect();
    let follower = Follower::new(sources, config.limits, past.positions.values().cloned().collect())
        .map_err(|e| Failure::Usage(format!("the files cannot be followed: {e}")))?;
    started(past.note.as_deref().unwrap_or("nothing to learn from yet"));
    let store = Arc::new(store);
    let session = Session {
        pipeline,
        positions: past.positions,
        scribe: Scribe::new(store.clone(), clock.clone()),
        store,
        teller,
        hearer: Hearer::Direct(hear),
        board: Board::default(),
        clock: clock.clone(),
        governor: Governor::new(config.memory),
        service: false,
        eyes: Eyes::default(),
        care: Care::default(),
        ledger: None,
    };
    let inside = Inside::start(session, follower, clock)?;
    while inside.is_alive() {
        if let Ok(Wish::Stop) = wishes.recv_timeout(CARE_EVERY.to_std()) {
            break;
        }
    }
    inside.stop().map(drop)
}
