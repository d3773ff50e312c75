//! Walks through numbers one by one: since when, how far, and whether that is something new for this caller.

use serde::{Deserialize, Serialize};

use super::{PEAK_KEPT, WALKS};
use crate::time::{Span, Timestamp};

/// Days that must be known before a walk can be something new.
const KNOWN_DAYS: u16 = 7;
/// Steps from which on a first walk is more than a look at a list.
const FIRST_STEPS: f32 = 200.0;
/// So many times the steps of its second longest walk are a new one.
const LONGER: f32 = 4.0;
/// A walk that makes no step for so long is over.
const PAUSE: Span = Span::from_mins(30);

/// A walk on one route.
#[derive(Clone, Copy, PartialEq, Debug, Serialize, Deserialize)]
struct Course {
    route: u32,
    since: Timestamp,
    last: Timestamp,
    steps: u32,
}

/// How a caller walks, and how far it walked on earlier days.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
pub struct Walked {
    /// The longest walks of two days, in steps, the longest first.
    longest: (f32, f32),
    /// Days that it read anything on.
    days: u16,
    courses: Vec<Course>,
}

impl Walked {
    /// A day on which it read something is over; its longest walk had so many steps.
    pub(super) fn learn(&mut self, steps: u32) {
        let (first, second) = (self.longest.0 * PEAK_KEPT, self.longest.1 * PEAK_KEPT);
        let steps = steps as f32;
        self.longest = if steps > first { (steps, first) } else { (first, second.max(steps)) };
        self.days = self.days.saturating_add(1);
    }

    /// Notes a step on a route.
    pub(super) fn step(&mut self, route: u32, now: Timestamp) {
        if let Some(course) = self.courses.iter_mut().find(|course| course.route == route) {
            if now - course.last > PAUSE {
                *course = Course { route, since: now, last: now, steps: 0 };
            }
            course.last = course.last.max(now);
            course.steps = course.steps.saturating_add(1);
            return;
        }
        let new = Course { route, since: now, last: now, steps: 1 };
        if self.courses.len() < WALKS {
            self.courses.push(new);
        } else if let Some(oldest) = self.courses.iter_mut().min_by_key(|course| course.last) {
            *oldest = new;
        }
    }

    /// What looked like a walk on a route was chance.
    pub(super) fn stray(&mut self, route: u32) {
        self.courses.retain(|course| course.route != route);
    }

    /// Since when, and how many steps, it walks on a route at `now`, if that is something that it has not done before.
    pub(super) fn news(&self, route: u32, now: Timestamp) -> Option<Walk> {
        let course = self.courses.iter().find(|course| course.route == route && now - course.last <= PAUSE)?;
        let long = course.steps as f32 >= FIRST_STEPS.max(LONGER * self.longest.1);
        (long && self.days >= KNOWN_DAYS).then_some(Walk { since: course.since, steps: course.steps })
    }

    /// Steps of the longest walk that goes on.
    #[cfg(test)]
    pub(super) fn furthest(&self) -> u32 {
        self.courses.iter().map(|course| course.steps).max().unwrap_or(0)
    }

    /// Bytes it has on the heap.
    pub(super) fn heap_bytes(&self) -> usize {
        self.courses.capacity() * size_of::<Course>()
    }

    /// Whether there is anything to remember.
    pub fn is_known(&self) -> bool {
        self.days > 0 || !self.courses.is_empty()
    }
}

/// A walk that goes on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Walk {
    /// When it began.
    pub since: Timestamp,
    /// Its steps so far.
    pub steps: u32,
}
