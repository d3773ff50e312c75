//! The journal's small tables in memory: what is read while the disk is slow, full or gone, and what is written again
//! when it is back.

use std::collections::BTreeMap;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::held::Held;
use super::journal::{Content, Op, Table};
use super::marks::Mark;
use super::rows::{ChannelRow, IncidentRow, OutboxRow, Silence};
use crate::event::Severity;
use crate::time::Timestamp;

const META: &[u8] = b"meta";

/// Which cut is the current one.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
pub(super) struct Meta {
    /// The current generation; 0 before the first cut.
    pub(super) generation: u64,
    /// When it was taken.
    pub(super) cut_at: Option<Timestamp>,
    /// Hourly generations that are kept, oldest first.
    pub(super) hourly: Vec<(u64, Timestamp)>,
    /// The number of the next row.
    pub(super) next_number: u64,
    /// Messages given up because the outbox was full.
    pub(super) shed: u64,
    /// What people noted of the site's life, the oldest first.
    #[serde(default)]
    pub(super) marks: Vec<Mark>,
    /// About what silence is kept.
    #[serde(default)]
    pub(super) held: Held,
    /// A sealed copy of the secret file.
    pub(super) secret: Vec<u8>,
    /// The run that wrote this ended in order.
    #[serde(default)]
    pub(super) closed: bool,
}

/// Everything but the history of closed incidents.
#[derive(Clone, Debug, Default)]
pub(super) struct Mirror {
    pub(super) meta: Meta,
    pub(super) outbox: BTreeMap<u64, OutboxRow>,
    pub(super) outbox_bytes: usize,
    pub(super) dead: BTreeMap<u64, OutboxRow>,
    pub(super) silences: BTreeMap<u64, Silence>,
    pub(super) channels: BTreeMap<String, ChannelRow>,
    pub(super) told: BTreeMap<u64, Timestamp>,
    pub(super) open: BTreeMap<String, IncidentRow>,
}

impl Mirror {
    /// From what was read; the number of rows that could not be understood comes along.
    pub(super) fn of(content: Content) -> (Mirror, usize) {
        let mut mirror = Mirror::default();
        let mut strange = content.damaged;
        for (table, key, payload) in content.rows {
            if mirror.take(table, &key, &payload).is_none() {
                strange += 1;
            }
        }
        mirror.outbox_bytes = mirror.outbox.values().map(OutboxRow::bytes).sum();
        let last = mirror.outbox.keys().chain(mirror.dead.keys()).chain(mirror.silences.keys()).max();
        mirror.meta.next_number = mirror.meta.next_number.max(last.map_or(1, |n| n + 1));
        (mirror, strange)
    }

    fn take(&mut self, table: Table, key: &[u8], payload: &[u8]) -> Option<()> {
        match table {
            Table::Meta => self.meta = read(payload)?,
            Table::Outbox => drop(self.outbox.insert(number(key)?, read(payload)?)),
            Table::Dead => drop(self.dead.insert(number(key)?, read(payload)?)),
            Table::Silences => drop(self.silences.insert(number(key)?, read(payload)?)),
            Table::Channels => drop(self.channels.insert(String::from_utf8(key.to_vec()).ok()?, read(payload)?)),
            Table::Told => drop(self.told.insert(number(key)?, Timestamp::from_millis(read(payload)?))),
            Table::Incidents => {
                let row: IncidentRow = read(payload)?;
                if row.is_open() {
                    self.open.insert(row.notice.incident.clone(), row);
                }
            }
        }
        Some(())
    }

    /// Everything as changes to an empty journal.
    pub(super) fn ops(&self) -> Vec<Op> {
        let mut ops = vec![self.meta_op()];
        ops.extend(self.outbox.iter().map(|(n, row)| Op::put(Table::Outbox, n.to_be_bytes(), row)));
        ops.extend(self.dead.iter().map(|(n, row)| Op::put(Table::Dead, n.to_be_bytes(), row)));
        ops.extend(self.silences.iter().map(|(n, row)| Op::put(Table::Silences, n.to_be_bytes(), row)));
        ops.extend(self.channels.iter().map(|(name, row)| Op::put(Table::Channels, name.as_bytes(), row)));
        ops.extend(self.told.iter().map(|(key, at)| told_op(*key, *at)));
        ops.extend(self.open.values().map(incident_op));
        ops
    }

    pub(super) fn meta_op(&self) -> Op {
        Op::put(Table::Meta, META, &self.meta)
    }

    /// The next number: of a row, a silence.
    pub(super) fn number(&mut self) -> u64 {
        let number = self.meta.next_number.max(1);
        self.meta.next_number = number + 1;
        number
    }

    pub(super) fn insert(&mut self, number: u64, row: OutboxRow) {
        self.outbox_bytes += row.bytes();
        if let Some(old) = self.outbox.insert(number, row) {
            self.outbox_bytes = self.outbox_bytes.saturating_sub(old.bytes());
        }
    }

    pub(super) fn remove(&mut self, number: u64) -> Option<OutboxRow> {
        let row = self.outbox.remove(&number)?;
        self.outbox_bytes = self.outbox_bytes.saturating_sub(row.bytes());
        Some(row)
    }

    /// The row to give up when the outbox is full: the oldest of the lowest severity.
    pub(super) fn least(&self) -> Option<u64> {
        let worst = |row: &OutboxRow| row.notices.iter().map(|n| n.severity).max().unwrap_or(Severity::Info);
        self.outbox.iter().min_by_key(|(number, row)| (worst(row), **number)).map(|(number, _)| *number)
    }

    /// Forgets the oldest tenth of what was told once there are more than `limit`.
    pub(super) fn trim_told(&mut self, limit: usize) -> Vec<Op> {
        if self.told.len() <= limit {
            return Vec::new();
        }
        let mut by_age: Vec<(Timestamp, u64)> = self.told.iter().map(|(key, at)| (*at, *key)).collect();
        by_age.sort_unstable();
        by_age.truncate(self.told.len() - limit * 9 / 10);
        by_age
            .into_iter()
            .map(|(_, key)| {
                self.told.remove(&key);
                Op::remove(Table::Told, key.to_be_bytes())
            })
            .collect()
    }
}

pub(super) fn told_op(key: u64, at: Timestamp) -> Op {
    Op::put(Table::Told, key.to_be_bytes(), &at.millis())
}

pub(super) fn incident_op(row: &IncidentRow) -> Op {
    Op::put(Table::Incidents, row.notice.incident.as_bytes(), row)
}

fn read<T: DeserializeOwned>(payload: &[u8]) -> Option<T> {
    serde_json::from_slice(payload).ok()
}

fn number(key: &[u8]) -> Option<u64> {
    Some(u64::from_be_bytes(key.try_into().ok()?))
}
