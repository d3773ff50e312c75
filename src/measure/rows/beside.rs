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

/// The marks of all rows by slot, and lists of slots.
#[derive(Clone, Debug, Default)]
pub(super) struct Beside {
    marks: Vec<Mark>,
    bytes: usize,
    /// Rows whose bytes may have changed since they were counted.
    changed: Vec<u32>,
    /// Rows that read something since they were last asked for, or are watched.
    readers: Vec<u32>,
    /// The newest hour, and local day, of which every row's users were told.
    told: Option<(Timestamp, i32)>,
}

impl Rows {
    /// Makes all marks anew: rows have other slots, or were changed all together.
    pub(super) fn mark_all(&mut self) {
        let beside = &mut self.beside;
        beside.marks.clear();
        (beside.bytes, beside.changed, beside.readers) = (0, Vec::new(), Vec::new());
        for (slot, row) in self.rows.iter_mut().enumerate() {
            (row.changed, row.reads) = (false, row.harvest.is_some());
            if row.reads {
                beside.readers.push(slot as u32);
            }
            let mark = Mark { level: level_of(row), due: i64::MIN, bytes: row.bytes() };
            beside.bytes += mark.bytes;
            beside.marks.push(mark);
        }
    }

    /// Marks a row that took a slot.
    pub(super) fn mark_new(&mut self, slot: u32) {
        let Some(row) = self.rows.get(slot as usize) else { return };
        let mark = Mark { level: level_of(row), due: i64::MAX, bytes: 0 };
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

    /// Says that a row read something.
    pub fn note_reader(&mut self, slot: u32) {
        if let Some(row) = self.rows.get_mut(slot as usize).filter(|row| !row.reads) {
            row.reads = true;
            self.beside.readers.push(slot);
        }
    }

    /// Takes the list of rows that were seen since the last call and ever read something, in their order, and those that
    /// were put back by [`Rows::note_reader`].
    pub fn take_readers(&mut self) -> Vec<u32> {
        let mut readers = std::mem::take(&mut self.beside.readers);
        // Of a row that gave way its successor may be listed as well.
        readers.sort_unstable();
        readers.dedup();
        for &slot in &readers {
            if let Some(row) = self.rows.get_mut(slot as usize) {
                row.reads = false;
            }
        }
        readers
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
