//! Silence that is kept, until it is broken: by a ceiling, or by its end.

use std::sync::PoisonError;

use super::outbox::Shared;
use super::silence::{above, covers, has_ceiling, in_spite_of, level_name};
use crate::notice::{Notice, NoticeType};
use crate::store::Silence;
use crate::time::Timestamp;

impl Shared {
    /// Whether silence is kept about a notice, and what to say where it is told in spite of one.
    pub(super) fn hushed(&self, notice: &Notice, stored: &[Silence], now: Timestamp) -> (bool, Option<String>) {
        if notice.kind == NoticeType::Resolved {
            // Who heard of it hears its end.
            return (false, None);
        }
        let windows = self.routes.maintenance.iter().flat_map(|window| window.silences(notice.at));
        let mut in_spite = None;
        for silence in stored.iter().cloned().chain(windows).filter(|silence| covers(silence, notice, now)) {
            if self.is_broken(&silence, &notice.incident) {
                continue;
            }
            if let Some(why) = above(&silence, notice, &self.routes.currency) {
                in_spite = Some(in_spite_of(&silence, &why));
                self.note_broken(&silence, &notice.incident);
                continue;
            }
            let name = level_name(notice);
            let unknown = silence.times.is_some() && notice.expected <= 0.0 && !silence.levels.contains_key(&name);
            if unknown && silence.window.is_none() && notice.observed > 0.0 {
                // Nothing is usual of it: what it is at first is its level.
                self.kept(self.store.change_silence(silence.id, |known| {
                    known.levels.insert(name, notice.observed);
                }));
            }
            return (true, None);
        }
        (false, in_spite)
    }

    /// Remembers about what silence is kept, so that it is told when the silence ends.
    pub(super) fn note_held(&self, notice: &Notice, silenced: bool) {
        let mut hush = self.hush.lock().unwrap_or_else(PoisonError::into_inner);
        if silenced && notice.ended_at.is_none() {
            hush.incidents.insert(notice.incident.clone());
        } else {
            hush.incidents.remove(&notice.incident);
        }
        if notice.kind == NoticeType::Resolved {
            hush.broken.retain(|(_, incident)| *incident != notice.incident);
        }
        let held = hush.clone();
        drop(hush);
        self.kept(self.store.set_held(held));
    }

    /// Whether anything may have to be told by and by.
    pub(super) fn keeps_silence(&self) -> bool {
        let holds = !self.hush.lock().unwrap_or_else(PoisonError::into_inner).incidents.is_empty();
        holds || self.store.silences().iter().any(has_ceiling)
    }

    /// Of open incidents those to be told now: silence was kept about them and is over, or they went beyond its ceiling.
    /// What was told before somebody asked for silence has nothing held back, and is held against the ceiling all the same.
    pub(super) fn overdue(&self, open: &[Notice]) -> Vec<Notice> {
        let (now, stored) = (self.clock.now(), self.store.silences());
        let held = self.hush.lock().unwrap_or_else(PoisonError::into_inner).incidents.clone();
        let mut due = Vec::new();
        for notice in open {
            let is_held = held.contains(&notice.incident);
            let windows = self.routes.maintenance.iter().flat_map(|window| window.silences(notice.at));
            let covering: Vec<Silence> =
                stored.iter().cloned().chain(windows).filter(|silence| covers(silence, notice, now)).collect();
            let mut notice = notice.clone();
            if covering.is_empty() {
                if is_held {
                    notice.summary.push_str(" Silence was kept about it until now.");
                    due.push(notice);
                }
                continue;
            }
            let unbroken: Vec<&Silence> =
                covering.iter().filter(|silence| !self.is_broken(silence, &notice.incident)).collect();
            let beyond = unbroken.iter().all(|silence| above(silence, &notice, &self.routes.currency).is_some());
            if beyond && (is_held || unbroken.iter().any(|silence| has_ceiling(silence))) {
                due.push(notice);
            }
        }
        due
    }

    fn is_broken(&self, silence: &Silence, incident: &str) -> bool {
        match &silence.window {
            None => silence.broken.contains(incident),
            Some(window) => {
                let hush = self.hush.lock().unwrap_or_else(PoisonError::into_inner);
                hush.broken.contains(&(window.clone(), incident.to_owned()))
            }
        }
    }

    fn note_broken(&self, silence: &Silence, incident: &str) {
        if let Some(window) = &silence.window {
            let mut hush = self.hush.lock().unwrap_or_else(PoisonError::into_inner);
            hush.broken.insert((window.clone(), incident.to_owned()));
            let held = hush.clone();
            drop(hush);
            self.kept(self.store.set_held(held));
            return;
        }
        self.kept(self.store.change_silence(silence.id, |known| {
            known.broken.insert(incident.to_owned());
        }));
    }

    /// A change that is not durable yet holds all the same.
    fn kept(&self, done: Result<(), crate::store::StoreError>) {
        if let Err(error) = done {
            tracing::warn!(%error, channels = self.channels.len(), "a silence's change is not saved yet");
        }
    }
}
