//! What is asked of every row at once, kept apart from the rows so that asking does not read them all: their levels, when
//! their users have to be told that time has passed, how many bytes they take, and which of them read something lately.

use super::{Row, Rows};
use crate::time::{Span, Timestamp};

/// The part of a row that lies in a list of its own.
#[derive(Clone, Copy, PartialEq, Debug)]
struct Mark {
    /// The row's level ([`crate::measure::normal::Normal::parts_of_level`]); nothing while it is light.
    level: Option<(f32, f32)>,
    /// The number of the hour from which on its users must be told of the time.
    due: i64,
    /// Its bytes, as far as counted.
    bytes: usize,
}

/// Bytes a row has in the lists here.
pub(super) const BYTES: usize = size_of::<Mark>() + size_of::<Age>();

/// What says how much a row would be missed.
#[derive(Clone, Copy, Debug)]
pub(super) struct Age {
    first_seen: Timestamp,
    last_seen: Timestamp,
    /// Whether it has rings and a profile.
    pub(super) full: bool,
}

impl Age {
    pub(super) fn of(row: &Row) -> Age {
        Age { first_seen: row.first_seen, last_seen: row.last_seen, full: row.full.is_some() }
    }

    /// When it would be missed least: its last request, and the longer it has been known the later. Who came once and
    /// never again goes first, so that a flood of such drives out nobody else.
    pub(super) fn worth(self) -> Timestamp {
        let age = self.last_seen - self.first_seen;
        let known = Span::from_hours(age.days_f64().min(28.0) as i64 * 6);
        let busy = if self.full { Span::HOUR } else { Span::ZERO };
        let once = if self.is_passer_by() { Span::DAY } else { Span::ZERO };
        self.last_seen + known + busy - once
    }

    /// Whether somebody came once, within a minute, and never again.
    pub(super) fn is_passer_by(self) -> bool {
        !self.full && self.last_seen - self.first_seen < Span::MINUTE
    }
}

/// The marks of all rows by slot, and lists of slots.
#[derive(Clone, Debug, Default)]
pub(super) struct Beside {
    marks: Vec<Mark>,
    /// Asked for at each of many slots when one row has to give way.
    ages: Vec<Age>,
    bytes: usize,
    /// Rows whose bytes may have changed since they were counted.
    changed: Vec<u32>,
    /// Rows that read something since they were last asked for, or are watched.
    pub(super) readers: Vec<u32>,
    /// The newest hour, and local day, of which every row's users were told.
    told: Option<(Timestamp, i32)>,
}

impl Rows {
    /// Makes all marks anew: rows have other slots, or were changed all together.
    pub(super) fn mark_all(&mut self) {
        let beside = &mut self.beside;
        beside.marks.clear();
        beside.ages.clear();
        (beside.bytes, beside.changed, beside.readers) = (0, Vec::new(), Vec::new());
        for (slot, row) in self.rows.iter_mut().enumerate() {
            (row.changed, row.reads) = (false, row.harvest.is_some());
            if row.reads {
                beside.readers.push(slot as u32);
            }
            let mark = Mark { level: level_of(row), due: i64::MIN, bytes: row.bytes() };
            beside.bytes += mark.bytes;
            beside.marks.push(mark);
            beside.ages.push(Age::of(row));
        }
    }

    /// Notes that a row was seen, or became full or light.
    pub(super) fn mark_age(&mut self, slot: u32) {
        if let (Some(row), Some(age)) = (self.rows.get(slot as usize), self.beside.ages.get_mut(slot as usize)) {
            *age = Age::of(row);
        }
    }

    /// How much the row in a slot would be missed.
    pub(super) fn age(&self, slot: usize) -> Option<Age> {
        self.beside.ages.get(slot).copied()
    }

    /// Marks a row that took a slot.
    pub(super) fn mark_new(&mut self, slot: u32) {
        let Some(row) = self.rows.get(slot as usize) else { return };
        let (mark, age) = (Mark { level: level_of(row), due: i64::MAX, bytes: 0 }, Age::of(row));
        match self.beside.ages.get_mut(slot as usize) {
            Some(old) => *old = age,
            None => self.beside.ages.push(age),
        }
        match self.beside.marks.get_mut(slot as usize) {
            Some(old) => {
                self.beside.bytes -= old.bytes;
                *old = mark;
            }
            None => self.beside.marks.push(mark),
        }
        self.note_bytes(slot);
    }

    /// Says that a row may take more or fewer bytes than before.
    pub(super) fn note_bytes(&mut self, slot: u32) {
        if let Some(row) = self.rows.get_mut(slot as usize).filter(|row| !row.changed) {
            row.changed = true;
            self.beside.changed.push(slot);
        }
    }

    /// Notes the level of a row: it became full or light, or learned.
    pub(super) fn mark_level(&mut self, slot: u32) {
        let level = self.rows.get(slot as usize).and_then(level_of);
        if let Some(mark) = self.beside.marks.get_mut(slot as usize) {
            mark.level = level;
        }
    }

    /// The levels of all rows, light ones left out, with their slots.
    pub(super) fn levels(&self) -> impl Iterator<Item = (u32, (f32, f32))> + '_ {
        self.beside.marks.iter().zip(0..).filter_map(|(mark, slot)| Some((slot, mark.level?)))
    }

    /// Bytes of all rows, counted anew where they may have changed: as [`Row::bytes`] adds up.
    pub(super) fn bytes_of_rows(&mut self) -> usize {
        let Rows { rows, beside, .. } = self;
        for slot in beside.changed.drain(..) {
            let (Some(row), Some(mark)) = (rows.get_mut(slot as usize), beside.marks.get_mut(slot as usize)) else {
                continue;
            };
            row.changed = false;
            let bytes = row.bytes();
            beside.bytes = beside.bytes - mark.bytes + bytes;
            mark.bytes = bytes;
        }
        beside.bytes
    }

    /// The same without noting what was counted: asked for every second, so not every row is walked over.
    pub(super) fn counted_bytes(&self) -> usize {
        // Of a row that gave way its successor may be listed as well.
        let mut changed = self.beside.changed.clone();
        changed.sort_unstable();
        changed.dedup();
        changed.iter().fold(self.beside.bytes, |bytes, &slot| {
            let mark = self.beside.marks.get(slot as usize).map_or(0, |mark| mark.bytes);
            bytes - mark + self.rows.get(slot as usize).map_or(0, Row::bytes)
        })
    }

    /// Tells the users of all keys that time has passed up to `now`, also those of keys that are silent. Nearly all of them
    /// have nothing to do but to note the hour: those are told when they are next met ([`Rows::tell`]).
    pub fn pass(&mut self, now: Timestamp, day: i32) {
        let hour = now.bucket(Span::HOUR);
        let new_day = self.beside.told.is_none_or(|(_, told)| day > told);
        self.told_until(now, day);
        for slot in 0..self.rows.len() as u32 {
            let due = self.beside.marks.get(slot as usize).is_none_or(|mark| mark.due <= hour);
            if !(due || new_day) {
                continue;
            }
            if let Some(novelty) = self.rows.get_mut(slot as usize).and_then(|row| row.novelty.as_deref_mut()) {
                novelty.pass(now, day);
                self.note_users(slot);
            }
        }
    }

    /// Takes all users for told up to `now`.
    pub fn told_until(&mut self, now: Timestamp, day: i32) {
        let before = self.beside.told.map_or(day, |(_, told)| told);
        self.beside.told = Some((now, day.max(before)));
    }

    /// Nobody was told of any time.
    pub(super) fn untold(&mut self) {
        self.beside.told = None;
    }

    /// Tells the users of a key of the hours that were told to all. To be called before they change.
    pub fn tell(&mut self, slot: u32) {
        let hour = self.beside.told.map(|(now, _)| now.bucket(Span::HOUR));
        let novelty = self.rows.get_mut(slot as usize).and_then(|row| row.novelty.as_deref_mut());
        if let (Some(novelty), Some(hour)) = (novelty, hour) {
            novelty.note_hour(hour);
        }
    }

    /// The users of a key have changed: they take other bytes, and may have to be told of the time earlier.
    pub fn note_users(&mut self, slot: u32) {
        let Some(novelty) = self.rows.get(slot as usize).and_then(|row| row.novelty.as_deref()) else { return };
        let day = self.beside.told.map_or(i32::MIN, |(_, day)| day);
        let due = if novelty.day() < day { i64::MIN } else { novelty.due() };
        if let Some(mark) = self.beside.marks.get_mut(slot as usize) {
            mark.due = due;
        }
        self.note_bytes(slot);
    }
}

fn level_of(row: &Row) -> Option<(f32, f32)> {
    row.full.as_deref().map(|full| full.normal.parts_of_level())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::{Event, Flags, Id, Method, SourceId, SubjectKind, Text};
    use crate::measure::calendar::Calendar;
    use crate::measure::normal::Surroundings;
    use crate::measure::novelty::{Novelty, Seen};
    use crate::measure::ring::When;
    use crate::measure::rows::Limits;
    use crate::time::Zone;

    fn event(time: Timestamp, status: u16) -> Event {
        Event {
            time,
            key: Text::NONE,
            client: Text::NONE,
            network: Text::NONE,
            endpoint: Text::NONE,
            agent: Text::NONE,
            request: Id::NONE,
            resource: Id::NONE,
            number: Event::UNKNOWN,
            bytes_out: 0,
            bytes_in: Event::UNKNOWN,
            duration_ms: Event::UNKNOWN,
            tokens_in: Event::UNKNOWN,
            tokens_out: Event::UNKNOWN,
            cost: f32::NAN,
            status,
            source: SourceId(0),
            method: Method::Get,
            flags: Flags::default(),
            place: crate::event::Place::NONE,
        }
    }

    /// Days of keys that come and go in a table too small for them, each with users that change: `hourly` tells them of
    /// every hour, as a table without marks would.
    fn lived(hourly: bool) -> Rows {
        let calendar = Calendar::default();
        let around = Surroundings { zone: Zone::UTC, calendar: &calendar, population_mean: 0.1 };
        let mut rows = Rows::new(SubjectKind::Key, Limits { rows: 200, full: 40 });
        let start = Timestamp::from_secs(1_790_000_000).floor(Span::DAY);
        let mut random = 1u64;
        for n in 0..60_000i64 {
            let t = start + Span::from_secs(n * 10);
            let day = t.bucket(Span::DAY) as i32;
            if t == t.floor(Span::HOUR) {
                if hourly {
                    for row in &mut rows.rows {
                        if let Some(novelty) = row.novelty.as_deref_mut() {
                            novelty.pass(t, day);
                        }
                    }
                } else {
                    rows.pass(t, day);
                }
            }
            random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let (key, spread) = (1 + (random >> 40) % 400 / (1 + (random >> 33) % 40), random >> 20 & 0xff);
            let status = if spread == 0 { 500 } else { 200 };
            let id = Id(key.wrapping_mul(0x9e37_79b9_7f4a_7c15));
            let slot = rows.absorb((id, u32::MAX), || "a-key".into(), (&event(t, status), &When::at(t)), &around);
            if !hourly {
                rows.tell(slot);
            }
            let novelty = rows.rows[slot as usize].novelty.get_or_insert_with(|| Box::new(Novelty::new(t, day)));
            novelty.absorb(&Seen {
                time: t,
                network: Id(1 + spread / 16),
                client: Id(1 + spread),
                agent: Id(1 + spread / 128),
                endpoint: Id(5),
                status,
                day,
            });
            rows.note_users(slot);
            if !hourly && n % 1000 == 0 {
                let truth: usize = rows.rows.iter().map(Row::bytes).sum();
                assert_eq!(rows.counted_bytes(), truth, "before {n}");
                assert_eq!(rows.bytes_of_rows(), truth, "after {n}");
                let levels: Vec<_> = rows.levels().collect();
                assert!(rows.rows.iter().zip(&rows.beside.ages).all(|(row, age)| row.worth() == age.worth()));
                let full = rows.rows.iter().zip(0..).filter_map(|(row, slot)| Some((slot, level_of(row)?)));
                assert_eq!(levels, full.collect::<Vec<_>>());
            }
        }
        rows
    }

    #[test]
    fn what_lies_beside_the_rows_is_what_the_rows_say() {
        let (marked, plain) = (lived(false), lived(true));
        assert!(marked.evicted > 1000, "{}", marked.evicted);
        for (slot, (a, b)) in marked.rows.iter().zip(&plain.rows).enumerate() {
            assert_eq!(a.id, b.id);
            let (a, b) = (a.novelty.as_deref().unwrap(), b.novelty.as_deref().unwrap());
            // All but the hour that was noted, which is told when the key is met again.
            let mut a = a.clone();
            a.note_hour(b.hour());
            assert_eq!(format!("{a:?}"), format!("{b:?}"), "slot {slot}");
        }
    }
}
