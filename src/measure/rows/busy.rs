//! The rows that are busy enough for their silence to be odd.

use super::Rows;
use crate::measure::normal::level;

impl Rows {
    /// Lists every row whose level is at least `from` requests a minute where `population_mean` is usual; from then on the
    /// list is kept up as rows learn.
    pub fn list_busy(&mut self, from: f64, population_mean: f64) {
        self.busy_from = from;
        for slot in std::mem::take(&mut self.busy) {
            if let Some(row) = self.rows.get_mut(slot as usize) {
                row.busy = false;
            }
        }
        let busy = self.levels().filter(|(_, parts)| level(*parts, population_mean) >= from).map(|(slot, _)| slot);
        for slot in busy.collect::<Vec<u32>>() {
            self.keep_busy(slot);
        }
    }

    /// Takes the list of rows that may be busy, in their order: every one that is must be put back by
    /// [`Rows::keep_busy`].
    pub fn take_busy(&mut self) -> Vec<u32> {
        let mut busy = std::mem::take(&mut self.busy);
        // Of a row that gave way its successor may be listed as well.
        busy.sort_unstable();
        busy.dedup();
        for &slot in &busy {
            if let Some(row) = self.rows.get_mut(slot as usize) {
                row.busy = false;
            }
        }
        busy
    }

    /// Lists a row as busy.
    pub fn keep_busy(&mut self, slot: u32) {
        if let Some(row) = self.rows.get_mut(slot as usize).filter(|row| !row.busy) {
            row.busy = true;
            self.busy.push(slot);
        }
    }

    /// A row's level changes when it learns and when what is usual among all changes, and never in between.
    pub(super) fn note_level(&mut self, slot: u32, population_mean: f64) {
        self.mark_level(slot);
        let full = self.rows.get(slot as usize).and_then(|row| row.full.as_deref());
        if full.is_some_and(|full| full.normal.level(population_mean) >= self.busy_from) {
            self.keep_busy(slot);
        }
    }
}

impl super::Row {
    /// All requests of a subject that came within the last day, or nearly.
    pub fn requests_since_new(&self) -> u64 {
        let full = self.full.as_deref().map(|full| {
            let newest = full.counts.hours.newest();
            u64::from(super::FULL_AT) + full.counts.hours.sum(newest - 23, newest)
        });
        full.unwrap_or(u64::from(self.requests))
    }
}
