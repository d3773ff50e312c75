//! Where keys are used: noted and judged with each line that has a place.

use crate::detect::{Fact, Finding, impossible_travel};
use crate::engine::Engine;
use crate::event::{Event, Flags, Id, Place, SubjectKind};
use crate::incident::entry::About;
use crate::measure::travel::{Travels, Use};
use crate::time::Timestamp;

/// Places whose names are remembered.
const NAMES: usize = 4096;

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
