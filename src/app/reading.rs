//! The reader's thread: follows the files and hands their lines on, waiting where the pipeline is slower.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError};
use std::thread::{self, JoinHandle};

use super::standing::{Picture, Standing};
use crate::source::{Bell, Chunk, Follower, Position, Watcher};
use crate::time::{Clock, Span};

/// How often files are looked for when no event says so: seldom where there are so many that looking takes its time.
const SCAN_BETWEEN: (Span, Span) = (Span::from_secs(2), Span::from_secs(10));
/// Looking takes a thirtieth of the time at most, and a tenth where events ask for it.
const SCAN_SHARE: (i64, i64) = (33, 9);
/// How often every position is handed on, also those that did not move.
const POSITIONS_EVERY: Span = Span::from_secs(10);
/// How often the picture is renewed.
const PICTURE_EVERY: Span = Span::SECOND;
/// How often files are read where no event says so: where some directory gives none, and where they may get lost.
const READ_EVERY: (Span, Span) = (Span::from_millis(500), Span::from_secs(2));

/// Whoever wrote lines no longer ago than this is likely to go on.
const GOES_ON: Span = Span::from_millis(100);
/// While lines keep coming they are collected for so long: to wake for each of them would cost more than to read them. The
/// first one after a pause waits for nothing.
const COLLECT: Span = Span::from_millis(20);

/// Chunks that are taken in at once, at most: a backlog waits for no longer than their lines take to be told of.
const AT_ONCE: usize = 16;

/// What the pipeline's thread is told.
#[derive(Debug)]
pub(super) enum Input {
    /// Lines.
    Chunk(Chunk),
    /// Everything that lies there was handed on; how things stand. Also the reader's sign of life.
    Rest(Rest),
    /// Positions of all known files, as of the last chunk.
    Positions(Vec<Position>),
    /// Save, and end.
    Stop,
}

/// How reading stands.
#[derive(Clone, Debug, Default)]
pub(super) struct Rest {
    /// Everything known was read to its end.
    pub at_end: bool,
    /// The whole picture, once in a while.
    pub picture: Option<Picture>,
}

/// The reader at work. Dropping it stops it.
#[derive(Debug)]
pub(super) struct Reader {
    stop: Arc<AtomicBool>,
    bell: Bell,
    thread: Option<JoinHandle<()>>,
}

impl Reader {
    /// Starts reading into `out`.
    pub(super) fn start(follower: Follower, out: SyncSender<Input>, clock: Arc<dyn Clock>) -> std::io::Result<Reader> {
        let stop = Arc::new(AtomicBool::new(false));
        let sign = stop.clone();
        let watcher = Watcher::new();
        let bell = watcher.bell();
        let thread = thread::Builder::new().name("reader".to_owned()).spawn(move || {
            let standing = Standing::default();
            Reading { follower, watcher, out, clock, stop: sign, standing }.run();
        })?;
        Ok(Reader { stop, bell, thread: Some(thread) })
    }

    /// Whether its thread still runs.
    pub(super) fn is_alive(&self) -> bool {
        self.thread.as_ref().is_some_and(|t| !t.is_finished())
    }

    /// Stops after the chunk in hand. The receiver must still be read, or be gone.
    pub(super) fn stop(&self) {
        self.stop.store(true, Ordering::Relaxed);
        self.bell.ring();
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        self.stop();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

struct Reading {
    follower: Follower,
    watcher: Watcher,
    out: SyncSender<Input>,
    clock: Arc<dyn Clock>,
    stop: Arc<AtomicBool>,
    standing: Standing,
}

impl Reading {
    fn run(mut self) {
        let mut scanned: Option<Span> = None;
        let mut scan_took = Span::ZERO;
        let mut scan_wanted = false;
        let mut told: Option<Span> = None;
        let mut drawn: Option<Span> = None;
        let mut came: Option<Span> = None;
        loop {
            if self.stop.load(Ordering::Relaxed) {
                return;
            }
            let now = self.clock.monotonic();
            if scanned.is_none_or(|at| now - at >= scan_every(scan_took, scan_wanted)) {
                self.follower.scan(now);
                (scan_took, scan_wanted) = (self.clock.monotonic() - now, false);
                self.watcher.watch(self.follower.directories());
                // What is there at the start is known before anything of it is read: the first cut holds all of it.
                if scanned.is_none() && !send(&self.out, Input::Positions(self.follower.positions()), &self.stop) {
                    return;
                }
                scanned = Some(now);
            }
            let mut gone = false;
            let (out, stop) = (&self.out, &self.stop);
            let before = came;
            let progress = self.follower.read(now, &mut |chunk| {
                came = Some(now);
                gone = gone || !send(out, Input::Chunk(chunk), stop);
            });
            if gone {
                return;
            }
            if told.is_none_or(|at| now - at >= POSITIONS_EVERY) || !progress.forgotten.is_empty() {
                told = Some(now);
                if !send(&self.out, Input::Positions(self.follower.positions()), &self.stop) {
                    return;
                }
            }
            let mut rest = Rest { at_end: progress.at_end, picture: None };
            if drawn.is_none_or(|at| now - at >= PICTURE_EVERY) {
                drawn = Some(now);
                rest.picture = Some(self.standing.picture(&mut self.follower, &self.watcher, now));
            }
            if rest.picture.is_some() {
                if !send(&self.out, Input::Rest(rest), &self.stop) {
                    return;
                }
            }
            // Only a sign of life: it may be left out where the pipeline has more than enough to do.
            else if let Err(TrySendError::Disconnected(_)) = self.out.try_send(Input::Rest(rest)) {
                return;
            }
            if progress.at_end {
                if came == Some(now) && before.is_some_and(|before| now - before < GOES_ON) {
                    thread::sleep(COLLECT.to_std());
                }
                // Events end the wait.
                let scan = scanned.map_or(now, |at| at + scan_every(scan_took, scan_wanted));
                let read = if self.watcher.is_watching() { READ_EVERY.1 } else { READ_EVERY.0 };
                let wait = (scan - self.clock.monotonic()).min(read).max(Span::ZERO);
                scan_wanted |= self.watcher.wait(wait.to_std()).scan;
            }
        }
    }
}

/// A chunk and those that lie there already, since much at once costs less; what else comes to hand is for the next turn.
pub(super) fn gather(first: Chunk, inbox: &Receiver<Input>, next: &mut Option<Input>) -> Vec<Chunk> {
    let mut chunks = vec![first];
    while chunks.len() < AT_ONCE {
        match inbox.try_recv() {
            Ok(Input::Chunk(chunk)) => chunks.push(chunk),
            Ok(other) => {
                *next = Some(other);
                break;
            }
            Err(_) => break,
        }
    }
    chunks
}

/// How long after one look for files the next one is due.
fn scan_every(took: Span, wanted: bool) -> Span {
    if wanted {
        took.times(SCAN_SHARE.1).min(SCAN_BETWEEN.1)
    } else {
        took.times(SCAN_SHARE.0).clamp(SCAN_BETWEEN.0, SCAN_BETWEEN.1)
    }
}

/// Hands something on; waits where the pipeline is busy. False when nobody takes it any more.
fn send(out: &SyncSender<Input>, mut input: Input, stop: &AtomicBool) -> bool {
    loop {
        match out.try_send(input) {
            Ok(()) => return true,
            Err(TrySendError::Disconnected(_)) => return false,
            Err(TrySendError::Full(back)) => {
                if stop.load(Ordering::Relaxed) {
                    return false;
                }
                input = back;
                thread::sleep(Span::from_millis(2).to_std());
            }
        }
    }
}
