//! JSON lines of one source: what its configuration says of fields, and times in two halves.

use chrono::{NaiveTime, TimeDelta};

use super::super::fields::Context;
use super::super::instant;
use super::super::names::Names;
use super::super::role::{Known, Role};
use super::super::words;
use super::{Json, Reader, Value};

/// Ranks of what a source's configuration maps; those of a format file come after them.
const SOURCE_RANKS: u8 = 16;

impl Json {
    /// The same format for one source: its zone, its lines, its fields.
    pub(in crate::format) fn within(&self, context: &Context) -> Json {
        let mut mapping = self.mapping.clone();
        let mut mapped = Vec::new();
        for (_, role, places) in context.fields.mapped() {
            for known in mapping.values_mut().filter(|known| known.role == role) {
                known.rank = known.rank.saturating_add(SOURCE_RANKS);
            }
            mapped.extend((0..SOURCE_RANKS).zip(places).map(|(rank, place)| (place.clone(), Known::new(role, rank))));
        }
        Json {
            name: self.name.clone(),
            mapping,
            required: self.required.clone(),
            statuses: self.statuses.clone(),
            wall: context.wall.clone(),
            names: Names::default(),
            mapped,
            fields: context.fields.clone(),
        }
    }
}

impl<'a> Reader<'a> {
    /// Gives a value the role that the source's configuration says; false where it says none, where a better place has
    /// filled it, or where the field has its usual role beside it (the token that names the subject is still the key).
    pub(super) fn take_mapped(&mut self, value: &Value<'a>) -> bool {
        let agreeing = |(place, known): &(_, Known)| {
            let place: &crate::format::FieldPlace = place;
            Some((known.rank, place.agrees(&self.path)?, *known))
        };
        let best =
            self.format.mapped.iter().filter_map(agreeing).min_by_key(|(rank, agreement, _)| (*rank, *agreement));
        let Some((_, _, known)) = best else { return false };
        let nothing = value.is_empty() || **value == *b"-";
        if nothing || !self.is_better(known) || self.draft.put(known.role, known.unit, value.clone()).is_err() {
            return false;
        }
        self.ranks[known.role as usize] = known.rank;
        if known.role.is_aside() {
            return false;
        }
        self.also(value);
        true
    }

    /// A value with a role that is asked for by its name too.
    pub(super) fn also(&mut self, value: &Value<'a>) {
        if self.format.fields.asks()
            && self.format.fields.asks_for(&self.path)
            && let Some(name) = self.format.names.get(&self.path)
        {
            self.draft.extra(name, value.clone());
        }
    }

    /// Keeps the day or the time of day, of which a time is made at the end. Never taken, so that a whole time may follow.
    pub(super) fn half_a_time(&mut self, value: &[u8]) -> bool {
        self.day = self.day.or_else(|| instant::day(value));
        self.clock = self.clock.or_else(|| words::clock_ms(value));
        false
    }

    /// Makes a time of its halves, where there is no whole one.
    pub(super) fn join_halves(&mut self) {
        if !self.draft.has_time
            && let (Some(day), Some(clock)) = (self.day, self.clock)
            && let Some(wall) = day.and_time(NaiveTime::MIN).checked_add_signed(TimeDelta::milliseconds(clock))
        {
            self.draft.time(self.format.wall.instant(wall));
        }
    }
}

impl Role {
    /// Roles that stand beside the usual one of a field.
    fn is_aside(self) -> bool {
        use Role::{Session, Subject, Tenant, UpstreamAddr, UpstreamStatus, UpstreamTime};
        matches!(self, Session | Subject | Tenant | UpstreamAddr | UpstreamStatus | UpstreamTime)
    }
}
