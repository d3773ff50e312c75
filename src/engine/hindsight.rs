//! A second look at a log that was read to its end: what is usual is known from the whole of it.

use super::Engine;
use super::count::around;
use crate::time::Span;

/// As long as this before the log began everything counts as watched: the whole log is known, however short.
const BEFORE: Span = Span::from_days(14);
/// Judged as with this much history at least: more evidence is asked for than after weeks.
const HISTORY: Span = Span::from_days(4);

impl Engine {
    /// The engine that judges again from the first line what this one has learned from all of them. What is usual for
    /// counts and errors, and the routes, are kept; who is new on a key, repeated calls and incidents are found anew.
    #[must_use]
    pub fn hindsight(mut self) -> Engine {
        let Some(end) = self.clocks.newest() else { return self };
        let span = self.history();
        // What comes after the last line is no silence.
        let mut minute = end.floor(Span::MINUTE) + Span::MINUTE;
        while minute.floor(Span::HOUR) == end.floor(Span::HOUR) {
            self.calendar.mark_void(minute);
            minute += Span::MINUTE;
        }
        let zone = self.settings.zone;
        let means = self.means;
        let calendar = std::mem::take(&mut self.calendar);
        for (rows, mean) in [
            (&mut self.site, 10.0),
            (&mut self.sources, 10.0),
            (&mut self.endpoints, means.endpoints),
            (&mut self.doors, means.endpoints),
            (&mut self.keys, means.keys),
            (&mut self.clients, means.clients),
        ] {
            rows.hindsight(BEFORE, end, &around(zone, mean, &calendar));
        }
        let mut fresh = Engine::new(self.settings);
        fresh.site = self.site;
        fresh.sources = self.sources;
        fresh.endpoints = self.endpoints;
        fresh.doors = self.doors;
        fresh.keys = self.keys;
        fresh.clients = self.clients;
        fresh.routes = self.routes;
        fresh.agents = self.agents;
        fresh.means = self.means;
        fresh.known_before = span.max(HISTORY);
        fresh.list_busy();
        fresh.thin_sources();
        fresh
    }
}
