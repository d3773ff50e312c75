//! Time: instants of the log, lengths of time, and the one clock that may look at the wall.
//!
//! Everything below `app` knows only the log's time, which comes in as an argument. This is the only file that reads
//! the system's clocks (`clippy.toml` forbids it elsewhere), so a day replays in seconds and tests never sleep.

use std::cell::{Cell, RefCell};
use std::fmt;
use std::ops::{Add, AddAssign, Neg, Sub, SubAssign};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use chrono::{DateTime, NaiveDateTime, Offset, SecondsFormat, TimeZone, Utc};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// An instant in milliseconds since 1970-01-01T00:00:00Z.
///
/// Serialises as RFC 3339 in UTC with milliseconds for people's formats (JSON) and as a plain number for state.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct Timestamp(i64);

/// A length of time in milliseconds; may be negative.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Span(i64);

impl Timestamp {
    /// The earliest instant: before every event.
    pub const MIN: Timestamp = Timestamp(i64::MIN / 4);
    /// The latest instant: after every event.
    pub const MAX: Timestamp = Timestamp(i64::MAX / 4);

    /// From milliseconds since the Unix epoch.
    pub const fn from_millis(ms: i64) -> Self {
        Timestamp(ms)
    }

    /// From whole seconds since the Unix epoch.
    pub const fn from_secs(s: i64) -> Self {
        Timestamp(s.saturating_mul(1000))
    }

    /// Milliseconds since the Unix epoch.
    pub const fn millis(self) -> i64 {
        self.0
    }

    /// Whole seconds since the Unix epoch, rounded down.
    pub const fn secs(self) -> i64 {
        self.0.div_euclid(1000)
    }

    /// The number of the bucket of this `width` that holds the instant (buckets are aligned to the epoch).
    pub const fn bucket(self, width: Span) -> i64 {
        self.0.div_euclid(width.0)
    }

    /// The start of bucket `n` of this `width`: the inverse of [`Timestamp::bucket`].
    pub const fn of_bucket(n: i64, width: Span) -> Self {
        Timestamp(n * width.0)
    }

    /// The start of the bucket of this `width` that holds the instant.
    #[must_use]
    pub const fn floor(self, width: Span) -> Self {
        Timestamp(self.0.div_euclid(width.0) * width.0)
    }

    /// RFC 3339 in UTC with milliseconds: `2026-03-02T14:31:07.000Z`, as events show it.
    pub fn to_rfc3339_millis(self) -> String {
        self.utc().to_rfc3339_opts(SecondsFormat::Millis, true)
    }

    /// RFC 3339 in UTC to the second: `2026-03-02T14:31:07Z`, as notices show it.
    pub fn to_rfc3339(self) -> String {
        self.utc().to_rfc3339_opts(SecondsFormat::Secs, true)
    }

    /// From RFC 3339 (`2026-03-02T14:31:07.123+01:00`), or a date or time without zone, read as UTC.
    pub fn parse(text: &str) -> Option<Self> {
        if let Ok(t) = DateTime::parse_from_rfc3339(text) {
            return Some(Timestamp(t.timestamp_millis()));
        }
        for format in ["%Y-%m-%dT%H:%M:%S%.f", "%Y-%m-%d %H:%M:%S%.f", "%Y-%m-%dT%H:%M", "%Y-%m-%d %H:%M"] {
            if let Ok(t) = NaiveDateTime::parse_from_str(text, format) {
                return Some(Timestamp(t.and_utc().timestamp_millis()));
            }
        }
        let date = chrono::NaiveDate::parse_from_str(text, "%Y-%m-%d").ok()?;
        Some(Timestamp(date.and_hms_opt(0, 0, 0)?.and_utc().timestamp_millis()))
    }

    /// The same instant for chrono; instants outside its range become the epoch.
    pub fn utc(self) -> DateTime<Utc> {
        DateTime::from_timestamp_millis(self.0).unwrap_or_default()
    }
}

impl Span {
    /// No time at all.
    pub const ZERO: Span = Span(0);
    /// One second.
    pub const SECOND: Span = Span(1000);
    /// One minute.
    pub const MINUTE: Span = Span(60_000);
    /// One hour.
    pub const HOUR: Span = Span(3_600_000);
    /// Twenty-four hours.
    pub const DAY: Span = Span(86_400_000);

    /// From milliseconds.
    pub const fn from_millis(ms: i64) -> Self {
        Span(ms)
    }

    /// From seconds.
    pub const fn from_secs(s: i64) -> Self {
        Span(s * 1000)
    }

    /// From minutes.
    pub const fn from_mins(m: i64) -> Self {
        Span(m * 60_000)
    }

    /// From hours.
    pub const fn from_hours(h: i64) -> Self {
        Span(h * 3_600_000)
    }

    /// From days of 24 hours.
    pub const fn from_days(d: i64) -> Self {
        Span(d * 86_400_000)
    }

    /// From seconds with a fraction.
    pub fn from_secs_f64(s: f64) -> Self {
        Span((s * 1000.0) as i64)
    }

    /// Milliseconds.
    pub const fn millis(self) -> i64 {
        self.0
    }

    /// Seconds with their fraction.
    pub fn secs_f64(self) -> f64 {
        self.0 as f64 / 1000.0
    }

    /// Minutes with their fraction.
    pub fn mins_f64(self) -> f64 {
        self.0 as f64 / 60_000.0
    }

    /// Hours with their fraction.
    pub fn hours_f64(self) -> f64 {
        self.0 as f64 / 3_600_000.0
    }

    /// Days with their fraction.
    pub fn days_f64(self) -> f64 {
        self.0 as f64 / 86_400_000.0
    }

    /// This many times as long.
    #[must_use]
    pub const fn times(self, n: i64) -> Self {
        Span(self.0.saturating_mul(n))
    }

    /// Scaled by a factor, rounded towards zero.
    #[must_use]
    pub fn scale(self, factor: f64) -> Self {
        Span((self.0 as f64 * factor) as i64)
    }

    /// For `std` APIs (timeouts); negative spans become zero.
    pub fn to_std(self) -> std::time::Duration {
        std::time::Duration::from_millis(self.0.max(0) as u64)
    }

    /// From configuration text: a number with `ms`, `s`, `m`, `h`, `d` or `w`, also several (`1h30m`).
    ///
    /// # Errors
    /// A sentence that says what was expected.
    pub fn parse(text: &str) -> Result<Self, String> {
        let expected = || format!("expected a duration such as \"30s\", \"5m\", \"1h30m\" or \"7d\", found \"{text}\"");
        let mut rest = text.trim();
        if rest.is_empty() {
            return Err(expected());
        }
        let mut total = 0f64;
        while !rest.is_empty() {
            let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.').ok_or_else(expected)?;
            let number: f64 = rest[..digits].parse().map_err(|_| expected())?;
            rest = &rest[digits..];
            let end = rest.find(|c: char| c.is_ascii_digit()).unwrap_or(rest.len());
            let unit = match rest[..end].trim() {
                "ms" => 1.0,
                "s" | "sec" => 1e3,
                "m" | "min" => 60e3,
                "h" => 3_600e3,
                "d" => 86_400e3,
                "w" => 604_800e3,
                _ => return Err(expected()),
            };
            total += number * unit;
            rest = rest[end..].trim_start();
        }
        if !(0.0..=3.2e12).contains(&total) {
            return Err(expected());
        }
        Ok(Span(total as i64))
    }
}

/// As configuration writes it: `90s`, `5m`, `1h30m`, `7d`.
impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut ms = self.0;
        if ms < 0 {
            f.write_str("-")?;
            ms = -ms;
        }
        if ms % 1000 != 0 {
            return write!(f, "{ms}ms");
        }
        let mut written = false;
        for (unit, width) in [("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1000)] {
            let n = ms / width;
            ms %= width;
            if n > 0 {
                write!(f, "{n}{unit}")?;
                written = true;
            }
        }
        if written { Ok(()) } else { f.write_str("0s") }
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.to_rfc3339())
    }
}

impl Sub for Timestamp {
    type Output = Span;
    fn sub(self, other: Self) -> Span {
        Span(self.0 - other.0)
    }
}

impl Add<Span> for Timestamp {
    type Output = Timestamp;
    fn add(self, span: Span) -> Timestamp {
        Timestamp(self.0 + span.0)
    }
}

impl AddAssign<Span> for Timestamp {
    fn add_assign(&mut self, span: Span) {
        self.0 += span.0;
    }
}

impl Sub<Span> for Timestamp {
    type Output = Timestamp;
    fn sub(self, span: Span) -> Timestamp {
        Timestamp(self.0 - span.0)
    }
}

impl SubAssign<Span> for Timestamp {
    fn sub_assign(&mut self, span: Span) {
        self.0 -= span.0;
    }
}

impl Add for Span {
    type Output = Span;
    fn add(self, other: Span) -> Span {
        Span(self.0 + other.0)
    }
}

impl Sub for Span {
    type Output = Span;
    fn sub(self, other: Span) -> Span {
        Span(self.0 - other.0)
    }
}

impl Neg for Span {
    type Output = Span;
    fn neg(self) -> Span {
        Span(-self.0)
    }
}

impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        if s.is_human_readable() {
            // Notices speak in whole seconds; a fraction is written only where there is one.
            let text = if self.0.rem_euclid(1000) == 0 { self.to_rfc3339() } else { self.to_rfc3339_millis() };
            s.serialize_str(&text)
        } else {
            s.serialize_i64(self.0)
        }
    }
}

impl<'de> Deserialize<'de> for Timestamp {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        if d.is_human_readable() {
            let text = String::deserialize(d)?;
            Timestamp::parse(&text).ok_or_else(|| serde::de::Error::custom(format!("not an RFC 3339 time: {text}")))
        } else {
            i64::deserialize(d).map(Timestamp)
        }
    }
}

/// Offsets kept by [`Zone::offset`]: a day and a quarter.
const OFFSETS_KEPT: usize = 128;

thread_local! {
    static OFFSETS: RefCell<[Option<(Zone, i64, Span)>; OFFSETS_KEPT]> = const { RefCell::new([None; OFFSETS_KEPT]) };
    static LAST_OFFSET: Cell<Option<(Zone, i64, Span)>> = const { Cell::new(None) };
}

/// The zone in which hours of the day and days of the week are counted.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Zone {
    /// The system's zone.
    #[default]
    Local,
    /// A zone by name: `Europe/Zurich`, `UTC`.
    Named(chrono_tz::Tz),
}

impl Zone {
    /// Coordinated Universal Time.
    pub const UTC: Zone = Zone::Named(chrono_tz::Tz::UTC);

    /// From configuration: `local` or an IANA name.
    ///
    /// # Errors
    /// A sentence that says what was expected.
    pub fn parse(text: &str) -> Result<Self, String> {
        if text.eq_ignore_ascii_case("local") {
            return Ok(Zone::Local);
        }
        text.parse().map(Zone::Named).map_err(|_| {
            format!("expected \"local\" or a zone name such as \"Europe/Zurich\" or \"UTC\", found \"{text}\"")
        })
    }

    /// The offset from UTC in force at `t`.
    #[inline]
    pub fn offset(self, t: Timestamp) -> Span {
        // Asking the zone's rules takes longer than counting a line. No zone changes within a quarter of an hour.
        if self == Zone::UTC {
            return Span::ZERO;
        }
        let quarter = t.0.div_euclid(900_000);
        // Nearly always the quarter is the one that was asked for last.
        if let Some((zone, at, offset)) = LAST_OFFSET.get()
            && at == quarter
            && zone == self
        {
            return offset;
        }
        let offset = self.remembered_offset(t, quarter);
        LAST_OFFSET.set(Some((self, quarter, offset)));
        offset
    }

    #[cold]
    #[inline(never)]
    fn remembered_offset(self, t: Timestamp, quarter: i64) -> Span {
        OFFSETS.with_borrow_mut(|offsets| {
            let known = &mut offsets[quarter.rem_euclid(OFFSETS_KEPT as i64) as usize];
            if let Some((_, _, offset)) = known.filter(|(zone, at, _)| *zone == self && *at == quarter) {
                return offset;
            }
            let offset = self.look_up_offset(t);
            *known = Some((self, quarter, offset));
            offset
        })
    }

    fn look_up_offset(self, t: Timestamp) -> Span {
        let seconds = match self {
            Zone::Local => chrono::Local.offset_from_utc_datetime(&t.utc().naive_utc()).fix().local_minus_utc(),
            Zone::Named(tz) => tz.offset_from_utc_datetime(&t.utc().naive_utc()).fix().local_minus_utc(),
        };
        Span::from_secs(i64::from(seconds))
    }

    /// The instant of a wall-clock reading without zone. A reading that happens twice (clocks go back) is the
    /// earlier one; one that never happens (clocks go forward) is read with the offset before the change.
    pub fn instant(self, wall: NaiveDateTime) -> Timestamp {
        let as_utc = Timestamp(wall.and_utc().timestamp_millis());
        let early = as_utc - self.offset(as_utc - Span::DAY);
        if early + self.offset(early) == as_utc {
            return early;
        }
        let late = as_utc - self.offset(as_utc + Span::DAY);
        if late + self.offset(late) == as_utc { late } else { early }
    }

    /// The hour of the week at `t`: 0 is Monday 00:00 to 01:00, 167 is Sunday 23:00 to 24:00.
    pub fn hour_of_week(self, t: Timestamp) -> usize {
        // 1970-01-01 was a Thursday: 72 hours into its week.
        Zone::hour_of_local_week(t + self.offset(t))
    }

    /// The same of a reading of the local clock, taken as an instant.
    pub fn hour_of_local_week(local: Timestamp) -> usize {
        (local.bucket(Span::HOUR) + 72).rem_euclid(168) as usize
    }

    /// The later instant that has the same local time, where clocks were set back: stamps without a zone mean either.
    pub fn again(self, t: Timestamp) -> Option<Timestamp> {
        let back = self.offset(t) - self.offset(t + Span::HOUR);
        (back > Span::ZERO && self.wall(t) == self.wall(t + back)).then(|| t + back)
    }

    /// The local date and time at `t`, for texts.
    pub fn wall(self, t: Timestamp) -> NaiveDateTime {
        (t + self.offset(t)).utc().naive_utc()
    }

    /// The zone's short name at `t` for texts: `UTC`, `CET`, `+03`.
    pub fn abbreviation(self, t: Timestamp) -> String {
        match self {
            Zone::Named(tz) => tz.from_utc_datetime(&t.utc().naive_utc()).format("%Z").to_string(),
            Zone::Local => {
                let offset = self.offset(t);
                if offset == Span::ZERO {
                    return "UTC".to_owned();
                }
                let minutes = offset.millis() / 60_000;
                format!("{:+03}:{:02}", minutes / 60, (minutes % 60).abs())
            }
        }
    }
}

/// Where the time comes from, for the parts that live in real time: timers, retries, idle ticks.
pub trait Clock: Send + Sync {
    /// The wall clock now.
    fn now(&self) -> Timestamp;
    /// Time since some fixed start that never jumps.
    fn monotonic(&self) -> Span;
}

/// The system's clocks.
#[derive(Clone, Copy, Debug)]
pub struct SystemClock {
    start: std::time::Instant,
}

impl SystemClock {
    /// A clock whose monotonic time starts now.
    #[allow(clippy::new_without_default, clippy::disallowed_methods)]
    pub fn new() -> Self {
        SystemClock { start: std::time::Instant::now() }
    }
}

impl Clock for SystemClock {
    #[allow(clippy::disallowed_methods)]
    fn now(&self) -> Timestamp {
        Timestamp(Utc::now().timestamp_millis())
    }

    fn monotonic(&self) -> Span {
        Span(self.start.elapsed().as_millis() as i64)
    }
}

/// A clock that stands still until it is told to move: for tests.
#[derive(Clone, Debug, Default)]
pub struct ManualClock(Arc<AtomicI64>);

impl ManualClock {
    /// A clock that shows `t`.
    pub fn at(t: Timestamp) -> Self {
        ManualClock(Arc::new(AtomicI64::new(t.0)))
    }

    /// Moves on by `span`.
    pub fn advance(&self, span: Span) {
        self.0.fetch_add(span.0, Ordering::SeqCst);
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Timestamp {
        Timestamp(self.0.load(Ordering::SeqCst))
    }

    fn monotonic(&self) -> Span {
        Span(self.0.load(Ordering::SeqCst))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_read_and_write() {
        for (text, ms) in [("30s", 30_000), ("5m", 300_000), ("1h30m", 5_400_000), ("7d", 604_800_000), ("250ms", 250)]
        {
            assert_eq!(Span::parse(text), Ok(Span(ms)), "{text}");
            assert_eq!(Span(ms).to_string(), text);
        }
        assert_eq!(Span::parse("1.5h"), Ok(Span(5_400_000)));
        for bad in ["", "5", "m", "5 parsecs", "-3m", "1e99d"] {
            assert!(Span::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn buckets_are_aligned_and_hold_their_start() {
        let t = Timestamp::parse("2026-03-02T14:31:07.250Z").unwrap();
        assert_eq!(t.floor(Span::MINUTE).to_rfc3339(), "2026-03-02T14:31:00Z");
        assert_eq!(Timestamp::of_bucket(t.bucket(Span::MINUTE), Span::MINUTE), t.floor(Span::MINUTE));
        assert_eq!(Timestamp::from_millis(-1).bucket(Span::SECOND), -1);
    }

    #[test]
    fn hours_of_the_week_follow_the_zone_through_a_clock_change() {
        let zurich = Zone::parse("Europe/Zurich").unwrap();
        let before = Timestamp::parse("2026-03-29T00:30:00Z").unwrap();
        let after = Timestamp::parse("2026-03-29T01:30:00Z").unwrap();
        assert_eq!(zurich.hour_of_week(before), 6 * 24 + 1);
        assert_eq!(zurich.hour_of_week(after), 6 * 24 + 3);
        assert_eq!(Zone::UTC.hour_of_week(Timestamp::parse("2026-03-02T00:00:00Z").unwrap()), 0);
        let first = Timestamp::parse("2026-10-25T00:30:00Z").unwrap();
        assert_eq!(zurich.again(first), Some(first + Span::HOUR));
        assert_eq!([zurich.again(first + Span::HOUR), zurich.again(before), Zone::UTC.again(first)], [None; 3]);
        // 02:30 happens twice on 25 October: the earlier one; 02:30 on 29 March never: an instant all the same.
        let wall = |s| NaiveDateTime::parse_from_str(s, "%Y-%m-%d %H:%M").unwrap();
        assert_eq!(zurich.instant(wall("2026-10-25 02:30")).to_rfc3339(), "2026-10-25T00:30:00Z");
        assert_eq!(zurich.instant(wall("2026-03-29 02:30")).to_rfc3339(), "2026-03-29T01:30:00Z");
    }
}
