//! Times as logs write them: the common log's stamp by fixed positions, ISO 8601, seconds since the epoch in any unit,
//! and what Apache's `%{...}t` can be told to write. Months as words in other places are read by `words`.

use std::cell::Cell;

use chrono::{DateTime, NaiveDate, NaiveDateTime};

use super::wall::Wall;
use super::words;
use crate::time::{Span, Timestamp, Zone};

/// How a field writes the time.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum TimeShape {
    /// By its look; a common-log stamp must carry its zone, so that a blank inside it does not end it.
    Zoned,
    /// By its look; without a zone it is read in the source's zone.
    Any,
    /// A pattern of `strftime`, as chrono reads it; what states no zone is in UTC, or in the source's.
    Pattern { pattern: String, utc: bool },
}

impl TimeShape {
    /// Reads a time; `wall` is for those that state no zone.
    pub(super) fn read(&self, text: &[u8], wall: &Wall) -> Option<Timestamp> {
        match self {
            TimeShape::Zoned => same_minute(text).or_else(|| if is_clf(text) { None } else { by_look(text, wall) }),
            TimeShape::Any => by_look(text, wall),
            TimeShape::Pattern { pattern, utc: true } => by_pattern(text, pattern, &wall.in_zone(Zone::UTC)),
            TimeShape::Pattern { pattern, utc: false } => by_pattern(text, pattern, wall),
        }
    }
}

/// A time by its look: `10/Oct/2000:13:55:36 -0700`, `2000-10-10T13:55:36.123Z`, `2000-10-10 13:55:36`,
/// `20001010T135536Z`, seconds, milliseconds, microseconds or nanoseconds since the epoch, `Tue, 10 Oct 2000 13:55:36
/// GMT`, `Tue Oct 10 13:55:36 2000`, `Oct 10 13:55:36`. `wall` is for those without zone or year.
pub(super) fn by_look(text: &[u8], wall: &Wall) -> Option<Timestamp> {
    let text = match text {
        [b'[', inner @ .., b']'] => inner,
        other => other,
    };
    match text.get(..5)? {
        [_, _, b'/', ..] => clf(text, Some(wall)).or_else(|| words::read(text, wall)),
        [_, _, _, _, b'-' | b'/'] => iso(text, wall),
        [b'0'..=b'9', ..] => compact(text, wall).or_else(|| epoch(text)).or_else(|| words::read(text, wall)),
        _ => words::read(text, wall),
    }
}

thread_local! {
    /// The last stamp of the common log with its zone, its seconds taken out, and the instant at which its minute began.
    static MINUTE: Cell<([u8; 26], i64)> = const { Cell::new(([0; 26], 0)) };
}

/// As [`clf`] with a mandatory zone; most lines are of the same minute as the line before them.
pub(super) fn same_minute(text: &[u8]) -> Option<Timestamp> {
    let Ok(stamp) = <[u8; 26]>::try_from(text) else { return clf(text, None) };
    let (Some(tens @ 0..=5), Some(ones)) = (digit(stamp[18]), digit(stamp[19])) else { return clf(text, None) };
    let second = i64::from(tens * 10 + ones) * 1000;
    let (known, began) = MINUTE.get();
    if stamp[..18] == known[..18] && stamp[20..] == known[20..] {
        return Some(Timestamp::from_millis(began + second));
    }
    let instant = clf(text, None)?;
    MINUTE.set((stamp, instant.millis() - second));
    Some(instant)
}

/// The common log's stamp, `10/Oct/2000:13:55:36 -0700`, also with a fraction after the seconds (HAProxy). Where no
/// zone is written, that of `wall` is meant; `None` makes the zone mandatory.
pub(super) fn clf(text: &[u8], wall: Option<&Wall>) -> Option<Timestamp> {
    let fixed: &[u8; 20] = text.first_chunk()?;
    let [d1, d2, b'/', m1, m2, m3, b'/', y1, y2, y3, y4, b':', h1, h2, b':', i1, i2, b':', s1, s2] = *fixed else {
        return None;
    };
    let month = month([m1, m2, m3])?;
    let year = two(y1, y2)? * 100 + two(y3, y4)?;
    let ms = wall_ms(year, month, two(d1, d2)?, two(h1, h2)?, two(i1, i2)?, two(s1, s2)?)?;
    rest(ms, &text[20..], wall)
}

/// ISO 8601 and RFC 3339: `2000-10-10T13:55:36.123+02:00`, with a blank or slashes too, and without seconds.
pub(super) fn iso(text: &[u8], wall: &Wall) -> Option<Timestamp> {
    let Some(fixed) = text.first_chunk::<19>().filter(|fixed| fixed[16] == b':') else {
        let [y1, y2, y3, y4, _, m1, m2, b'-' | b'/', d1, d2, b'T' | b' ', h1, h2, b':', i1, i2] =
            *text.first_chunk()?
        else {
            return None;
        };
        let year = two(y1, y2)? * 100 + two(y3, y4)?;
        let ms = wall_ms(year, two(m1, m2)?, two(d1, d2)?, two(h1, h2)?, two(i1, i2)?, 0)?;
        return rest(ms, &text[16..], Some(wall));
    };
    let [
        y1,
        y2,
        y3,
        y4,
        b'-' | b'/',
        m1,
        m2,
        b'-' | b'/',
        d1,
        d2,
        b'T' | b't' | b' ' | b':' | b'\t' | b'_',
        h1,
        h2,
        b':',
        i1,
        i2,
        b':',
        s1,
        s2,
    ] = *fixed
    else {
        return None;
    };
    let year = two(y1, y2)? * 100 + two(y3, y4)?;
    let ms = wall_ms(year, two(m1, m2)?, two(d1, d2)?, two(h1, h2)?, two(i1, i2)?, two(s1, s2)?)?;
    rest(ms, &text[19..], Some(wall))
}

/// ISO 8601 without separators, `20001010T135536Z`, also without the T. As milliseconds since the epoch the latter would
/// lie centuries ahead.
fn compact(text: &[u8], wall: &Wall) -> Option<Timestamp> {
    let (date, after): (&[u8; 8], _) = text.split_first_chunk()?;
    let (clock, after) = match after {
        [b'T' | b't' | b' ', clock @ ..] => clock.split_first_chunk::<6>()?,
        clock if text.len() == 14 => clock.split_first_chunk::<6>()?,
        _ => return None,
    };
    let [y1, y2, y3, y4, m1, m2, d1, d2] = *date;
    let [h1, h2, i1, i2, s1, s2] = *clock;
    let year = two(y1, y2)? * 100 + two(y3, y4)?;
    let ms = wall_ms(year, two(m1, m2)?, two(d1, d2)?, two(h1, h2)?, two(i1, i2)?, two(s1, s2)?)?;
    rest(ms, after, Some(wall)).filter(|_| (1970..2200).contains(&year))
}

/// A day alone, `2000-10-10`, of logs that write date and time in two fields (IIS).
pub(super) fn day(text: &[u8]) -> Option<NaiveDate> {
    let [y1, y2, y3, y4, b'-' | b'/', m1, m2, b'-' | b'/', d1, d2] = *text.first_chunk::<10>()? else { return None };
    let year = i32::try_from(two(y1, y2)? * 100 + two(y3, y4)?).ok()?;
    NaiveDate::from_ymd_opt(year, two(m1, m2)?, two(d1, d2)?).filter(|_| text.len() == 10)
}

/// Time since the epoch; its size tells the unit, as no log is older than 1973 in milliseconds.
pub(super) fn epoch(text: &[u8]) -> Option<Timestamp> {
    let dot = memchr::memchr(b'.', text);
    let (whole, fraction) = dot.map_or((text, &b""[..]), |at| (&text[..at], &text[at + 1..]));
    if whole.is_empty() || whole.len() > 19 || !fraction.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let mut n: i64 = 0;
    for &b in whole {
        n = n.checked_mul(10)?.checked_add(i64::from(digit(b)?))?;
    }
    if n < 100_000_000_000 {
        return Some(Timestamp::from_millis(n * 1000 + fraction_ms(fraction)));
    }
    Some(epoch_units(n))
}

/// A number since the epoch as JSON has it: seconds with a fraction.
pub(super) fn epoch_number(number: f64) -> Option<Timestamp> {
    if !(0.0..9.2e18).contains(&number) {
        return None;
    }
    if number < 1e11 {
        return Some(Timestamp::from_millis((number * 1000.0).round() as i64));
    }
    Some(epoch_units(number as i64))
}

/// A whole number since the epoch as JSON has it, in the unit that its size tells.
pub(super) fn epoch_whole(number: u64) -> Option<Timestamp> {
    i64::try_from(number).ok().map(epoch_units)
}

/// Seconds, milliseconds, microseconds or nanoseconds since the epoch, by size.
fn epoch_units(n: i64) -> Timestamp {
    Timestamp::from_millis(if n < 100_000_000_000 {
        n.saturating_mul(1000)
    } else if n < 100_000_000_000_000 {
        n
    } else if n < 100_000_000_000_000_000 {
        n / 1000
    } else {
        n / 1_000_000
    })
}

fn is_clf(text: &[u8]) -> bool {
    matches!(text, [_, _, b'/', ..])
}

/// What follows the seconds: a fraction, then a zone.
fn rest(wall_ms: i64, text: &[u8], wall: Option<&Wall>) -> Option<Timestamp> {
    let (fraction, text) = match text {
        [b'.' | b',', after @ ..] => {
            let end = after.iter().position(|b| !b.is_ascii_digit()).unwrap_or(after.len());
            if end == 0 {
                return None;
            }
            (fraction_ms(&after[..end]), &after[end..])
        }
        other => (0, other),
    };
    let wall_ms = wall_ms + fraction;
    let text = if let [b' ', after @ ..] = text { after } else { text };
    match text {
        [] => {
            let whole = DateTime::from_timestamp_millis(wall_ms)?.naive_utc();
            Some(wall?.instant(whole))
        }
        b"Z" | b"z" => Some(Timestamp::from_millis(wall_ms)),
        other => Some(Timestamp::from_millis(wall_ms) - Span::from_millis(offset_and_name(other)?)),
    }
}

/// `+0100`, `UTC`, and what Go writes: `+0100 CET`, `+0000 UTC m=+0.1`.
fn offset_and_name(text: &[u8]) -> Option<i64> {
    let Some(blank) = memchr::memchr(b' ', text) else { return zone_offset(text) };
    let (offset, behind) = (&text[..blank], &text[blank + 1..]);
    let name = behind.split(|b| *b == b' ').next().unwrap_or_default();
    let monotonic = behind.get(name.len()..).unwrap_or_default();
    let is_name = (3..=5).contains(&name.len()) && name.iter().all(u8::is_ascii_uppercase) || name == offset;
    let is_offset = matches!(offset.first(), Some(b'+' | b'-'));
    let is_over = monotonic.is_empty() || monotonic.starts_with(b" m=");
    if is_name && is_offset && is_over { zone_offset(offset) } else { None }
}

/// Milliseconds east of Greenwich: `+01:00`, `-0700`, `+01`, `Z`, and the names that mean one offset only.
pub(super) fn zone_offset(text: &[u8]) -> Option<i64> {
    const HOUR: i64 = 3_600_000;
    if let [sign @ (b'+' | b'-'), h1, h2, after @ ..] = text {
        let minutes = match after {
            [] => 0,
            [m1, m2] | [b':', m1, m2] => two(*m1, *m2)?,
            _ => return None,
        };
        let offset = i64::from(two(*h1, *h2)? * 60 + minutes) * 60_000;
        return Some(if *sign == b'-' { -offset } else { offset });
    }
    // RFC 2822, 4.3, and the European ones. Others (IST, BST) have several meanings.
    let hours = match text {
        b"Z" | b"z" | b"UTC" | b"GMT" | b"UT" | b"WET" => 0,
        b"CET" | b"WEST" | b"MEZ" => 1,
        b"CEST" | b"EET" | b"MESZ" => 2,
        b"EEST" | b"MSK" => 3,
        b"JST" => 9,
        b"EDT" => -4,
        b"EST" | b"CDT" => -5,
        b"CST" | b"MDT" => -6,
        b"MST" | b"PDT" => -7,
        b"PST" => -8,
        _ => return None,
    };
    Some(hours * HOUR)
}

fn by_pattern(text: &[u8], pattern: &str, wall: &Wall) -> Option<Timestamp> {
    if text.len() > 96 {
        return None;
    }
    let text = std::str::from_utf8(text).ok()?;
    if let Ok(t) = DateTime::parse_from_str(text, pattern) {
        return Some(Timestamp::from_millis(t.timestamp_millis()));
    }
    // Java and others write Z for an offset of nothing, which chrono does not read.
    if pattern.ends_with('z')
        && let Some(head) = text.strip_suffix('Z')
    {
        let t = DateTime::parse_from_str(&format!("{head}+00:00"), pattern).ok()?;
        return Some(Timestamp::from_millis(t.timestamp_millis()));
    }
    if let Ok(reading) = NaiveDateTime::parse_from_str(text, pattern) {
        // Seconds since the epoch are in no zone.
        if pattern.contains("%s") {
            return Some(Timestamp::from_millis(reading.and_utc().timestamp_millis()));
        }
        return Some(wall.instant(reading));
    }
    let date = NaiveDate::parse_from_str(text, pattern).ok()?;
    Some(wall.instant(date.and_hms_opt(0, 0, 0)?))
}

/// Milliseconds since the epoch of a wall-clock reading taken as UTC; a leap second counts as the next second.
fn wall_ms(year: u32, month: u32, day: u32, hour: u32, minute: u32, second: u32) -> Option<i64> {
    if !(1..=12).contains(&month) || day == 0 || day > days_in(year, month) || hour > 24 || minute > 59 || second > 60 {
        return None;
    }
    let seconds = i64::from(hour * 3600 + minute * 60 + second);
    Some((days_since_epoch(i64::from(year), i64::from(month), i64::from(day)) * 86_400 + seconds) * 1000)
}

/// Days from 1970-01-01 in the Gregorian calendar: `days_from_civil` of Howard Hinnant, "chrono-Compatible Low-Level
/// Date Algorithms".
fn days_since_epoch(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * 146_097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719_468
}

fn days_in(year: u32, month: u32) -> u32 {
    match month {
        4 | 6 | 9 | 11 => 30,
        2 if year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400)) => 29,
        2 => 28,
        _ => 31,
    }
}

pub(super) fn month(name: [u8; 3]) -> Option<u32> {
    Some(match &name {
        b"Jan" => 1,
        b"Feb" => 2,
        b"Mar" => 3,
        b"Apr" => 4,
        b"May" => 5,
        b"Jun" => 6,
        b"Jul" => 7,
        b"Aug" => 8,
        b"Sep" => 9,
        b"Oct" => 10,
        b"Nov" => 11,
        b"Dec" => 12,
        _ => return None,
    })
}

fn digit(b: u8) -> Option<u32> {
    b.is_ascii_digit().then(|| u32::from(b - b'0'))
}

pub(super) fn two(a: u8, b: u8) -> Option<u32> {
    Some(digit(a)? * 10 + digit(b)?)
}

/// Milliseconds of a decimal fraction; digits beyond the third are dropped.
pub(super) fn fraction_ms(digits: &[u8]) -> i64 {
    let at = |n: usize| digits.get(n).map_or(0, |b| i64::from(b.wrapping_sub(b'0') % 10));
    at(0) * 100 + at(1) * 10 + at(2)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn check(text: &str, expected: Option<&str>) {
        let zurich = Zone::parse("Europe/Zurich").unwrap();
        let got = TimeShape::Any.read(text.as_bytes(), &Wall::new(zurich)).map(Timestamp::to_rfc3339_millis);
        assert_eq!(got.as_deref(), expected, "{text}");
    }

    #[test]
    fn every_shape_of_time_is_read() {
        check("10/Oct/2000:13:55:36 -0700", Some("2000-10-10T20:55:36.000Z"));
        check("[10/Oct/2000:13:55:36 +0000]", Some("2000-10-10T13:55:36.000Z"));
        check("06/Feb/2009:12:14:14.655", Some("2009-02-06T11:14:14.655Z"));
        check("2026-03-02T14:31:07.1234Z", Some("2026-03-02T14:31:07.123Z"));
        check("2026-03-02T14:31:07+01:00", Some("2026-03-02T13:31:07.000Z"));
        check("2026-03-02 14:31:07", Some("2026-03-02T13:31:07.000Z"));
        check("2026/07/02 14:31:07,5", Some("2026-07-02T12:31:07.500Z"));
        check("1772461867", Some("2026-03-02T14:31:07.000Z"));
        check("1772461867.031", Some("2026-03-02T14:31:07.031Z"));
        check("1772461867031", Some("2026-03-02T14:31:07.031Z"));
        check("1772461867031999", Some("2026-03-02T14:31:07.031Z"));
        check("1772461867031999123", Some("2026-03-02T14:31:07.031Z"));
        check("Mon, 02 Mar 2026 14:31:07 GMT", Some("2026-03-02T14:31:07.000Z"));
        check("Mon Mar  2 14:31:07 2026", Some("2026-03-02T13:31:07.000Z"));
        for (text, zoned) in [
            // RFC 2822, HTTP, RFC 850, RFC 822, asctime, date(1), Go's names for them.
            ("Mon, 02 Mar 2026 14:31:07 +0100", true),
            ("Mon, 2 Mar 2026 13:31:07 GMT", true),
            ("Monday, 02-Mar-26 13:31:07 GMT", true),
            ("02 Mar 26 13:31:07 UTC", true),
            ("Mon Mar  2 13:31:07 UTC 2026", true),
            ("Mon Mar  2 14:31:07 CET 2026", true),
            ("Mon Mar 02 05:31:07 -0800 2026", true),
            ("Mon, 2 Mar 2026 08:31:07 -0500 (EST)", true),
            // Go's time.Time.String, ISO with a zone's name, without separators.
            ("2026-03-02 13:31:07.000999 +0000 UTC", true),
            ("2026-03-02 14:31:07 +0100 CET m=+0.000042", true),
            ("2026-03-02 13:31:07 UTC", true),
            ("2026-03-02 14:31:07 CET", true),
            ("2026-03-02T13:31:07+00", true),
            ("2026-03-02t13:31:07z", true),
            ("20260302T133107Z", true),
            ("20260302T143107+0100", true),
            // Without zone.
            ("2026-03-02T14:31:07", false),
            ("2026-03-02 14:31:07.000", false),
            ("2026-03-02 14:31:07,000", false),
            ("2026-03-02\t14:31:07", false),
            ("2026/03/02 14:31:07", false),
            ("2026/03/02:14:31:07", false),
            ("20260302T143107", false),
            ("20260302143107", false),
            ("02/Mar/2026:14:31:07", false),
            ("02/Mar/2026 14:31:07", false),
            ("02-Mar-2026 14:31:07.000", false),
            ("2 March 2026 14:31:07", false),
            ("Mar 2 2026 14:31:07", false),
            ("Mar 2, 2026 2:31:07 PM", false),
            ("2026-03-02T14:31:07.000000000", false),
        ] {
            check(text, Some("2026-03-02T13:31:07.000Z"));
            let tokyo = Wall::new(Zone::parse("Asia/Tokyo").unwrap());
            let there = by_look(text.as_bytes(), &tokyo).unwrap().to_rfc3339();
            assert_eq!(there, if zoned { "2026-03-02T13:31:07Z" } else { "2026-03-02T05:31:07Z" }, "{text}");
        }
        check("2026-03-02T14:31Z", Some("2026-03-02T14:31:00.000Z"));
        check("2026-03-02 14:31", Some("2026-03-02T13:31:00.000Z"));
        check("Mar 2, 2026 12:00:07 AM", Some("2026-03-01T23:00:07.000Z"));
        check("1206507160.234", Some("2008-03-26T04:52:40.234Z"));
        for bad in [
            "",
            "-",
            "31/Feb/2000:13:55:36 -0700",
            "10/Oct/2000:13:61:36 -0700",
            "2026-13-02T14:31:07Z",
            "12",
            "1.2.3.4",
            "2026-03-02 14:31:07 GET",
            "2026-03-02",
            "14:31:07",
            "Mar 2",
            "Mon Mon Mar 2 14:31:07 2026 7",
            "Mar 32 14:31:07",
            "Foo 2 14:31:07",
            "Mar 2, 2026 13:00:00 PM",
        ] {
            check(bad, None);
        }
    }

    #[test]
    fn times_of_syslog_take_the_year_of_their_neighbours() {
        let wall = Wall::new(Zone::UTC);
        wall.near(Timestamp::parse("2026-01-02T00:00:00Z").unwrap());
        let read = |text: &str| by_look(text.as_bytes(), &wall).unwrap().to_rfc3339();
        assert_eq!(read("Dec 31 23:59:59"), "2025-12-31T23:59:59Z");
        assert_eq!(read("Jan  1 00:00:01"), "2026-01-01T00:00:01Z");
    }

    #[test]
    fn the_stamp_of_nginx_needs_its_zone() {
        let read = |text: &str| TimeShape::Zoned.read(text.as_bytes(), &Wall::new(Zone::UTC));
        assert!(read("10/Oct/2000:13:55:36").is_none());
        assert!(read("10/Oct/2000:13:55:36 +0100").is_some());
    }

    proptest! {
        #[test]
        fn the_fixed_reader_agrees_with_chrono(seconds in 0i64..7_000_000_000, offset in -14i32..=14) {
            let zone = chrono::FixedOffset::east_opt(offset * 3600).unwrap();
            let t = DateTime::from_timestamp(seconds, 0).unwrap().with_timezone(&zone);
            let stamp = t.format("%d/%b/%Y:%H:%M:%S %z").to_string();
            prop_assert_eq!(clf(stamp.as_bytes(), None), Some(Timestamp::from_secs(seconds)));
            prop_assert_eq!(by_look(t.to_rfc3339().as_bytes(), &Wall::new(Zone::UTC)), Some(Timestamp::from_secs(seconds)));
        }

        #[test]
        fn no_bytes_make_it_panic(text in proptest::collection::vec(any::<u8>(), 0..64)) {
            let _ = by_look(&text, &Wall::new(Zone::Local));
        }
    }
}
