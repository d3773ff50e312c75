//! Wall-clock readings without zone or year, made instants: by the zone of the source, and by the lines before.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use chrono::{Datelike, NaiveDate, NaiveDateTime};

use crate::time::{Span, Timestamp, Zone};

const UNSET: i64 = i64::MIN;
/// Lines are written when their request is over, so some come a little late.
const LATE: Span = Span::MINUTE;
/// No request takes so long: the clock itself ran back.
const RAN_BACK: Span = Span::from_mins(30);

/// The zone of a source, and what time it was in its lines. Clones share the latter.
#[derive(Clone, Debug)]
pub(super) struct Wall {
    zone: Zone,
    lines: Arc<Lines>,
}

/// What time it was.
#[derive(Debug)]
struct Lines {
    /// In the last line without zone.
    last: AtomicI64,
    /// About when the log was written, as its reader knows.
    about: AtomicI64,
}

impl Wall {
    /// A zone, and no line yet.
    pub(super) fn new(zone: Zone) -> Wall {
        Wall { zone, lines: Arc::new(Lines { last: UNSET.into(), about: UNSET.into() }) }
    }

    /// The same lines in another zone.
    pub(super) fn in_zone(&self, zone: Zone) -> Wall {
        Wall { zone, lines: self.lines.clone() }
    }

    /// Says about when the log was written, for times without year.
    pub(super) fn near(&self, time: Timestamp) {
        self.lines.about.store(time.millis(), Ordering::Relaxed);
    }

    /// The instant of a reading. One that never happened (clocks went forward) counts from before the change, so it comes
    /// out an hour later. One that happened twice (clocks went back) goes on from the line before: its second instant is
    /// meant when the clock ran back by more than a line may be late. Without a line of that day the first is meant.
    pub(super) fn instant(&self, wall: NaiveDateTime) -> Timestamp {
        let first = self.zone.instant(wall);
        let last = read(&self.lines.last).filter(|last| distance(first, *last) < Span::DAY.millis());
        let time = match (self.second(first, wall), last) {
            (Some(second), Some(last)) => {
                let changed = self.zone.offset(last) == self.zone.offset(second);
                if changed && distance(first, last) < LATE.millis() {
                    // A line of the first hour that was written a little late does not bring that hour back.
                    return first;
                }
                if changed || first + RAN_BACK < last { second } else { first }
            }
            _ => first,
        };
        self.lines.last.store(time.millis(), Ordering::Relaxed);
        time
    }

    /// The second instant of a reading that happened twice.
    fn second(&self, first: Timestamp, wall: NaiveDateTime) -> Option<Timestamp> {
        let as_utc = Timestamp::from_millis(wall.and_utc().timestamp_millis());
        let second = as_utc - self.zone.offset(as_utc + Span::DAY);
        let real = |t: Timestamp| t + self.zone.offset(t) == as_utc;
        (second != first && real(first) && real(second)).then_some(second)
    }

    /// A reading without year (RFC 3164): the year that brings it nearest to the line before, or to the time about which
    /// the log was written. Where neither is known it is read in a year that has every day.
    pub(super) fn without_year(&self, at: impl Fn(i32) -> Option<NaiveDateTime>) -> Option<Timestamp> {
        let Some(near) = read(&self.lines.last).or_else(|| read(&self.lines.about)) else {
            return Some(self.zone.instant(at(2000)?));
        };
        let year = near.utc().year();
        let readings = (year - 1..=year + 1).filter_map(at).map(|wall| (self.zone.instant(wall), wall));
        let (_, wall) = readings.min_by_key(|(time, _)| distance(*time, near))?;
        Some(self.instant(wall))
    }
}

fn read(cell: &AtomicI64) -> Option<Timestamp> {
    Some(cell.load(Ordering::Relaxed)).filter(|ms| *ms != UNSET).map(Timestamp::from_millis)
}

fn distance(a: Timestamp, b: Timestamp) -> i64 {
    a.millis().saturating_sub(b.millis()).saturating_abs()
}

/// A date and time of day; `None` where there is no such day.
pub(super) fn reading(year: i32, month: u32, day: u32, ms_of_day: i64) -> Option<NaiveDateTime> {
    let midnight = NaiveDate::from_ymd_opt(year, month, day)?.and_hms_opt(0, 0, 0)?;
    midnight.checked_add_signed(chrono::TimeDelta::milliseconds(ms_of_day))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn zurich() -> Wall {
        Wall::new(Zone::parse("Europe/Zurich").unwrap())
    }

    fn at(wall: &Wall, day: u32, month: u32, hour: u32, minute: u32) -> String {
        let reading = NaiveDate::from_ymd_opt(2026, month, day).unwrap().and_hms_opt(hour, minute, 0).unwrap();
        wall.instant(reading).to_rfc3339()
    }

    #[test]
    fn an_hour_that_never_was_is_read_an_hour_later() {
        let wall = zurich();
        assert_eq!(at(&wall, 29, 3, 1, 59), "2026-03-29T00:59:00Z");
        assert_eq!(at(&wall, 29, 3, 2, 30), "2026-03-29T01:30:00Z");
        assert_eq!(at(&wall, 29, 3, 3, 30), "2026-03-29T01:30:00Z");
    }

    #[test]
    fn an_hour_that_was_twice_goes_on_from_the_line_before() {
        let wall = zurich();
        assert_eq!(at(&wall, 25, 10, 2, 30), "2026-10-25T00:30:00Z", "nothing before it: the first");
        let wall = zurich();
        assert_eq!(at(&wall, 25, 10, 1, 50), "2026-10-24T23:50:00Z");
        assert_eq!(at(&wall, 25, 10, 2, 10), "2026-10-25T00:10:00Z");
        assert_eq!(at(&wall, 25, 10, 2, 5), "2026-10-25T00:05:00Z", "a line a little late is no second hour");
        assert_eq!(at(&wall, 25, 10, 2, 59), "2026-10-25T00:59:00Z");
        assert_eq!(at(&wall, 25, 10, 2, 0), "2026-10-25T01:00:00Z", "the hour again");
        let late = NaiveDate::from_ymd_opt(2026, 10, 25).unwrap().and_hms_opt(2, 59, 58).unwrap();
        assert_eq!(wall.instant(late).to_rfc3339(), "2026-10-25T00:59:58Z", "a line of the first hour, late");
        assert_eq!(at(&wall, 25, 10, 2, 58), "2026-10-25T01:58:00Z");
        assert_eq!(at(&wall, 25, 10, 3, 0), "2026-10-25T02:00:00Z");
    }

    #[test]
    fn a_year_that_is_not_written_is_the_nearest() {
        let december = |year| reading(year, 12, 31, 86_399_000);
        let january = |year| reading(year, 1, 1, 1000);
        let leap = |year| reading(year, 2, 29, 0);
        let wall = Wall::new(Zone::UTC);
        assert_eq!(wall.without_year(leap).unwrap().to_rfc3339(), "2000-02-29T00:00:00Z");
        wall.near(Timestamp::parse("2026-06-01T00:00:00Z").unwrap());
        assert!(wall.without_year(leap).is_none(), "there was none in these years");
        wall.near(Timestamp::parse("2026-01-01T00:00:30Z").unwrap());
        assert_eq!(wall.without_year(december).unwrap().to_rfc3339(), "2025-12-31T23:59:59Z");
        assert_eq!(wall.without_year(january).unwrap().to_rfc3339(), "2026-01-01T00:00:01Z");
        assert_eq!(wall.without_year(december).unwrap().to_rfc3339(), "2025-12-31T23:59:59Z");
    }
}
