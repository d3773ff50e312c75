//! One event: counted for each of its subjects.

use crate::engine::arrival::Texts;
use crate::engine::{AGENTS, Engine, NEAR, ROUTES, ROUTES_KNOWN, SITE, days, harvests};
use crate::event::{Event, Flags, Hasher, Id, SubjectKind, Text};
use crate::incident::Change;
use crate::intake::routes::{OTHER, Routes};
use crate::measure::calendar::Calendar;
use crate::measure::normal::Surroundings;
use crate::measure::ring::{TICK, When};
use crate::time::{Span, Zone};

/// Events whose subjects are looked for together.
pub(super) const AT_ONCE: usize = 16;

/// Where the subjects of an event were when it was looked for them: others may have taken their places since.
#[derive(Clone, Copy, Debug)]
pub(super) struct Hint {
    key: u32,
    client: u32,
}

impl Default for Hint {
    fn default() -> Self {
        Hint { key: u32::MAX, client: u32::MAX }
    }
}

impl Engine {
    /// Finds the subjects of the next few events and reads what is remembered of them. Nothing is changed: it only makes
    /// the processor wait for memory once for all of them and not once for each.
    pub(super) fn warm(&self, events: &[Event], hints: &mut [Hint; AT_ONCE]) {
        for (event, hint) in events.iter().zip(hints.iter_mut()) {
            hint.key = self.keys.find(event.key.id).unwrap_or(u32::MAX);
            hint.client = self.clients.find(event.client.id).unwrap_or(u32::MAX);
        }
        let mut read = 0;
        for (event, hint) in events.iter().zip(hints.iter()) {
            let when = When::at(event.time);
            read ^= self.keys.warm(hint.key, &when) ^ self.clients.warm(hint.client, &when);
            read ^= self.repeats.warm(event.request);
            if event.key.is_some() {
                read ^= self.drifts.warm(event.key.id) ^ self.scopes.warm(event.key.id);
                read ^= self.key_scales.warm(event.key.id);
            }
        }
        std::hint::black_box(read);
    }

    /// Counts one event for each of its subjects.
    pub(super) fn count(&mut self, event: &Event, hint: Hint, texts: Texts<'_>, out: &mut Vec<Change>) {
        self.totals.events += 1;
        self.first_event.get_or_insert(event.time);
        if !self.settings.budgets.is_empty() {
            self.charge(event, texts.all(event), out);
        }
        if let Some(judged) = self.judged_until() {
            if event.time < judged {
                self.totals.late += 1;
                if judged - event.time > Span::HOUR {
                    return;
                }
            }
        } else {
            self.judged = Some(event.time.bucket(TICK) - 1);
        }
        let written = event;
        let mut event = *event;
        event.endpoint = self.place(written, texts);
        let zone = self.settings.zone;
        let wide = around(zone, 10.0, &self.calendar);
        let when = When::at(event.time);
        let counted = (&event, &when);
        self.site.absorb((SITE, 0), || "site".into(), counted, &wide);
        let source = usize::from(event.source.0);
        let name = || self.settings.sources.get(source).map_or("source", String::as_str).into();
        self.sources.absorb((Id(2 + u64::from(event.source.0)), u32::from(event.source.0)), name, counted, &wide);
        if !event.cost.is_nan() {
            self.note_cost(&event);
        }
        if event.flags.has(Flags::STATIC) {
            return;
        }
        let day = (event.time + zone.offset(event.time)).bucket(Span::DAY);
        self.note_agent(written, texts);
        if event.endpoint.is_some() {
            let around = around(zone, self.means.endpoints, &self.calendar);
            let Engine { endpoints, routes, settings, .. } = self;
            let name = || endpoint_name(routes, &settings.hasher, event.endpoint.id, texts.endpoint(written));
            endpoints.absorb((event.endpoint.id, u32::MAX), name, counted, &around);
        }
        let mut client_slot = None;
        if event.client.is_some() {
            let around = around(zone, self.means.clients, &self.calendar);
            let slot =
                self.clients.absorb((event.client.id, hint.client), || texts.client(written).into(), counted, &around);
            client_slot = Some(slot);
            days::enter_day(&mut self.clients, slot, day, &mut self.peers, SubjectKind::Client);
            // Whose call it was, read it.
            if !event.key.is_some() {
                harvests::note_reading(&mut self.clients, slot, &event, zone, &mut self.peers, SubjectKind::Client);
            }
        }
        let key_slot = event.key.is_some().then(|| {
            if self.keys.get(hint.key).is_none_or(|row| row.id != event.key.id)
                && self.keys.find(event.key.id).is_none()
            {
                self.note_newcomer(&event);
            }
            let around = around(zone, self.means.keys, &self.calendar);
            let slot = self.keys.absorb((event.key.id, hint.key), || texts.key(written).into(), counted, &around);
            days::enter_day(&mut self.keys, slot, day, &mut self.peers, SubjectKind::Key);
            harvests::note_reading(&mut self.keys, slot, &event, zone, &mut self.peers, SubjectKind::Key);
            slot
        });
        if let Some(slot) = key_slot {
            self.note_stranger(slot, &event);
            self.keyed = (self.keyed.0 + 1, self.keyed.1 + u64::from(event.flags.has(Flags::KEY_IN_URL)));
            self.note_habit(&event, day, slot);
        }
        self.note_sizes(&event, day, key_slot);
        self.note_scope(&event, day, key_slot);
        self.note_outcome(&event, (written, texts), client_slot);
        self.judge_at_once(&event, day as i32, key_slot, out);
        if self.is_room_due() {
            self.make_room();
        }
    }

    /// Remembers the name of an agent.
    fn note_agent(&mut self, event: &Event, texts: Texts<'_>) {
        let id = event.agent.id;
        let near = &mut self.near_agents[id.0 as usize % NEAR];
        if *near == id || !id.is_some() {
            return;
        }
        *near = id;
        if self.agents.len() < AGENTS && !self.agents.contains_key(&id) {
            self.agents.insert(id, texts.agent(event).into());
        }
    }

    /// The endpoint a template is counted under: itself, or what the cardinality cap makes of it.
    fn place(&mut self, event: &Event, texts: Texts<'_>) -> Text {
        let text = event.endpoint;
        if !text.is_some() {
            return text;
        }
        let near = &mut self.near_routes[text.id.0 as usize % NEAR];
        if near.0 == text.id {
            return text.counted_as(near.1);
        }
        if let Some(id) = self.route_ids.get(&text.id) {
            *near = (text.id, *id);
            return text.counted_as(*id);
        }
        let template = texts.endpoint(event);
        // On a site that has its routes, a path that is new and refused is a scanner's: it takes nobody's place.
        let refused = (400..500).contains(&event.status) && self.routes.len() >= ROUTES_KNOWN;
        if refused && self.routes.known(template).is_none() {
            return text.counted_as(self.settings.hasher.id(OTHER.as_bytes()));
        }
        let resolved = self.routes.resolve(template);
        let id = if resolved == template { text.id } else { self.settings.hasher.id(resolved.as_bytes()) };
        if self.route_ids.len() >= ROUTES {
            self.route_ids.clear();
        }
        self.route_ids.insert(text.id, id);
        text.counted_as(id)
    }
}

/// The name of a resolved endpoint.
fn endpoint_name(routes: &mut Routes, hasher: &Hasher, id: Id, template: &str) -> Box<str> {
    if id == hasher.id(OTHER.as_bytes()) { OTHER.into() } else { routes.resolve(template).into() }
}

pub(super) fn around(zone: Zone, population_mean: f64, calendar: &Calendar) -> Surroundings<'_> {
    Surroundings { zone, calendar, population_mean }
}
