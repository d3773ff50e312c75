//! When a rule looks: hours of days of the week.

use super::field::WEEKDAYS;
use crate::diag::suggest;

/// The most stretches of one schedule.
const MOST: usize = 32;

/// Stretches of the week; always if there is none.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Schedule {
    stretches: Vec<Stretch>,
}

/// Some hours of some days, or all the others.
#[derive(Clone, PartialEq, Eq, Debug)]
struct Stretch {
    days: [bool; 7],
    /// Minutes of the day; where it ends before it begins, it ends on the next day.
    from: u16,
    to: u16,
    outside: bool,
}

impl Schedule {
    /// Adds a stretch: `mon-fri 08:00-18:00`, `sat,sun`, `22:00-06:00`, or `not mon-fri 08:00-18:00`.
    ///
    /// # Errors
    /// A sentence that says what was expected.
    pub fn add(&mut self, text: &str) -> Result<(), String> {
        if self.stretches.len() >= MOST {
            return Err(format!("expected at most {MOST} stretches"));
        }
        let mut words: Vec<&str> = text.split_whitespace().collect();
        let outside = words.first() == Some(&"not");
        if outside {
            words.remove(0);
        }
        let (days, hours) = match words.as_slice() {
            [one] if one.contains(':') => ([true; 7], hours(one)?),
            [one] => (days(one)?, (0, 1440)),
            [first, second] => (days(first)?, hours(second)?),
            _ => return Err(format!("expected days and hours such as \"mon-fri 08:00-18:00\", found \"{text}\"")),
        };
        self.stretches.push(Stretch { days, from: hours.0, to: hours.1, outside });
        Ok(())
    }

    /// Whether it is always.
    pub fn is_always(&self) -> bool {
        self.stretches.is_empty()
    }

    /// Whether it covers a minute of a day; Monday is 0.
    pub fn covers(&self, day: usize, minute: u16) -> bool {
        self.stretches.is_empty() || self.stretches.iter().any(|s| s.covers(day, minute))
    }
}

impl Stretch {
    fn covers(&self, day: usize, minute: u16) -> bool {
        let on = |day: usize| self.days.get(day % 7).copied().unwrap_or(false);
        let within = if self.from < self.to {
            on(day) && (self.from..self.to).contains(&minute)
        } else {
            on(day) && minute >= self.from || on(day + 6) && minute < self.to
        };
        within != self.outside
    }
}

fn days(text: &str) -> Result<[bool; 7], String> {
    let mut days = [false; 7];
    for part in text.split(',').filter(|part| !part.is_empty()) {
        let (from, to) = part.split_once('-').unwrap_or((part, part));
        let (from, to) = (day(from)?, day(to)?);
        let mut at = from;
        loop {
            if let Some(day) = days.get_mut(at) {
                *day = true;
            }
            if at == to {
                break;
            }
            at = (at + 1) % 7;
        }
    }
    Ok(days)
}

/// A day by its name or the first three letters of it.
fn day(name: &str) -> Result<usize, String> {
    let lower = name.to_ascii_lowercase();
    let found = WEEKDAYS.iter().position(|day| *day == lower || (lower.len() == 3 && day.starts_with(&lower)));
    found.ok_or_else(|| {
        let help = suggest(&lower, WEEKDAYS.iter().map(|day| &day[..3])).unwrap_or_default();
        format!("expected a day of the week, found \"{name}\": {help}")
    })
}

fn hours(text: &str) -> Result<(u16, u16), String> {
    let wrong = || format!("expected hours such as \"08:00-18:00\", found \"{text}\"");
    let (from, to) = text.split_once('-').ok_or_else(wrong)?;
    let minute = |text: &str| -> Option<u16> {
        let (hour, minute) = text.split_once(':')?;
        let (hour, minute): (u16, u16) = (hour.parse().ok()?, minute.parse().ok()?);
        (minute < 60 && (hour < 24 || (hour == 24 && minute == 0))).then_some(hour * 60 + minute)
    };
    let (from, to) = (minute(from).ok_or_else(wrong)?, minute(to).ok_or_else(wrong)?);
    if from == to || from == 1440 { Err(wrong()) } else { Ok((from, to)) }
}
