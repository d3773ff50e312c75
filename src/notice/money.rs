//! What an incident costs: so far, an hour as things are going, and until somebody is at work again.

use serde::{Deserialize, Serialize};

use crate::detect::Fact;
use crate::event::with_digits;
use crate::incident::{Change, ChangeKind};
use crate::time::{Span, Timestamp, Zone};

/// When work begins, Monday to Friday.
const MORNING: Span = Span::from_hours(9);
/// A projection reaches at least so far.
const LEAST: Span = Span::HOUR;

/// What it costs, in the configured currency.
#[derive(Clone, Copy, PartialEq, Debug, Serialize, Deserialize)]
pub struct Money {
    /// What it has cost so far; of what is over, in all.
    pub so_far: f64,
    /// What it costs an hour now; absent of what is over.
    pub per_hour: Option<f64>,
    /// What it will have cost then if nobody acts.
    pub projected: Option<f64>,
    /// The next morning of a working day, in the configured zone.
    pub projected_at: Option<Timestamp>,
}

impl Money {
    /// Of a change, if a cost is known.
    pub(super) fn of(change: &Change, zone: Zone) -> Option<Money> {
        let incident = &change.incident;
        let so_far = spent(incident.impact.cost.filter(|cost| cost.is_finite() && *cost > 0.0)?);
        let over = matches!(change.kind, ChangeKind::Resolved(_));
        let per_hour = match incident.facts.get("cost_per_hour") {
            Some(Fact::Number(per_hour)) if !over && per_hour.is_finite() && *per_hour > 0.0 => Some(*per_hour),
            _ => None,
        };
        let then = next_morning(change.at, zone);
        let projected = per_hour.map(|per_hour| so_far + per_hour * (then - change.at).secs_f64() / 3600.0);
        Some(Money {
            so_far,
            per_hour: per_hour.map(estimated),
            projected: projected.map(estimated),
            projected_at: per_hour.map(|_| then),
        })
    }
}

/// What was spent, as people would add it up.
pub(super) fn spent(cost: f64) -> f64 {
    with_digits(cost, 12)
}

/// What is reckoned, no finer than it is known.
fn estimated(cost: f64) -> f64 {
    with_digits(cost, 6)
}

/// The next beginning of a working day that is not near already.
fn next_morning(at: Timestamp, zone: Zone) -> Timestamp {
    let local = at + zone.offset(at);
    let today = local.floor(Span::DAY);
    (0..8)
        .map(|days| today + Span::DAY.times(days) + MORNING)
        // Monday is 0; the epoch was a Thursday.
        .filter(|morning| (morning.bucket(Span::DAY) + 3).rem_euclid(7) < 5)
        .find(|morning| *morning - local >= LEAST)
        .map_or(at + Span::DAY, |morning| {
            let about = morning - zone.offset(at);
            // Clocks may be set in between.
            morning - zone.offset(about)
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_next_morning_is_that_of_a_working_day() {
        let of = |at: &str| next_morning(Timestamp::parse(at).unwrap(), Zone::UTC).to_string();
        // 2026-03-06 is a Friday.
        assert_eq!(of("2026-03-05T22:00:00Z"), "2026-03-06T09:00:00Z");
        assert_eq!(of("2026-03-06T02:14:00Z"), "2026-03-06T09:00:00Z");
        assert_eq!(of("2026-03-06T08:30:00Z"), "2026-03-09T09:00:00Z");
        assert_eq!(of("2026-03-07T12:00:00Z"), "2026-03-09T09:00:00Z");
        let zone = Zone::parse("Europe/Berlin").unwrap();
        // Summer time begins on that Sunday.
        let at = Timestamp::parse("2026-03-28T12:00:00Z").unwrap();
        assert_eq!(next_morning(at, zone).to_string(), "2026-03-30T07:00:00Z");
    }
}
