//! File events: a hint that makes the next look come sooner, never the truth.
//!
//! Directories are watched, not files. Whatever goes wrong here costs time, no lines: the scan runs anyway.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError, sync_channel};
use std::time::Duration;

use notify::event::{Event, EventKind, ModifyKind};
use notify::{RecommendedWatcher, RecursiveMode, Watcher as _};

use crate::time::{Clock, Span, SystemClock};

/// While writing goes on, events are collected for this long, so that busy files cost few wake-ups.
const COLLECT: Duration = Duration::from_millis(10);
/// Events that come no further apart than this belong to writing that goes on.
const GOES_ON: Span = Span::from_millis(100);
/// So long the thread of the events rests while they keep coming. The kernel makes one of all that say the same
/// meanwhile: otherwise this thread would be woken for every line that is written.
const REST: Span = Span::from_millis(20);
/// What comes sooner after a rest than this was collected meanwhile: all of it is looked at before the next rest.
const COLLECTED: Span = Span::from_millis(1);

/// File systems on which other hosts or processes write without events, by the magic numbers of statfs(2).
const SILENT: [(u64, &str); 7] = [
    (0x6969, "NFS"),
    (0xff53_4d42, "CIFS"),
    (0xfe53_4d42, "SMB"),
    (0x6573_5546, "FUSE"),
    (0x0102_1997, "9p"),
    (0x00c3_6400, "Ceph"),
    (0x5346_414f, "AFS"),
];

/// Hints that wait to be looked at; one is enough, the rest says the same.
const WAITING_HINTS: usize = 64;

/// Why the wait is over.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Woken {
    /// Something was written: read.
    pub read: bool,
    /// Names changed, or events were lost: scan, then read.
    pub scan: bool,
}

/// Watches directories, as far as the system allows.
#[derive(Debug)]
pub struct Watcher {
    inner: Option<RecommendedWatcher>,
    hints: Receiver<Woken>,
    /// Also kept so that waiting without a watcher simply times out.
    sender: SyncSender<Woken>,
    watched: BTreeSet<PathBuf>,
    /// It was said that some directory is only scanned.
    complained: bool,
    /// The last wait ended with an event, so more are likely.
    busy: bool,
    /// How often events were lost.
    rescans: Arc<AtomicU64>,
}

impl Watcher {
    /// Starts without directories. If the system gives no watcher, every wait just times out; that is said once.
    pub fn new() -> Watcher {
        let (sender, hints) = sync_channel(WAITING_HINTS);
        let events = sender.clone();
        let rescans = Arc::new(AtomicU64::new(0));
        let lost = rescans.clone();
        let mut watcher =
            Watcher { inner: None, hints, sender, watched: BTreeSet::new(), complained: false, busy: false, rescans };
        let mut brake = Brake::new(SystemClock::new());
        match notify::recommended_watcher(move |event| {
            hint(&events, &lost, &event);
            if let Some(rest) = brake.after_event() {
                std::thread::sleep(rest.to_std());
                brake.rested();
            }
        }) {
            Ok(inner) => watcher.inner = Some(inner),
            Err(e) => watcher.complain(&e, None),
        }
        watcher
    }

    /// Watches exactly these directories from now on.
    pub fn watch(&mut self, directories: &BTreeSet<PathBuf>) {
        let Some(inner) = self.inner.as_mut() else { return };
        let gone: Vec<PathBuf> = self.watched.difference(directories).cloned().collect();
        for directory in gone {
            // It fails if the directory is gone, and then it is not watched either.
            let _ = inner.unwatch(&directory);
            self.watched.remove(&directory);
        }
        let mut failed = None;
        for directory in directories.difference(&self.watched.clone()) {
            if let Some(kind) = silent(directory) {
                self.watched.insert(directory.clone());
                if !std::mem::replace(&mut self.complained, true) {
                    tracing::warn!(
                        "{} lies on {kind}, which reports no events of other hosts: it is looked at every two seconds",
                        directory.display()
                    );
                }
                continue;
            }
            match inner.watch(directory, RecursiveMode::NonRecursive) {
                Ok(()) => {
                    self.watched.insert(directory.clone());
                }
                Err(e) => failed = Some((e, directory.clone())),
            }
        }
        if let Some((e, directory)) = failed {
            self.complain(&e, Some(&directory));
        }
    }

    /// Whether all directories are watched; if not, some are only scanned.
    pub fn is_watching(&self) -> bool {
        self.inner.is_some() && !self.complained
    }

    /// How often events were lost, so that everything had to be looked at.
    pub fn rescans(&self) -> u64 {
        self.rescans.load(Ordering::Relaxed)
    }

    /// What ends a wait early.
    pub fn bell(&self) -> Bell {
        Bell(self.sender.clone())
    }

    /// Waits until something happened or the time is over. After quiet the first event counts at once; while events
    /// keep coming they are collected for some milliseconds.
    pub fn wait(&mut self, timeout: Duration) -> Woken {
        if self.busy && timeout > COLLECT {
            std::thread::sleep(COLLECT);
        }
        let mut woken = match self.hints.recv_timeout(timeout) {
            Ok(hint) => hint,
            Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => {
                self.busy = false;
                return Woken::default();
            }
        };
        while let Ok(more) = self.hints.try_recv() {
            woken.read |= more.read;
            woken.scan |= more.scan;
        }
        self.busy = woken != Woken::default();
        woken
    }

    fn complain(&mut self, error: &notify::Error, directory: Option<&Path>) {
        if self.complained {
            return;
        }
        self.complained = true;
        let place = directory.map_or_else(|| "any directory".into(), |d| d.display().to_string());
        let help = match error.kind {
            notify::ErrorKind::MaxFilesWatch => "raise the sysctl fs.inotify.max_user_watches",
            _ => "raise the sysctl fs.inotify.max_user_instances if it is used up",
        };
        tracing::warn!(%error, help, "no file events for {place}: it is looked at every two seconds instead");
    }
}

/// Ends the wait of its watcher, from any thread.
#[derive(Clone, Debug)]
pub struct Bell(SyncSender<Woken>);

impl Bell {
    /// Ends the wait that goes on, or the next one.
    pub fn ring(&self) {
        // A full queue ends it as well.
        let _ = self.0.try_send(Woken::default());
    }
}

/// Says when the thread of the events is to rest: at most once in a while, so that many events that came together
/// are not held up.
struct Brake<C> {
    clock: C,
    last: Option<Span>,
    rested: Span,
}

impl<C: Clock> Brake<C> {
    fn new(clock: C) -> Self {
        let rested = clock.monotonic();
        Brake { clock, last: None, rested }
    }

    /// An event was handed on; how long to rest now, if at all.
    fn after_event(&mut self) -> Option<Span> {
        let now = self.clock.monotonic();
        let before = self.last.replace(now);
        (before.is_some_and(|before| now - before < GOES_ON) && now - self.rested >= COLLECTED).then_some(REST)
    }

    fn rested(&mut self) {
        self.rested = self.clock.monotonic();
        self.last = Some(self.rested);
    }
}

impl Default for Watcher {
    fn default() -> Self {
        Watcher::new()
    }
}

/// The name of the file system of a directory, if it is one that does not report what others write.
pub fn silent(directory: &Path) -> Option<&'static str> {
    let kind = rustix::fs::statfs(directory).ok()?.f_type as u64 & 0xffff_ffff;
    SILENT.iter().find(|(magic, _)| *magic == kind).map(|(_, name)| *name)
}

/// Boils an event down to what is to be done.
fn hint(hints: &SyncSender<Woken>, rescans: &AtomicU64, event: &notify::Result<Event>) {
    let woken = match event {
        Ok(event) if event.need_rescan() => {
            rescans.fetch_add(1, Ordering::Relaxed);
            tracing::debug!("file events were lost: looking at everything");
            Woken { read: true, scan: true }
        }
        // The daemon's own opening and reading comes back as such.
        Ok(Event { kind: EventKind::Access(_), .. }) => return,
        Ok(Event { kind: EventKind::Modify(ModifyKind::Data(_)), .. }) => Woken { read: true, scan: false },
        _ => Woken { read: true, scan: true },
    };
    // A full queue holds hints enough, but it may hold none to scan: the timed scan makes up for that.
    if let Err(TrySendError::Full(_)) = hints.try_send(woken) {}
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;
    use crate::time::ManualClock;

    const LONG: Duration = Duration::from_secs(20);

    #[test]
    fn writing_and_renaming_wake_and_reading_does_not() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("a.log");
        let mut file = std::fs::File::create(&path).unwrap();
        let mut watcher = Watcher::new();
        watcher.watch(&BTreeSet::from([directory.path().to_owned()]));
        if !watcher.is_watching() {
            println!("no file events here");
            return;
        }
        std::fs::read(&path).unwrap();
        assert_eq!(watcher.wait(Duration::from_millis(50)), Woken::default());
        file.write_all(b"line\n").unwrap();
        assert_eq!(watcher.wait(LONG), Woken { read: true, scan: false });
        std::fs::rename(&path, directory.path().join("a.log.1")).unwrap();
        assert!(watcher.wait(LONG).scan);
    }

    #[test]
    fn a_bell_ends_the_wait() {
        let mut watcher = Watcher::new();
        let bell = watcher.bell();
        bell.ring();
        assert_eq!(watcher.wait(LONG), Woken::default());
        (0..2 * WAITING_HINTS).for_each(|_| bell.ring());
        assert_eq!(watcher.wait(LONG), Woken::default());
    }

    #[test]
    fn while_writing_goes_on_its_events_are_collected_and_the_first_ones_are_not() {
        let clock = ManualClock::default();
        let mut brake = Brake::new(clock.clone());
        clock.advance(Span::SECOND);
        assert_eq!(brake.after_event(), None, "the first one after a pause");
        clock.advance(Span::from_millis(5));
        assert_eq!(brake.after_event(), Some(REST));
        clock.advance(REST);
        brake.rested();
        // What was collected meanwhile comes at once, however much it is.
        assert!((0..1000).all(|_| brake.after_event().is_none()));
        clock.advance(Span::from_millis(2));
        assert_eq!(brake.after_event(), Some(REST));
        clock.advance(REST);
        brake.rested();
        clock.advance(Span::SECOND);
        assert_eq!(brake.after_event(), None);
    }

    #[test]
    fn lost_events_ask_for_a_scan() {
        let (sender, hints) = sync_channel(1);
        let lost = Event::new(EventKind::Other).set_flag(notify::event::Flag::Rescan);
        let rescans = AtomicU64::new(0);
        hint(&sender, &rescans, &Ok(lost));
        assert!(hints.recv().unwrap().scan);
        assert_eq!(rescans.load(Ordering::Relaxed), 1);
    }

    #[test]
    fn a_directory_that_cannot_be_watched_is_only_scanned() {
        let mut watcher = Watcher::new();
        watcher.watch(&BTreeSet::from([PathBuf::from("/nonexistent/lapwing")]));
        assert!(!watcher.is_watching());
        assert_eq!(watcher.wait(Duration::from_millis(1)), Woken::default());
    }
}
