//! How much memory the rows take, and what gives way when they may not take more.

use hashbrown::HashTable;

use super::beside::Age;
use super::{Full, Row, Rows};
use crate::time::Timestamp;

/// Bytes that an allocation costs beside its content, and an entry of the index.
const OVERHEAD: usize = 16;
/// Bytes that a row has in the lists beside the rows, and in the index.
const BESIDE: usize = super::beside::BYTES + 12;
/// What is left free when room is made, so that it is not made for every newcomer.
const SLACK: f64 = 0.9;
/// How fast tables may grow back when there is room again.
const GROW: f64 = 1.05;
/// However little memory there is, so many subjects are remembered.
const LEAST_ROWS: usize = 256;

impl Full {
    /// Bytes in use.
    pub fn bytes(&self) -> usize {
        let failures = self.failures.iter().flatten().map(|f| size_of_val(&**f) + OVERHEAD).sum::<usize>();
        size_of::<Full>() + self.normal.heap_bytes() + failures + 2 * OVERHEAD
    }
}

impl Row {
    /// Bytes in use.
    pub fn bytes(&self) -> usize {
        let full = self.full.as_deref().map_or(0, Full::bytes);
        let novelty = self.novelty.as_deref().map_or(0, |novelty| novelty.bytes() + OVERHEAD);
        let harvest = self.harvest.as_deref().map_or(0, |harvest| harvest.bytes() + OVERHEAD);
        size_of::<Row>() + BESIDE + self.name.len() + 2 * OVERHEAD + full + novelty + harvest
    }

    /// When it would be missed least.
    pub(super) fn worth(&self) -> Timestamp {
        Age::of(self).worth()
    }
}

impl Rows {
    /// All of them.
    pub fn all(&self) -> &[Row] {
        &self.rows
    }

    /// Bytes in use, by own accounting.
    pub fn bytes(&self) -> usize {
        let spare = (self.rows.capacity() - self.rows.len()) * size_of::<Row>();
        self.counted_bytes() + spare + (self.touched.capacity() + self.busy.capacity()) * size_of::<u32>()
    }

    /// The same, where rows are counted anew only if they changed since.
    fn used(&mut self) -> usize {
        let spare = (self.rows.capacity() - self.rows.len()) * size_of::<Row>();
        self.bytes_of_rows() + spare + (self.touched.capacity() + self.busy.capacity()) * size_of::<u32>()
    }

    /// Keeps the rows within `bytes`: what is missed least gives way, and while there is no room fewer are remembered.
    /// Slots change. Answers the bytes in use then.
    pub fn keep_within(&mut self, bytes: usize) -> usize {
        let used = self.used();
        if used <= bytes {
            if (used as f64) < SLACK * SLACK * bytes as f64 {
                let grown = |now: usize, most: usize| ((now as f64 * GROW) as usize + 1).min(most);
                self.limits.rows = grown(self.limits.rows, self.most.rows);
                self.limits.full = grown(self.limits.full, self.most.full);
            }
            return used;
        }
        let mut rows = std::mem::take(&mut self.rows);
        rows.sort_by_key(|row| std::cmp::Reverse(row.worth()));
        let target = (bytes as f64 * SLACK) as usize;
        let (mut kept, mut sum) = (0, 0);
        for row in &rows {
            sum += row.bytes() + size_of::<u32>();
            if sum > target && kept >= LEAST_ROWS {
                break;
            }
            kept += 1;
        }
        self.evicted += (rows.len() - kept) as u64;
        rows.truncate(kept);
        rows.shrink_to_fit();
        self.fill(rows);
        self.limits.rows = self.most.rows.min(kept.max(LEAST_ROWS));
        self.limits.full = self.most.full.min(self.fulls.max(LEAST_ROWS));
        self.bytes()
    }

    /// Takes rows in place of those there are.
    pub(super) fn fill(&mut self, rows: Vec<Row>) {
        self.index = HashTable::with_capacity(rows.len());
        self.touched = Vec::new();
        self.busy = Vec::new();
        self.fulls = 0;
        self.victims.clear();
        for (slot, row) in rows.iter().enumerate() {
            self.fulls += usize::from(row.full.is_some());
            if row.touched {
                self.touched.push(slot as u32);
            }
            if row.busy {
                self.busy.push(slot as u32);
            }
            self.index.insert_unique(row.id.0, slot as u32, |&s| rows[s as usize].id.0);
        }
        self.rows = rows;
        self.mark_all();
    }
}

#[cfg(test)]
mod tests {
    use crate::event::{Event, Flags, Id, Method, SourceId, SubjectKind, Text};
    use crate::measure::calendar::Calendar;
    use crate::measure::normal::Surroundings;
    use crate::measure::ring::When;
    use crate::measure::rows::{Limits, Rows};
    use crate::time::{Span, Timestamp, Zone};

    fn event(time: Timestamp) -> Event {
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
            status: 200,
            source: SourceId(0),
            method: Method::Get,
            flags: Flags::default(),
            place: crate::event::Place::NONE,
        }
    }

    #[test]
    fn the_busy_and_the_known_stay_and_passers_by_go() {
        let calendar = Calendar::default();
        let around = Surroundings { zone: Zone::UTC, calendar: &calendar, population_mean: 0.1 };
        let mut rows = Rows::new(SubjectKind::Key, Limits { rows: 50_000, full: 20_000 });
        let start = Timestamp::from_secs(1_790_000_000);
        let see = |rows: &mut Rows, id: u64, at: Timestamp| {
            rows.absorb((Id(id), u32::MAX), || "a-key".into(), (&event(at), &When::at(at)), &around);
        };
        // Ten busy keys, one that calls once a day, and then 30,000 that nobody has ever seen.
        for minute in 0..(5 * 24 * 60) {
            see(&mut rows, 1 + minute as u64 % 10, start + Span::from_mins(minute));
        }
        for day in 0..5 {
            see(&mut rows, 99, start + Span::from_days(day));
        }
        let quiet = rows.bytes();
        assert!(rows.keep_within(quiet) == quiet && rows.evicted == 0);
        let now = start + Span::from_days(5);
        for id in 0..30_000 {
            see(&mut rows, 1000 + id, now + Span::from_millis(id as i64));
            if id % 4096 == 0 {
                assert!(rows.keep_within(1 << 20) <= 1 << 20);
            }
        }
        assert!(rows.keep_within(1 << 20) <= 1 << 20, "{} bytes", rows.bytes());
        for id in (1..=10).chain([99]) {
            assert!(rows.row(Id(id)).is_some(), "{id} was known");
        }
        assert_eq!(rows.fulls(), 10, "with all that is usual for them");
        assert!(rows.evicted > 20_000, "{}", rows.evicted);
        let left: Vec<_> = rows.saved().iter().map(|row| rows.find(row.id).map(|slot| slot as usize)).collect();
        assert!(left.iter().enumerate().all(|(slot, found)| *found == Some(slot)), "every row is found in its place");
        // When the flood is over the tables may grow again.
        for _ in 0..200 {
            rows.keep_within(64 << 20);
        }
        assert_eq!(rows.limits(), Limits { rows: 50_000, full: 20_000 });
    }
}
