//! Requests of keys that were met for the first time a moment ago, by where they went and how they failed.
//!
//! Which of its parts a stream has most of is known well enough from a mix; what share of an endpoint's requests somebody
//! made needs counts, over the same minutes as those of the endpoint itself.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::event::Id;
use crate::measure::failures::Class;
use crate::measure::ring::Ring;
use crate::time::{Span, Timestamp};

/// As long as the rings of subjects.
const MINUTES: usize = 64;
/// Series that are kept: of as many endpoints as have rows by default, all requests and those that failed in one way.
const MOST: usize = 4200;

/// Requests of strangers, minute by minute, for each endpoint they came to in the last hour.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
pub struct Strangers {
    /// By endpoint and, for failures, their class.
    series: BTreeMap<(Id, Option<u8>), Ring<MINUTES>>,
    /// The minute in which room was last looked for.
    looked_at: i64,
}

impl Strangers {
    /// Counts a request to an endpoint, answered with a status.
    pub fn add(&mut self, endpoint: Id, status: u16, t: Timestamp) {
        let minute = t.bucket(Span::MINUTE);
        self.count((endpoint, None), minute);
        if let Some(class) = Class::of(status) {
            self.count((endpoint, Some(class.index() as u8)), minute);
        }
    }

    fn count(&mut self, series: (Id, Option<u8>), minute: i64) {
        if let Some(ring) = self.series.get_mut(&series) {
            ring.add(minute, 1);
            return;
        }
        if self.series.len() >= MOST && self.looked_at < minute {
            self.looked_at = minute;
            self.drop_old(minute);
        }
        if self.series.len() < MOST {
            self.series.entry(series).or_default().add(minute, 1);
        }
    }

    /// Requests to an endpoint since the minute of `t`; at most an hour back.
    pub fn requests(&self, endpoint: Id, t: Timestamp) -> u64 {
        self.sum((endpoint, None), t)
    }

    /// Those of them that failed in one way.
    pub fn failures(&self, endpoint: Id, class: Class, t: Timestamp) -> u64 {
        self.sum((endpoint, Some(class.index() as u8)), t)
    }

    fn sum(&self, series: (Id, Option<u8>), t: Timestamp) -> u64 {
        self.series.get(&series).map_or(0, |ring| ring.sum(t.bucket(Span::MINUTE), i64::MAX))
    }

    /// Forgets where nobody came for an hour.
    pub fn sweep(&mut self, now: Timestamp) {
        self.drop_old(now.bucket(Span::MINUTE));
    }

    fn drop_old(&mut self, minute: i64) {
        self.series.retain(|_, ring| minute - ring.newest() < MINUTES as i64);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_endpoint_has_its_own_count_and_there_are_never_more_than_so_many() {
        let mut strangers = Strangers::default();
        let start = Timestamp::from_secs(1_790_000_040);
        for n in 0..600 {
            let status = if n % 2 == 0 { 401 } else { 200 };
            strangers.add(Id(1 + n % 3), status, start + Span::from_secs(n as i64));
        }
        assert_eq!(strangers.requests(Id(1), start), 200);
        assert_eq!(strangers.failures(Id(1), Class::Denied, start), 100);
        assert_eq!(strangers.failures(Id(1), Class::Server, start), 0);
        assert_eq!(strangers.requests(Id(1), start + Span::from_mins(5)), 100);
        assert_eq!(strangers.requests(Id(9), start), 0);
        for n in 0..10_000 {
            strangers.add(Id(100 + n), 200, start);
        }
        assert_eq!(strangers.series.len(), MOST);
        assert_eq!(strangers.requests(Id(2), start), 200, "who came first keeps the place");
        strangers.add(Id(77), 200, start + Span::from_mins(75));
        assert_eq!(strangers.requests(Id(77), start), 1, "what is an hour old gives way");
        strangers.sweep(start + Span::from_hours(3));
        assert!(strangers.series.is_empty());
    }
}
