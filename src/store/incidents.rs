//! Incidents as last told, and what people wish not to hear.

use std::collections::BTreeMap;

use super::journal::{Op, Table};
use super::rows::{IncidentRow, Silence};
use super::{Store, StoreError};
use crate::time::Timestamp;

/// For ever, as far as a calendar date can say it: the end of the year 9999.
const FAR: Timestamp = Timestamp::from_secs(253_402_300_799);

impl Store {
    /// The incidents that go on.
    pub fn open_incidents(&self) -> Vec<IncidentRow> {
        self.inner().mirror.open.values().cloned().collect()
    }

    /// Incidents, the one that began last first.
    ///
    /// # Errors
    /// The journal could not be read.
    pub fn incidents(&self, limit: usize) -> Result<Vec<IncidentRow>, StoreError> {
        let inner = self.inner();
        let payloads = inner.journal.newest(Table::Incidents, limit)?;
        let mut found: BTreeMap<String, IncidentRow> = payloads
            .iter()
            .filter_map(|payload| serde_json::from_slice::<IncidentRow>(payload).ok())
            .map(|row| (row.notice.incident.clone(), row))
            .collect();
        found.extend(inner.mirror.open.iter().chain(&inner.unsaved).map(|(id, row)| (id.clone(), row.clone())));
        Ok(found.into_values().rev().take(limit).collect())
    }

    /// One incident by its id.
    ///
    /// # Errors
    /// The journal could not be read.
    pub fn incident(&self, id: &str) -> Result<Option<IncidentRow>, StoreError> {
        let all = self.incidents(self.settings.incidents)?;
        Ok(all.into_iter().find(|row| row.notice.incident == id))
    }

    /// The silences that are still in force, oldest first.
    pub fn silences(&self) -> Vec<Silence> {
        let now = self.clock.now();
        self.inner().mirror.silences.values().filter(|silence| silence.until > now).cloned().collect()
    }

    /// Keeps a silence and returns its id; those that are over are forgotten.
    ///
    /// # Errors
    /// It holds, but it is not durable yet.
    pub fn add_silence(&self, mut silence: Silence) -> Result<u64, StoreError> {
        let now = self.clock.now();
        let mut inner = self.inner();
        let over: Vec<u64> =
            inner.mirror.silences.iter().filter(|(_, silence)| silence.until <= now).map(|(id, _)| *id).collect();
        let mut ops = Vec::new();
        for id in over {
            inner.mirror.silences.remove(&id);
            ops.push(Op::remove(Table::Silences, id.to_be_bytes()));
        }
        let id = inner.mirror.number();
        silence.id = id;
        silence.created_at = now;
        silence.until = silence.until.min(FAR);
        ops.push(Op::put(Table::Silences, id.to_be_bytes(), &silence));
        ops.push(inner.mirror.meta_op());
        inner.mirror.silences.insert(id, silence);
        self.commit(&mut inner, &ops, false).map(|()| id)
    }

    /// Changes a silence that holds.
    ///
    /// # Errors
    /// It is changed, but that is not durable yet.
    pub fn change_silence(&self, id: u64, change: impl FnOnce(&mut Silence)) -> Result<(), StoreError> {
        let mut inner = self.inner();
        let Some(silence) = inner.mirror.silences.get_mut(&id) else { return Ok(()) };
        change(silence);
        let op = Op::put(Table::Silences, id.to_be_bytes(), silence);
        self.commit(&mut inner, &[op], false)
    }

    /// Lifts a silence; whether there was one by that id.
    ///
    /// # Errors
    /// It is lifted, but that is not durable yet.
    pub fn remove_silence(&self, id: u64) -> Result<bool, StoreError> {
        let mut inner = self.inner();
        let found = inner.mirror.silences.remove(&id).is_some();
        if found {
            self.commit(&mut inner, &[Op::remove(Table::Silences, id.to_be_bytes())], false)?;
        }
        Ok(found)
    }
}
