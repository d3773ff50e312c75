//! Calendar periods: the hour, day, week or month that an instant belongs to, in a zone.

use chrono::{Datelike, NaiveDate, NaiveTime};

use crate::time::{Span, Timestamp, Zone};

/// A length of the calendar.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[allow(missing_docs)]
pub enum Period {
    Hour,
    #[default]
    Day,
    /// From Monday on.
    Week,
    Month,
}

/// The periods as configuration writes them.
const WRITTEN: [(&str, Period); 4] =
    [("1h", Period::Hour), ("1d", Period::Day), ("1w", Period::Week), ("1mo", Period::Month)];

impl Period {
    /// From configuration: `1h`, `1d`, `1w` or `1mo`.
    ///
    /// # Errors
    /// A sentence that says what was expected, and what was probably meant.
    pub fn parse(text: &str) -> Result<Self, String> {
        if let Some((_, period)) = WRITTEN.iter().find(|(word, _)| *word == text) {
            return Ok(*period);
        }
        let meant = match text {
            "hour" | "60m" | "60min" | "h" | "hourly" => "; did you mean \"1h\"?",
            "day" | "24h" | "d" | "daily" => "; did you mean \"1d\"?",
            "week" | "7d" | "w" | "weekly" => "; did you mean \"1w\"?",
            "month" | "30d" | "31d" | "4w" | "1m" | "1M" | "monthly" => "; did you mean \"1mo\"?",
            _ => "",
        };
        Err(format!("expected \"1h\", \"1d\", \"1w\" or \"1mo\", found \"{text}\"{meant}"))
    }

    /// As people say it: `hour`, `day`, `week`, `month`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Period::Hour => "hour",
            Period::Day => "day",
            Period::Week => "week",
            Period::Month => "month",
        }
    }

    /// How long it is, or at most is.
    pub const fn longest(self) -> Span {
        match self {
            Period::Hour => Span::HOUR,
            Period::Day => Span::from_hours(25),
            Period::Week => Span::from_hours(169),
            Period::Month => Span::from_hours(31 * 24 + 1),
        }
    }

    /// The first instant of the period that `t` belongs to, and that of the next.
    pub fn bounds(self, t: Timestamp, zone: Zone) -> (Timestamp, Timestamp) {
        if self == Period::Hour {
            let offset = zone.offset(t);
            let start = (t + offset).floor(Span::HOUR) - offset;
            return (start, start + Span::HOUR);
        }
        let date = zone.wall(t).date();
        let (first, next) = match self {
            Period::Week => {
                let monday = date - chrono::TimeDelta::days(i64::from(date.weekday().num_days_from_monday()));
                (monday, monday.checked_add_signed(chrono::TimeDelta::days(7)))
            }
            Period::Month => {
                let first = date.with_day(1).unwrap_or(date);
                (first, first.checked_add_months(chrono::Months::new(1)))
            }
            Period::Hour | Period::Day => (date, date.succ_opt()),
        };
        let midnight = |date: NaiveDate| zone.instant(date.and_time(NaiveTime::MIN));
        let (start, end) = (midnight(first), midnight(next.unwrap_or(first)));
        if start <= t && t < end {
            return (start, end);
        }
        // Beyond the calendar's own years.
        let start = t.floor(self.longest());
        (start, start + self.longest())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bounds(period: &str, t: &str, zone: &str) -> [String; 2] {
        let (zone, t) = (Zone::parse(zone).unwrap(), Timestamp::parse(t).unwrap());
        let (start, end) = Period::parse(period).unwrap().bounds(t, zone);
        assert!(start <= t && t < end);
        [start, end].map(|t| zone.wall(t).format("%a %Y-%m-%d %H:%M").to_string())
    }

    #[test]
    fn periods_are_those_of_the_wall() {
        let zurich = "Europe/Zurich";
        assert_eq!(
            bounds("1h", "2026-03-02T14:31:07Z", "Asia/Kolkata"),
            ["Mon 2026-03-02 20:00", "Mon 2026-03-02 21:00"]
        );
        assert_eq!(bounds("1d", "2026-03-02T23:30:00Z", zurich), ["Tue 2026-03-03 00:00", "Wed 2026-03-04 00:00"]);
        assert_eq!(bounds("1w", "2026-03-08T22:59:59Z", zurich), ["Mon 2026-03-02 00:00", "Mon 2026-03-09 00:00"]);
        assert_eq!(bounds("1w", "2026-03-08T23:00:00Z", zurich), ["Mon 2026-03-09 00:00", "Mon 2026-03-16 00:00"]);
        assert_eq!(bounds("1mo", "2024-02-29T12:00:00Z", "UTC"), ["Thu 2024-02-01 00:00", "Fri 2024-03-01 00:00"]);
    }

    #[test]
    fn days_have_23_to_25_hours_and_leave_no_gap() {
        for (zone, change) in
            [("Europe/Zurich", "2026-03-29"), ("Europe/Zurich", "2026-10-25"), ("Asia/Beirut", "2026-03-29")]
        {
            let zone = Zone::parse(zone).unwrap();
            for period in [Period::Hour, Period::Day, Period::Week, Period::Month] {
                let mut t = Timestamp::parse(change).unwrap() - Span::from_days(2);
                let end = t + Span::from_days(5);
                while t < end {
                    let (start, next) = period.bounds(t, zone);
                    assert!(start <= t && t < next && next - start <= period.longest(), "{period:?} {t}");
                    assert_eq!(period.bounds(next - Span::from_millis(1), zone), (start, next), "{period:?} {t}");
                    assert_eq!(period.bounds(next, zone).0, next, "{period:?} {t}");
                    t += Span::from_mins(17);
                }
            }
        }
        for t in [Timestamp::MIN, Timestamp::MAX, Timestamp::from_millis(i64::from(i32::MIN))] {
            let (start, end) = Period::Month.bounds(t, Zone::UTC);
            assert!(start <= t && t < end);
        }
    }

    #[test]
    fn what_was_probably_meant_is_said() {
        assert_eq!(
            Period::parse("24h").unwrap_err(),
            "expected \"1h\", \"1d\", \"1w\" or \"1mo\", found \"24h\"; did you mean \"1d\"?"
        );
        assert!(Period::parse("1y").unwrap_err().ends_with("found \"1y\""));
    }
}
