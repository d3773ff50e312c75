//! The rows that read things.

use super::Rows;
use crate::event::Id;
use crate::measure::harvest::{Lately, Walked};

impl Rows {
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

    /// How far the rows walked through numbers, where anything is known of it: to be saved beside them.
    pub fn walked(&self) -> Vec<(Id, Walked)> {
        let of_row = |row: &super::Row| Some((row.id, row.harvest.as_deref()?.walked().clone()));
        self.rows.iter().filter_map(of_row).filter(|(_, walked)| walked.is_known()).collect()
    }

    /// Takes up what was saved beside them.
    pub fn remember_walked(&mut self, saved: &[(Id, Walked)]) {
        for (id, walked) in saved {
            let row = self.find(*id).and_then(|slot| self.get_mut(slot));
            if let Some(harvest) = row.and_then(|row| row.harvest.as_deref_mut()) {
                harvest.remember(walked.clone());
            }
        }
    }

    /// What the rows read by the hour, where anything is known of it: to be saved beside them.
    pub fn read_lately(&self) -> Vec<(Id, Lately)> {
        let of_row = |row: &super::Row| Some((row.id, *row.harvest.as_deref()?.lately()));
        self.rows.iter().filter_map(of_row).filter(|(_, lately)| lately.is_known()).collect()
    }

    /// Takes up what was saved beside them.
    pub fn remember_lately(&mut self, saved: &[(Id, Lately)]) {
        for (id, lately) in saved {
            let row = self.find(*id).and_then(|slot| self.get_mut(slot));
            if let Some(harvest) = row.and_then(|row| row.harvest.as_deref_mut()) {
                harvest.remember_lately(*lately);
            }
        }
    }
}
