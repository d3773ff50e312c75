//! Saves states beside the thread that judges: to pack a large one and to write it takes as long as thousands of lines,
//! and a message may come meanwhile.

use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{Builder, JoinHandle};

use crate::store::{Store, StoreError};
use crate::time::{Clock, Span, Timestamp};

/// What became of a state.
#[derive(Debug)]
pub(super) struct Written {
    /// Whether it is saved.
    pub(super) result: Result<(), StoreError>,
    /// How long packing and writing took.
    pub(super) took: Span,
}

/// Whoever saves states, one at a time.
pub(super) struct Scribe {
    store: Arc<Store>,
    clock: Arc<dyn Clock>,
    under_way: Option<JoinHandle<Written>>,
    /// What nobody has heard of yet.
    written: Option<Written>,
    /// It was said that saving fails.
    said_unsaved: bool,
}

impl Scribe {
    /// One that writes into `store`.
    pub(super) fn new(store: Arc<Store>, clock: Arc<dyn Clock>) -> Self {
        Scribe { store, clock, under_way: None, written: None, said_unsaved: false }
    }

    /// Whether it is saving one.
    pub(super) fn is_busy(&self) -> bool {
        self.under_way.as_ref().is_some_and(|thread| !thread.is_finished())
    }

    /// Takes a state to save, which was what is remembered at `taken`. One that is under way is waited for first.
    pub(super) fn take(&mut self, state: Vec<u8>, taken: Timestamp) {
        self.wait();
        // Where the system gives no thread, the state is still at hand.
        let work = Arc::new(Mutex::new(state));
        let (store, clock, theirs) = (self.store.clone(), self.clock.clone(), work.clone());
        let thread = Builder::new().name("saving".to_owned()).spawn(move || write(&store, &*clock, &theirs, taken));
        match thread {
            Ok(thread) => self.under_way = Some(thread),
            Err(_) => self.written = Some(write(&self.store, &*self.clock, &work, taken)),
        }
    }

    /// What became of the state that was taken last; `None` while it is under way, and once it was said.
    pub(super) fn look(&mut self) -> Option<Written> {
        if !self.is_busy() {
            self.wait();
        }
        self.written.take()
    }

    /// Says when saving begins to fail, and when a `whole` state can be saved again.
    pub(super) fn say(&mut self, saved: Result<(), StoreError>, whole: bool) {
        match saved {
            Ok(()) if whole && std::mem::take(&mut self.said_unsaved) => tracing::info!("the state can be saved again"),
            Ok(()) => {}
            Err(error) if !std::mem::replace(&mut self.said_unsaved, true) => {
                tracing::error!(%error, "the state cannot be saved; watching and telling go on, trying again");
            }
            Err(error) => tracing::debug!(%error, "the state can still not be saved"),
        }
    }

    /// Waits for the state that is under way, if one is; [`Scribe::look`] then says what became of it.
    pub(super) fn wait(&mut self) {
        if let Some(thread) = self.under_way.take() {
            self.written = Some(thread.join().unwrap_or_else(|_| {
                // The panic was said by itself; that nothing is saved has to be told as well.
                self.store.note_failure(&StoreError::GaveUp);
                Written { result: Err(StoreError::GaveUp), took: Span::ZERO }
            }));
        }
    }
}

fn write(store: &Store, clock: &dyn Clock, work: &Mutex<Vec<u8>>, taken: Timestamp) -> Written {
    let start = clock.monotonic();
    let state = std::mem::take(&mut *work.lock().unwrap_or_else(PoisonError::into_inner));
    let result = store.cut(state, taken);
    Written { result, took: clock.monotonic() - start }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::Settings;
    use crate::time::SystemClock;

    #[test]
    fn a_defect_in_saving_is_a_failed_cut_and_the_next_one_ends_it() {
        let dir = tempfile::tempdir().unwrap();
        let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
        let store = Arc::new(Store::open(dir.path(), Settings::default(), clock.clone()).unwrap().0);
        let mut scribe = Scribe::new(store.clone(), clock.clone());
        scribe.under_way = Some(Builder::new().spawn(|| panic!("a defect")).unwrap());
        scribe.wait();
        assert!(matches!(scribe.look().unwrap().result, Err(StoreError::GaveUp)));
        assert!(store.failing().is_some(), "it is told like any other failure to save");
        scribe.take(b"state".to_vec(), clock.now());
        scribe.wait();
        assert!(scribe.look().unwrap().result.is_ok() && store.failing().is_none());
    }

    #[test]
    fn says_once_what_became_of_each_state_and_takes_the_next() {
        let dir = tempfile::tempdir().unwrap();
        let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
        let settings = Settings { state_bytes: 10, ..Settings::default() };
        let (store, _) = Store::open(dir.path(), settings, clock.clone()).unwrap();
        let store = Arc::new(store);
        let mut scribe = Scribe::new(store.clone(), clock.clone());
        assert!(!scribe.is_busy() && scribe.look().is_none(), "nothing was given to it");

        let taken = clock.now() - Span::from_secs(30);
        scribe.take(b"state".to_vec(), taken);
        scribe.wait();
        assert!(scribe.look().unwrap().result.is_ok());
        assert!(scribe.look().is_none(), "it was said");
        let stats = store.stats();
        assert_eq!(
            (stats.generation, stats.last_cut),
            (1, Some(taken)),
            "of when it was taken, not of when it was written"
        );

        scribe.take(b"too large for that".to_vec(), taken);
        scribe.wait();
        assert!(matches!(scribe.look().unwrap().result, Err(StoreError::TooLarge { .. })));
        assert_eq!(store.stats().generation, 1);

        scribe.take(b"next".to_vec(), taken);
        scribe.take(b"last".to_vec(), taken);
        scribe.wait();
        assert!(scribe.look().unwrap().result.is_ok());
        assert_eq!(store.stats().generation, 3, "one after the other");
    }
}
