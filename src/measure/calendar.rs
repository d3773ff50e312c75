//! The site's calendar: which hour of the week it is, which minutes say nothing because no data came, and how much
//! everything was up together.

use std::cell::Cell;
use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

use crate::time::{Span, Timestamp, Zone};

/// How many hours the calendar looks back: four weeks.
const HOURS_KEPT: usize = 28 * 24;

/// A point between the centres of two hours of the week.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Moment {
    /// Hour of the week, 0 is Monday 00:00.
    pub hour: usize,
    /// The nearer neighbouring hour of the week.
    pub near: usize,
    /// Weight of the neighbour, 0 to 0.5.
    pub weight: f32,
}

/// Moments that are remembered: those of a tick and of the hour that is learned are asked for by every stream.
const MOMENTS_KEPT: usize = 256;

thread_local! {
    static MOMENTS: [Cell<Option<(Timestamp, Zone, Moment)>>; MOMENTS_KEPT] =
        const { [const { Cell::new(None) }; MOMENTS_KEPT] };
}

impl Moment {
    /// The moment of an instant in a zone.
    #[inline]
    pub fn at(t: Timestamp, zone: Zone) -> Moment {
        // The upper bits of a product mix all bits of the factor.
        let place = (t.millis() as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 56;
        MOMENTS.with(|moments| {
            let known = &moments[place as usize % MOMENTS_KEPT];
            match known.get() {
                Some((at, of, moment)) if at == t && of == zone => moment,
                _ => Moment::remember(known, t, zone),
            }
        })
    }

    #[cold]
    #[inline(never)]
    fn remember(known: &Cell<Option<(Timestamp, Zone, Moment)>>, t: Timestamp, zone: Zone) -> Moment {
        let moment = Moment::look_up(t, zone);
        known.set(Some((t, zone, moment)));
        moment
    }

    fn look_up(t: Timestamp, zone: Zone) -> Moment {
        let local = t + zone.offset(t);
        let hour = Zone::hour_of_local_week(local);
        let part = (local - local.floor(Span::HOUR)).hours_f64() as f32;
        if part < 0.5 {
            Moment { hour, near: (hour + 167) % 168, weight: 0.5 - part }
        } else {
            Moment { hour, near: (hour + 1) % 168, weight: part - 0.5 }
        }
    }
}

/// What is known of one hour besides its counts.
#[derive(Clone, Copy, PartialEq, Debug, Default, Serialize, Deserialize)]
struct Hour {
    /// Minutes without data from anybody although there should have been some.
    void_minutes: u8,
    /// Sum of the site factor over the ticks of the hour, and their number.
    site_factor: f32,
    ticks: u16,
}

/// What the whole site knows of the last four weeks, hour by hour.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
pub struct Calendar {
    /// Number of the oldest hour kept.
    first: i64,
    hours: VecDeque<Hour>,
    /// End of the newest void minute.
    last_void: Option<Timestamp>,
}

impl Calendar {
    /// Notes the site factor of a tick that ended at `t`.
    pub fn note_site_factor(&mut self, t: Timestamp, g: f64) {
        if let Some(hour) = self.hour_mut((t - Span::from_millis(1)).bucket(Span::HOUR)) {
            hour.site_factor += g as f32;
            hour.ticks = hour.ticks.saturating_add(1);
        }
    }

    /// Marks the minute that begins at `start` as void: it is neither learned nor judged.
    pub fn mark_void(&mut self, start: Timestamp) {
        if self.last_void.is_some_and(|end| start < end) {
            return;
        }
        if let Some(hour) = self.hour_mut(start.bucket(Span::HOUR)) {
            hour.void_minutes = (hour.void_minutes + 1).min(60);
        }
        self.last_void = Some(start + Span::MINUTE);
    }

    /// Whether the `window` that ends at `end` touches a void minute.
    pub fn is_void(&self, end: Timestamp, window: Span) -> bool {
        self.last_void.is_some_and(|void| void > end - window)
    }

    /// Minutes of data in an hour, 0 to 60.
    pub fn exposure(&self, hour: i64) -> f64 {
        60.0 - self.hour(hour).map_or(0.0, |h| f64::from(h.void_minutes))
    }

    /// How much everything was up together in an hour: 1 is usual.
    pub fn site_factor(&self, hour: i64) -> f64 {
        self.hour(hour).filter(|h| h.ticks > 0).map_or(1.0, |h| f64::from(h.site_factor) / f64::from(h.ticks)).max(1.0)
    }

    fn hour(&self, number: i64) -> Option<&Hour> {
        usize::try_from(number - self.first).ok().and_then(|i| self.hours.get(i))
    }

    fn hour_mut(&mut self, number: i64) -> Option<&mut Hour> {
        if self.hours.is_empty() || number - self.first >= 2 * HOURS_KEPT as i64 {
            self.hours.clear();
            self.first = number;
        }
        while number - self.first >= self.hours.len() as i64 {
            self.hours.push_back(Hour::default());
            if self.hours.len() > HOURS_KEPT {
                self.hours.pop_front();
                self.first += 1;
            }
        }
        usize::try_from(number - self.first).ok().and_then(|i| self.hours.get_mut(i))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_lie_between_the_centres_of_hours() {
        let at = |s| Moment::at(Timestamp::parse(s).unwrap(), Zone::UTC);
        assert_eq!(at("2026-03-02T00:30:00Z"), Moment { hour: 0, near: 1, weight: 0.0 });
        assert_eq!(at("2026-03-02T00:00:00Z"), Moment { hour: 0, near: 167, weight: 0.5 });
        assert_eq!(at("2026-03-02T14:45:00Z"), Moment { hour: 14, near: 15, weight: 0.25 });
    }

    #[test]
    fn void_minutes_shorten_the_hour_and_block_windows_until_they_slid_past() {
        let mut calendar = Calendar::default();
        let t = Timestamp::parse("2026-03-02T10:20:00Z").unwrap();
        for i in 0..5 {
            calendar.mark_void(t + Span::from_mins(i));
            calendar.mark_void(t + Span::from_mins(i));
        }
        assert_eq!(calendar.exposure(t.bucket(Span::HOUR)), 55.0);
        assert_eq!(calendar.exposure(t.bucket(Span::HOUR) + 1), 60.0);
        let end = t + Span::from_mins(10);
        assert!(calendar.is_void(end, Span::from_mins(15)));
        assert!(!calendar.is_void(end, Span::from_mins(5)));
    }
}
