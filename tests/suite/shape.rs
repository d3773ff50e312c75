//! When people and machines work: the part of a caller's peak rate that is usual at an instant.

use lapwing::time::{Timestamp, Zone};

/// Milliseconds of a minute, an hour and a day.
pub const MINUTE: i64 = 60_000;
pub const HOUR: i64 = 60 * MINUTE;
pub const DAY: i64 = 24 * HOUR;

/// The zones that callers live in. The service itself is in the first.
pub const ZONES: [Zone; 6] = [
    Zone::Named(chrono_tz::Tz::Europe__Zurich),
    Zone::Named(chrono_tz::Tz::America__New_York),
    Zone::Named(chrono_tz::Tz::America__Los_Angeles),
    Zone::Named(chrono_tz::Tz::Asia__Tokyo),
    Zone::Named(chrono_tz::Tz::Asia__Kolkata),
    Zone::UTC,
];

/// Local times of all zones at one instant.
#[derive(Clone, Copy, Debug)]
pub struct Clocks {
    /// The instant.
    pub now: i64,
    offsets: [i64; ZONES.len()],
    holidays: [bool; ZONES.len()],
}

impl Clocks {
    /// `holidays`: zone and local day (days since 1970).
    pub fn at(now: i64, holidays: &[(u8, i64)]) -> Self {
        let offsets: [i64; ZONES.len()] =
            std::array::from_fn(|z| ZONES[z].offset(Timestamp::from_millis(now)).millis());
        let day = |z: usize| (now + offsets[z]).div_euclid(DAY);
        let holidays = std::array::from_fn(|z| holidays.contains(&(z as u8, day(z))));
        Clocks { now, offsets, holidays }
    }

    /// Hour of the local day with its fraction, and the weekday (0 is Monday; a holiday is a Sunday).
    fn local(&self, zone: u8) -> (f64, i64) {
        let local = self.now + self.offsets[usize::from(zone)];
        let hour = local.rem_euclid(DAY) as f64 / HOUR as f64;
        let weekday = (local.div_euclid(DAY) + 3).rem_euclid(7);
        (hour, if self.holidays[usize::from(zone)] { 6 } else { weekday })
    }

    /// The local day, in days since 1970.
    pub fn day(&self, zone: u8) -> i64 {
        (self.now + self.offsets[usize::from(zone)]).div_euclid(DAY)
    }
}

/// The course of a caller's days.
#[derive(Clone, Copy, PartialEq, Debug)]
pub enum Shape {
    /// The same at all hours.
    Flat,
    /// Working days from nine to six with a lunch break; nights and weekends have this much left.
    Office { zone: u8, rest: f64 },
    /// People at home: evenings and weekends.
    Evening { zone: u8 },
    /// A job at an hour of each night, for so many minutes.
    Nightly { zone: u8, hour: f64, minutes: f64 },
    /// A job once a week.
    Weekly { zone: u8, weekday: i64, hour: f64, minutes: f64 },
    /// A job each hour, from this minute on, for so many minutes; nothing between.
    Hourly { minute: f64, minutes: f64 },
    /// A new customer: nothing before `from`, everything after so many days, of the shape of an office.
    Ramp { zone: u8, from: i64, days: f64 },
}

/// A smooth step from 0 to 1 around `at`, about `width` hours wide.
fn step(hour: f64, at: f64, width: f64) -> f64 {
    1.0 / (1.0 + (-4.0 * (hour - at) / width).exp())
}

fn office(hour: f64, weekday: i64, rest: f64) -> f64 {
    if weekday >= 5 {
        return rest * (0.6 + 0.4 * step(hour, 9.0, 3.0) * (1.0 - step(hour, 19.0, 3.0)));
    }
    let day = step(hour, 8.6, 1.6) * (1.0 - step(hour, 17.6, 2.2));
    let lunch = 1.0 - 0.25 * (-((hour - 12.6) / 0.6).powi(2)).exp();
    let friday = if weekday == 4 { 0.92 } else { 1.0 };
    rest + (1.0 - rest) * day * lunch * friday
}

impl Shape {
    /// Between 0 and 1.
    pub fn part(self, clocks: &Clocks) -> f64 {
        match self {
            Shape::Flat => 1.0,
            Shape::Office { zone, rest } => {
                let (hour, weekday) = clocks.local(zone);
                office(hour, weekday, rest)
            }
            Shape::Evening { zone } => {
                let (hour, weekday) = clocks.local(zone);
                let evening = (-((hour - 20.5) / 2.6).powi(2)).exp();
                let day = 0.35 * step(hour, 8.0, 2.0) * (1.0 - step(hour, 23.5, 1.0));
                (0.04 + 0.75 * evening + day).min(1.0) * if weekday >= 5 { 1.0 } else { 0.8 }
            }
            Shape::Nightly { zone, hour: at, minutes } => {
                let (hour, _) = clocks.local(zone);
                within(hour, at, minutes)
            }
            Shape::Weekly { zone, weekday: on, hour: at, minutes } => {
                let (hour, weekday) = clocks.local(zone);
                if weekday == on { within(hour, at, minutes) } else { 0.0 }
            }
            Shape::Hourly { minute, minutes } => {
                let now = clocks.now.rem_euclid(HOUR) as f64 / MINUTE as f64;
                if now >= minute && now < minute + minutes { 1.0 } else { 0.0 }
            }
            Shape::Ramp { zone, from, days } => {
                let since = (clocks.now - from) as f64 / DAY as f64;
                let (hour, weekday) = clocks.local(zone);
                (since / days).clamp(0.0, 1.0) * office(hour, weekday, 0.1)
            }
        }
    }

    /// Whether it changes from one minute to the next.
    pub fn is_sharp(self) -> bool {
        matches!(self, Shape::Nightly { .. } | Shape::Weekly { .. } | Shape::Hourly { .. })
    }
}

fn within(hour: f64, at: f64, minutes: f64) -> f64 {
    let since = (hour - at).rem_euclid(24.0) * 60.0;
    if since < minutes { 1.0 } else { 0.0 }
}
