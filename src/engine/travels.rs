//! Where keys are used: noted and judged with each line that has a place.

use std::net::IpAddr;

use crate::detect::{Fact, Finding, impossible_travel};
use crate::engine::Engine;
use crate::event::{Event, Flags, Id, Place, SubjectKind};
use crate::incident::entry::About;
use crate::incident::kept::Reason;
use crate::measure::travel::{Travels, Use};
use crate::time::{Span, Timestamp};

/// Places whose names are remembered.
const NAMES: usize = 4096;

/// Whether two addresses are in one wide network (/16, of IPv6 /32) but not in one of those that are told apart anyway.
fn is_neighbour(new: &str, other: &str) -> bool {
    let apart = |a: [u16; 3], b: [u16; 3]| a[..2] == b[..2] && a[2] != b[2];
    let parts = |text: &str| match text.split('/').next()?.parse().ok()? {
        IpAddr::V4(v4) => {
            let [a, b, c, _] = v4.octets();
            Some([u16::from(a), u16::from(b), u16::from(c)])
        }
        IpAddr::V6(v6) => {
            let [a, b, c, ..] = v6.segments();
            Some([a, b, c])
        }
    };
    matches!((parts(new), parts(other)), (Some(new), Some(other)) if apart(new, other))
}

impl Engine {
    /// Takes the names of places that came with a batch.
    pub(super) fn note_places(&mut self, places: &[(Place, Box<str>)]) {
        for (place, name) in places {
            if self.place_names.len() < NAMES || self.place_names.contains_key(place) {
                self.place_names.insert(*place, name.clone());
            }
        }
    }

    /// Notes and judges where a key was used. True when something is told.
    pub(super) fn judge_place(&mut self, event: &Event) -> bool {
        let settings = &self.settings.impossible_travel;
        if !event.place.is_some() || event.status >= 400 || !settings.enabled {
            return false;
        }
        let seen = Use {
            time: event.time,
            key: event.key.id,
            place: event.place,
            network: event.network.id,
            client: event.client.id,
            server: event.flags.has(Flags::SERVER),
        };
        let most = Travels::most_in(self.settings.memory / 64);
        if !self.travels.absorb(&seen, &settings.bounds, most) {
            return false;
        }
        let about = About { kind: SubjectKind::Key, id: event.key.id };
        let Some(finding) = self.travel_of(about, event.time, true) else { return false };
        self.travels.note_told(about.id);
        self.tell_at_once(about, 0, finding, event.time)
    }

    /// Judges a key in a network that is new to it, where nobody knows places: no more than a line for the summary.
    pub(super) fn judge_second_network(&mut self, event: &Event, slot: u32) {
        let settings = &self.settings.impossible_travel;
        if event.place.is_some() || event.flags.has(Flags::SERVER) || event.status >= 400 || !settings.enabled {
            return;
        }
        let Some(row) = self.keys.get(slot) else { return };
        let Some(novelty) = row.novelty.as_deref() else { return };
        let Some(mut finding) = impossible_travel::second_network(novelty, event.network.id, event.time) else {
            return;
        };
        // A neighbour of those who use it anyway is another machine of theirs, or their provider's.
        let name = |id: Id| self.clients.name(id);
        let others = row.full.as_deref().map(|full| full.clients.shares()).unwrap_or_default();
        let mut others = others.iter().filter(|other| other.id != event.client.id).filter_map(|other| name(other.id));
        if name(event.client.id).is_none_or(|new| others.any(|other| is_neighbour(new, other))) {
            return;
        }
        finding.parts.clients = vec![(event.client.id, 1.0)];
        let about = About { kind: SubjectKind::Key, id: event.key.id };
        if let Some(candidate) = self.candidate(about, 0, finding, Span::ZERO) {
            self.keep(&candidate, Reason::Information, event.time);
        }
    }

    /// The newest way of a key: judged, or as it is.
    fn travel_of(&self, about: About, now: Timestamp, judged: bool) -> Option<Finding> {
        let whereabouts = self.travels.of(about.id)?;
        let (_, from, to) = whereabouts.leg()?;
        let settings = &self.settings.impossible_travel;
        let name = |place: Place| self.place_names.get(&place).map_or("", |name| &**name);
        let context = impossible_travel::Context {
            now,
            novelty: self.row(about)?.novelty.as_deref()?,
            keys_there: (self.travels.keys_of(from.network), self.travels.keys_of(to.network)),
            names: (name(from.place), name(to.place)),
        };
        let mut finding = if judged {
            impossible_travel::judge(whereabouts, &context, settings)?
        } else {
            impossible_travel::current(whereabouts, &context, settings)?
        };
        finding.facts.insert("networks_known".to_owned(), Fact::Flag(self.settings.knows_networks));
        Some(finding)
    }

    /// Whether an open incident goes on.
    pub(super) fn travel_goes_on(&self, key: Id, now: Timestamp) -> bool {
        let settings = &self.settings.impossible_travel;
        self.travels.of(key).is_some_and(|whereabouts| impossible_travel::still(whereabouts, now, settings))
    }

    /// Today's numbers of an open incident.
    pub(super) fn fresh_travel(&self, about: About, now: Timestamp) -> Option<Finding> {
        self.travel_of(about, now, false)
    }
}
