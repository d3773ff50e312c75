//! Keys of servers that begin to arrive from browsers, or from homes and phones: noted and judged with their line.

use crate::detect::{Finding, front_end_exposure};
use crate::engine::Engine;
use crate::event::{Event, Flags, Id, SubjectKind};
use crate::incident::entry::About;
use crate::measure::exposure::{Exposures, Visit};
use crate::time::Timestamp;

impl Engine {
    /// Notes and judges what a browser did with a key. True when something is told.
    pub(super) fn judge_browser(&mut self, event: &Event, slot: u32, day: i64) -> bool {
        let server = event.flags.has(Flags::SERVER);
        let browser = event.flags.has(Flags::BROWSER) || event.flags.has(Flags::PAGE) && !server;
        let access = event.place.is_access();
        if access {
            self.exposures.watch_access(event.time);
        }
        let refused = matches!(event.status, 401 | 403);
        if !(browser || access && !server)
            || refused
            || !event.network.is_some()
            || !self.settings.front_end_exposure.enabled
        {
            return false;
        }
        let Some(novelty) = self.keys.get(slot).and_then(|row| row.novelty.as_deref()) else { return false };
        // There a developer may open a link, or a server call itself a browser.
        let home = !novelty.is_first_day() && novelty.knows(event.network.id);
        let visit = Visit {
            time: event.time,
            day,
            key: event.key.id,
            network: event.network.id,
            client: event.client.id,
            agent: event.agent.id,
            page: event.flags.has(Flags::PAGE),
            browser,
            home,
        };
        if !self.exposures.absorb(&visit, Exposures::most_in(self.settings.memory / 64)) {
            return false;
        }
        let about = About { kind: SubjectKind::Key, id: event.key.id };
        let Some(since) = self.servers_since(event.key.id) else { return false };
        let Some(row) = self.keys.get(slot) else { return false };
        let (Some(exposure), Some(novelty)) = (self.exposures.of(event.key.id), row.novelty.as_deref()) else {
            return false;
        };
        let settings = &self.settings.front_end_exposure;
        let Some(finding) = front_end_exposure::judge(exposure, novelty, since, event.time, settings) else {
            return false;
        };
        if let Some(exposure) = self.exposures.of_mut(event.key.id) {
            exposure.hold(true);
        }
        self.tell_at_once(about, 0, finding, event.time)
    }

    /// Since when a browser that used the key would have been noticed.
    fn servers_since(&self, key: Id) -> Option<Timestamp> {
        let row = self.keys.row(key)?;
        let since = row.first_seen.max(self.exposures.watched_from()?);
        // Before networks were told apart, nobody would have noticed homes and phones.
        let bare = self.exposures.of(key).is_some_and(|e| e.users(Timestamp::MIN).any(|user| !user.browser));
        Some(if bare { since.max(self.exposures.access_watched_from()?) } else { since })
    }

    /// Whether an open incident goes on.
    pub(super) fn exposure_goes_on(&self, about: About, now: Timestamp) -> bool {
        let novelty = self.row(about).and_then(|row| row.novelty.as_deref());
        let exposure = self.exposures.of(about.id);
        let settings = &self.settings.front_end_exposure;
        matches!((exposure, novelty), (Some(e), Some(n)) if front_end_exposure::still(e, n, now, settings))
    }

    /// Today's numbers of an open incident.
    pub(super) fn fresh_exposure(&self, about: About, now: Timestamp) -> Option<Finding> {
        let novelty = self.row(about)?.novelty.as_deref()?;
        let exposure = self.exposures.of(about.id)?;
        let since = self.servers_since(about.id)?;
        Some(front_end_exposure::finding(exposure, novelty, since, now, &self.settings.front_end_exposure))
    }

    /// Browsers of a key are learned again.
    pub(super) fn release_exposure(&mut self, about: About) {
        if let Some(exposure) = self.exposures.of_mut(about.id) {
            exposure.hold(false);
        }
    }
}
