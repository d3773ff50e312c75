//! Messages owed: read, marked, merged, given up.

use super::journal::{Op, Table};
use super::rows::{ChannelRow, IncidentRow, OutboxRow, PaceRow};
use super::{Store, StoreError, TOLD_LIMIT, bury, mirror, was_told};
use crate::fault;
use crate::notice::NoticeType;
use crate::time::{Span, Timestamp};

/// Marking changes memory at once and the disk if it can: an error means that the mark is not durable yet, so that a
/// crash now would send the message once more.
impl Store {
    /// The messages waiting for a channel, in the order they were decided.
    pub fn queued(&self, channel: &str) -> Vec<(u64, OutboxRow)> {
        let inner = self.inner();
        let rows = inner.mirror.outbox.iter().filter(|(_, row)| row.channel == channel);
        rows.map(|(number, row)| (*number, row.clone())).collect()
    }

    /// The messages of a channel whose time has come.
    pub fn due(&self, channel: &str) -> Vec<(u64, OutboxRow)> {
        let now = self.clock.now();
        let mut rows = self.queued(channel);
        rows.retain(|(_, row)| row.next_try <= now);
        rows
    }

    /// All messages waiting, of every channel.
    pub fn outbox(&self) -> Vec<(u64, OutboxRow)> {
        self.inner().mirror.outbox.iter().map(|(number, row)| (*number, row.clone())).collect()
    }

    /// How many messages wait for a channel, and since when the oldest of them.
    pub fn backlog(&self, channel: &str) -> (usize, Option<Timestamp>) {
        let inner = self.inner();
        let rows = inner.mirror.outbox.values().filter(|row| row.channel == channel);
        rows.fold((0, None), |(count, oldest), row| {
            (count + 1, Some(oldest.map_or(row.decided_at, |o: Timestamp| o.min(row.decided_at))))
        })
    }

    /// Makes durable what was decided: messages, and how the incidents stand that they are about.
    ///
    /// Messages that were already told (same channel, incident and kind) are left out. They become visible to
    /// [`Store::queued`] only once they are durable, or once it is clear that they cannot be made so now.
    ///
    /// # Errors
    /// It is not durable. Nothing need be given again: it is kept in memory, is sent, and goes with the next commit.
    pub fn tell(&self, incidents: Vec<IncidentRow>, messages: Vec<OutboxRow>) -> Result<(), StoreError> {
        let now = self.clock.now();
        fault::point("tell.before");
        let mut inner = self.inner();
        let mut ops: Vec<Op> = incidents.iter().map(mirror::incident_op).collect();
        for row in incidents {
            let id = row.notice.incident.clone();
            inner.unsaved.insert(id.clone(), row.clone());
            if row.is_open() {
                inner.mirror.open.insert(id, row);
            } else {
                inner.mirror.open.remove(&id);
            }
        }
        for row in messages {
            let keys: Vec<u64> = row.told_keys().collect();
            if !keys.is_empty() && keys.iter().all(|key| inner.mirror.told.contains_key(key)) {
                continue;
            }
            ops.extend(keys.iter().map(|key| mirror::told_op(*key, now)));
            inner.mirror.told.extend(keys.into_iter().map(|key| (key, now)));
            let number = inner.mirror.number();
            ops.push(Op::put(Table::Outbox, number.to_be_bytes(), &row));
            inner.mirror.insert(number, row);
        }
        ops.extend(inner.mirror.trim_told(TOLD_LIMIT));
        ops.extend(self.shed(&mut inner.mirror));
        ops.push(inner.mirror.meta_op());
        let committed = self.commit(&mut inner, &ops, false);
        fault::point("tell.after");
        committed
    }

    /// A channel accepted these messages; what its pace goes by from now on.
    pub fn delivered(&self, channel: &str, numbers: &[u64], pace: PaceRow) -> Result<(), StoreError> {
        let now = self.clock.now();
        let mut inner = self.inner();
        let mut ops = Vec::new();
        for number in numbers {
            if inner.mirror.remove(*number).is_some() {
                ops.push(Op::remove(Table::Outbox, number.to_be_bytes()));
            }
        }
        let row = inner.mirror.channels.entry(channel.to_owned()).or_default();
        row.last_delivered = Some(now);
        row.delivered += numbers.len() as u64;
        row.pace = pace;
        ops.push(Op::put(Table::Channels, channel.as_bytes(), row));
        self.commit(&mut inner, &ops, false)
    }

    /// A try failed: not again before `next_try`.
    pub fn failed(&self, number: u64, next_try: Timestamp, why: &str) -> Result<(), StoreError> {
        self.change(number, |row| {
            row.attempts += 1;
            row.next_try = next_try;
            row.last_error = Some(why.to_owned());
        })
    }

    /// Changes a waiting message.
    pub fn change(&self, number: u64, change: impl FnOnce(&mut OutboxRow)) -> Result<(), StoreError> {
        let mut inner = self.inner();
        let Some(mut row) = inner.mirror.outbox.get(&number).cloned() else { return Ok(()) };
        change(&mut row);
        let op = Op::put(Table::Outbox, number.to_be_bytes(), &row);
        inner.mirror.insert(number, row);
        self.commit(&mut inner, &[op], false)
    }

    /// Gives a message up: it is listed, no longer sent.
    pub fn give_up(&self, number: u64, why: &str) -> Result<(), StoreError> {
        let mut inner = self.inner();
        let ops = bury(&mut inner.mirror, number, why);
        if ops.is_empty() { Ok(()) } else { self.commit(&mut inner, &ops, false) }
    }

    /// Puts other messages in the place of some, all or nothing: a digest for its parts, the newest state of an
    /// incident for its history. They take the numbers of those they replace, in order, so nothing overtakes.
    pub fn replace(&self, numbers: &[u64], rows: Vec<OutboxRow>) -> Result<(), StoreError> {
        let mut inner = self.inner();
        let mut ops = Vec::new();
        for number in numbers {
            if inner.mirror.remove(*number).is_some() {
                ops.push(Op::remove(Table::Outbox, number.to_be_bytes()));
            }
        }
        let mut places = numbers.iter().copied();
        for row in rows {
            let number = places.next().unwrap_or_else(|| inner.mirror.number());
            ops.push(Op::put(Table::Outbox, number.to_be_bytes(), &row));
            inner.mirror.insert(number, row);
        }
        ops.push(inner.mirror.meta_op());
        self.commit(&mut inner, &ops, false)
    }

    /// The messages given up, newest first.
    pub fn dead_letters(&self) -> Vec<(u64, OutboxRow)> {
        self.inner().mirror.dead.iter().rev().map(|(number, row)| (*number, row.clone())).collect()
    }

    /// Sends a message given up once more; whether there was one by that number.
    pub fn revive(&self, number: u64) -> Result<bool, StoreError> {
        let now = self.clock.now();
        let mut inner = self.inner();
        let Some(mut row) = inner.mirror.dead.remove(&number) else { return Ok(false) };
        row.attempts = 0;
        row.decided_at = now;
        row.next_try = now;
        let ops = [Op::remove(Table::Dead, number.to_be_bytes()), Op::put(Table::Outbox, number.to_be_bytes(), &row)];
        inner.mirror.insert(number, row);
        self.commit(&mut inner, &ops, false).map(|()| true)
    }

    /// Whether the opening of an incident was ever decided for a channel (updates and the end follow only then).
    pub fn was_opened(&self, channel: &str, incident: &str) -> bool {
        was_told(&self.inner().mirror, channel, incident, NoticeType::Opened, Timestamp::default())
    }

    /// How a channel is doing.
    pub fn channel(&self, channel: &str) -> ChannelRow {
        self.inner().mirror.channels.get(channel).cloned().unwrap_or_default()
    }

    /// Notes that a channel is broken, or works again (`None`).
    pub fn set_broken(&self, channel: &str, broken: Option<(Timestamp, String)>) -> Result<(), StoreError> {
        let mut inner = self.inner();
        let row = inner.mirror.channels.entry(channel.to_owned()).or_default();
        row.broken = broken;
        let op = Op::put(Table::Channels, channel.as_bytes(), row);
        self.commit(&mut inner, &[op], false)
    }

    /// Notes what a channel's pace goes by; nothing to do if that did not change.
    pub fn set_pace(&self, channel: &str, pace: PaceRow) -> Result<(), StoreError> {
        let mut inner = self.inner();
        let row = inner.mirror.channels.entry(channel.to_owned()).or_default();
        if row.pace == pace {
            return Ok(());
        }
        row.pace = pace;
        let op = Op::put(Table::Channels, channel.as_bytes(), row);
        self.commit(&mut inner, &[op], false)
    }

    /// Tries to write what could not be written so far; nothing to do otherwise.
    pub fn catch_up(&self) -> Result<(), StoreError> {
        let mut inner = self.inner();
        if inner.stale { self.commit(&mut inner, &[], false) } else { Ok(()) }
    }

    /// How long nothing could be written.
    pub fn failing_for(&self) -> Option<Span> {
        let now = self.clock.now();
        self.inner().failing.as_ref().map(|(since, _)| now - *since)
    }
}
