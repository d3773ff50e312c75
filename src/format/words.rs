//! Times with the month as a word, in any order: RFC 2822 and HTTP, RFC 850, `asctime`, `date`, syslog's without year.

use super::instant::{month, two, zone_offset};
use super::wall::{Wall, reading};
use crate::time::{Span, Timestamp};

/// Longer texts are no time.
const MAX_BYTES: usize = 64;

/// What was read so far.
#[derive(Default)]
struct Parts {
    year: Option<i32>,
    month: Option<u32>,
    day: Option<u32>,
    ms_of_day: Option<i64>,
    offset: Option<i64>,
    afternoon: Option<bool>,
    weekday: bool,
}

/// Reads such a time; `wall` is for those without zone or year.
pub(super) fn read(text: &[u8], wall: &Wall) -> Option<Timestamp> {
    if text.len() > MAX_BYTES {
        return None;
    }
    let mut parts = Parts::default();
    for word in text.split(|b| matches!(b, b' ' | b',' | b'\t')).filter(|word| !word.is_empty()) {
        parts.take(word)?;
    }
    parts.finish(wall)
}

impl Parts {
    fn take(&mut self, word: &[u8]) -> Option<()> {
        if word.first()?.is_ascii_digit() {
            return self.number(word);
        }
        if self.ms_of_day.is_some() {
            if let Some(afternoon) = match word {
                b"AM" | b"am" => Some(false),
                b"PM" | b"pm" => Some(true),
                _ => None,
            } {
                return put(&mut self.afternoon, afternoon);
            }
            // Go's monotonic clock, a comment of RFC 2822, the zone's name behind its offset.
            let name = |w: &[u8]| !w.is_empty() && w.iter().all(u8::is_ascii_alphabetic);
            if word.starts_with(b"m=") || matches!(word, [b'(', inner @ .., b')'] if name(inner)) {
                return Some(());
            }
            if let Some(offset) = zone_offset(word) {
                self.offset.get_or_insert(offset);
                return Some(());
            }
        }
        let three = word.first_chunk::<3>()?;
        if let Some(month) = month(*three).filter(|_| word.iter().all(u8::is_ascii_alphabetic)) {
            return put(&mut self.month, month);
        }
        if is_weekday(word) && !self.weekday {
            self.weekday = true;
            return Some(());
        }
        // `date` writes the zone before the year.
        let offset = zone_offset(word)?;
        put(&mut self.offset, offset)
    }

    fn number(&mut self, word: &[u8]) -> Option<()> {
        if word.contains(&b':') {
            let ms = self.clock(word)?;
            return put(&mut self.ms_of_day, ms);
        }
        if let Some(separator) = word.iter().find(|b| matches!(b, b'-' | b'/')) {
            // 02-Mar-2026, 2-Mar-26
            let mut pieces = word.split(|b| b == separator);
            let (day, name, year) = (pieces.next()?, pieces.next()?, pieces.next()?);
            if pieces.next().is_some() {
                return None;
            }
            put(&mut self.day, small(day)?)?;
            put(&mut self.month, month(*name.first_chunk()?)?)?;
            return put(&mut self.year, of_year(year)?);
        }
        if word.len() == 4 {
            return put(&mut self.year, of_year(word)?);
        }
        if self.day.is_none() {
            return put(&mut self.day, small(word)?);
        }
        put(&mut self.year, of_year(word)?)
    }

    /// `14:31:07`, with a fraction, and a zone that no blank parts from it.
    fn clock(&mut self, word: &[u8]) -> Option<i64> {
        let end = word.iter().position(|b| matches!(b, b'+' | b'-' | b'Z')).unwrap_or(word.len());
        if end < word.len() {
            put(&mut self.offset, zone_offset(&word[end..])?)?;
        }
        clock_ms(&word[..end])
    }

    fn finish(self, wall: &Wall) -> Option<Timestamp> {
        let (month, day, mut ms) = (self.month?, self.day?, self.ms_of_day?);
        if let Some(afternoon) = self.afternoon {
            const HOUR: i64 = 3_600_000;
            let hour = ms / HOUR;
            if !(1..=12).contains(&hour) {
                return None;
            }
            ms += match (hour, afternoon) {
                (12, false) => -12 * HOUR,
                (12, true) | (_, false) => 0,
                (_, true) => 12 * HOUR,
            };
        }
        let Some(offset) = self.offset else {
            return match self.year {
                Some(year) => Some(wall.instant(reading(year, month, day, ms)?)),
                // Syslog alone leaves the year out, and it names no day of the week.
                None if self.weekday => None,
                None => wall.without_year(|year| reading(year, month, day, ms)),
            };
        };
        let at = |year| {
            let as_utc = reading(year, month, day, ms)?.and_utc().timestamp_millis();
            Some(Timestamp::from_millis(as_utc) - Span::from_millis(offset))
        };
        at(self.year?)
    }
}

/// The time of day in milliseconds: `14:31`, `14:31:07`, `14:31:07.25`; a leap second is the next one.
pub(super) fn clock_ms(text: &[u8]) -> Option<i64> {
    let mut pieces = text.splitn(3, |b| *b == b':');
    let (hour, minute) = (small(pieces.next()?)?, small(pieces.next()?)?);
    let seconds = pieces.next().unwrap_or(b"0");
    let dot = seconds.iter().position(|b| matches!(b, b'.' | b','));
    let (whole, fraction) = dot.map_or((seconds, &b""[..]), |at| (&seconds[..at], &seconds[at + 1..]));
    let second = small(whole)?;
    if hour > 23 || minute > 59 || second > 60 || !fraction.iter().all(u8::is_ascii_digit) {
        return None;
    }
    Some(i64::from(hour * 3600 + minute * 60 + second) * 1000 + super::instant::fraction_ms(fraction))
}

/// A number of one or two digits.
fn small(text: &[u8]) -> Option<u32> {
    match text {
        [one] => two(b'0', *one),
        [a, b] => two(*a, *b),
        _ => None,
    }
}

/// Four digits, or two as RFC 2822 (4.3) reads them.
fn of_year(text: &[u8]) -> Option<i32> {
    let number = match text {
        [a, b, c, d] => two(*a, *b)? * 100 + two(*c, *d)?,
        [a, b] => match two(*a, *b)? {
            recent @ 0..50 => 2000 + recent,
            old => 1900 + old,
        },
        _ => return None,
    };
    i32::try_from(number).ok()
}

fn is_weekday(word: &[u8]) -> bool {
    const DAYS: [&str; 7] = ["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"];
    DAYS.iter().any(|day| word.eq_ignore_ascii_case(day.as_bytes()) || word.eq_ignore_ascii_case(&day.as_bytes()[..3]))
}

/// Puts what may stand once.
fn put<T>(slot: &mut Option<T>, value: T) -> Option<()> {
    if slot.is_some() {
        return None;
    }
    *slot = Some(value);
    Some(())
}
