//! What every judgement of one tick shares.

use crate::event::SubjectKind;
use crate::measure::calendar::Moment;
use crate::measure::normal::Surroundings;
use crate::measure::ring::TICK;
use crate::time::{Span, Timestamp};

/// How easily a rule speaks.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Sensitivity {
    /// One false alert in years; misses the faint.
    Low,
    /// The default.
    #[default]
    Normal,
    /// Hears the faint and errs a hundred times as often.
    High,
}

impl Sensitivity {
    /// False alerts a week that are accepted for all streams of one kind together.
    pub const fn budget_per_week(self) -> f64 {
        match self {
            Sensitivity::Low => 0.0002,
            Sensitivity::Normal => 0.02,
            Sensitivity::High => 2.0,
        }
    }
}

/// The tick that is judged, and what surrounds it.
#[derive(Clone, Copy, Debug)]
pub struct Scene<'a> {
    /// Number of the judged tick.
    pub tick: i64,
    /// Its end.
    pub end: Timestamp,
    /// Zone, calendar and population.
    pub around: Surroundings<'a>,
    /// Up to now everything is up this much together (1 is usual), the largest few left out.
    pub site_factor: f64,
    /// How long the site has been watched.
    pub history: Span,
    /// The hour of the week at the tick's end.
    pub hour: usize,
}

impl<'a> Scene<'a> {
    /// The scene of a tick.
    pub fn new(tick: i64, around: Surroundings<'a>, site_factor: f64, history: Span) -> Self {
        let end = Timestamp::of_bucket(tick + 1, TICK);
        let hour = Moment::at(end - Span::from_secs(1), around.zone).hour;
        Scene { tick, end, around, site_factor, history, hour }
    }

    /// Number of the last minute that is over.
    pub fn minute(&self) -> i64 {
        self.end.bucket(Span::MINUTE) - 1
    }

    /// Whether the tick ends a minute: longer windows are judged then.
    pub fn ends_minute(&self) -> bool {
        self.end.millis() % Span::MINUTE.millis() == 0
    }

    /// Whether the tick ends a quarter of an hour: windows of hours are judged then.
    pub fn ends_quarter(&self) -> bool {
        self.end.millis() % (15 * Span::MINUTE.millis()) == 0
    }
}

/// Bits of surprise that a count needs, for one of `streams` of its kind that are judged every minute, with `history`
/// behind the whole site (of an endpoint: behind itself, since a new route that is called is no news). Infinite where
/// nothing can be said yet: without history, 65 of the false alerts that were measured came in the first day, whatever the
/// evidence.
///
/// Until a week is known, spreads are uncertain and so are the bits. How many are asked for then was set by the suite's
/// tuning seeds: 50 for a caller on the second and third day (60 on first designs, at which nothing short of a
/// thousandfold spoke), 36 up to a week. Far beyond its own peaks a stream needs no more than later on
/// ([`crate::detect::burst`]).
pub fn need_bits(kind: SubjectKind, streams: usize, history: Span, sensitivity: Sensitivity) -> f64 {
    let judged = streams.max(1) as f64 * 10_080.0;
    let base = (judged / sensitivity.budget_per_week()).log2().clamp(20.0, 45.0);
    let single = kind.is_caller();
    let days = history.days_f64();
    if single {
        match days {
            d if d < 1.0 => f64::INFINITY,
            d if d < 3.0 => base.max(50.0),
            d if d < 7.0 => base.max(36.0),
            _ => base,
        }
    } else {
        match days {
            d if d < 2.0 / 24.0 => f64::INFINITY,
            d if d < 1.0 => base.max(60.0),
            d if d < 3.0 => base + 15.0,
            d if d < 7.0 => base + 5.0,
            _ => base,
        }
    }
}
