//! Hours in which the failures of rows were in an incident: what is saved beside the rows.

use super::Rows;
use crate::event::Id;
use crate::measure::failures::{Failures, Held};

/// Whose failures, of which class, and when.
pub type HeldOf = (Id, u8, Held);

impl Rows {
    /// The hours of all failures that were ever in an incident.
    pub fn held(&self) -> Vec<HeldOf> {
        let mut all = Vec::new();
        for row in &self.rows {
            let Some(full) = row.full.as_deref() else { continue };
            for (class, failures) in full.failures.iter().enumerate() {
                let held = failures.as_deref().and_then(Failures::held);
                all.extend(held.map(|held| (row.id, class as u8, held)));
            }
        }
        all
    }

    /// Takes up what was saved beside the rows.
    pub fn remember_held(&mut self, saved: &[HeldOf]) {
        for (id, class, held) in saved {
            let row = self.find(*id).and_then(|slot| self.get_mut(slot));
            let full = row.and_then(|row| row.full.as_deref_mut());
            if let Some(failures) = full.and_then(|full| full.failures.get_mut(usize::from(*class))?.as_deref_mut()) {
                failures.remember_held(*held);
            }
        }
    }
}
