//! The alert budget: how many messages a week people want, and who is heard when there are more.
//!
//! It works twice. Before: the evidence that is asked for follows from it, for however many streams there are, so that
//! chance alone uses up a small part of it. After: when more is going on than fits, the strongest are told and the rest
//! is in the daily summary. What is critical, a leaked key and the user's own budgets are always told.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

use crate::event::Severity;
use crate::time::{Span, Timestamp};

/// How many incidents may be told in a span of time.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Allowance {
    /// So many
    pub openings: u32,
    /// in so long.
    pub per: Span,
}

impl Default for Allowance {
    fn default() -> Self {
        Allowance { openings: 10, per: Span::DAY }
    }
}

/// Units as they are written, and as they are shown.
const UNITS: &[(&[&str], Span, &str)] =
    &[(&["day", "d"], Span::DAY, "day"), (&["week", "w"], Span::from_days(7), "week")];

/// Weeks' worth of common wishes, from few to many: what a backtest compares with.
const LADDER: &[Allowance] = &[
    Allowance { openings: 1, per: Span::from_days(7) },
    Allowance { openings: 3, per: Span::from_days(7) },
    Allowance { openings: 1, per: Span::DAY },
    Allowance { openings: 3, per: Span::DAY },
    Allowance { openings: 10, per: Span::DAY },
    Allowance { openings: 30, per: Span::DAY },
    Allowance { openings: 100, per: Span::DAY },
];

impl Allowance {
    /// `3 a week`, `10 per day`, `1/day`.
    ///
    /// # Errors
    /// What was expected instead, in words.
    pub fn parse(text: &str) -> Result<Allowance, String> {
        let wrong = || format!("expected a number of alerts a day or a week such as \"3 a week\", found \"{text}\"");
        let trimmed = text.trim();
        let digits = trimmed.find(|c: char| !c.is_ascii_digit()).ok_or_else(wrong)?;
        let (number, rest) = trimmed.split_at(digits);
        let openings: u32 = number.parse().map_err(|_| wrong())?;
        let rest = rest.trim_start();
        let unit = rest
            .strip_prefix("a ")
            .or_else(|| rest.strip_prefix("per "))
            .or_else(|| rest.strip_prefix('/'))
            .ok_or_else(wrong)?
            .trim();
        let per = UNITS.iter().find(|(names, ..)| names.contains(&unit)).map(|(_, span, _)| *span).ok_or_else(wrong)?;
        if openings == 0 || openings > 10_000 {
            return Err(format!("expected between 1 and 10,000 alerts, found {openings}"));
        }
        Ok(Allowance { openings, per })
    }

    /// Alerts a week.
    pub fn per_week(&self) -> f64 {
        f64::from(self.openings) * 7.0 / self.per.days_f64().max(1e-3)
    }

    /// Bits of evidence that every detector asks for beyond its default, which belongs to ten alerts a day: half the
    /// alerts ask for one bit more. Bounded, so that neither a wish for silence nor one for everything makes deaf or mad.
    pub fn extra_bits(&self) -> f64 {
        (Allowance::default().per_week() / self.per_week()).log2().clamp(-6.0, 12.0)
    }

    /// The next smaller and the next larger common wish.
    pub fn neighbours(&self) -> (Option<Allowance>, Option<Allowance>) {
        let mine = self.per_week();
        let lower = LADDER.iter().rev().find(|a| a.per_week() < 0.99 * mine).copied();
        let higher = LADDER.iter().find(|a| a.per_week() > 1.01 * mine).copied();
        (lower, higher)
    }
}

impl std::fmt::Display for Allowance {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match UNITS.iter().find(|(_, span, _)| *span == self.per) {
            Some((.., name)) => write!(f, "{} a {name}", self.openings),
            None => write!(f, "{} in {} days", self.openings, self.per.days_f64()),
        }
    }
}

/// How strongly an incident asks to be told: severity first, then cost, then evidence.
#[derive(Clone, Copy, PartialEq, Debug, Serialize, Deserialize)]
pub struct Weight {
    /// How much it matters.
    pub severity: Severity,
    /// What it cost so far, in the configured currency.
    pub cost: f64,
    /// Evidence, in bits.
    pub bits: f64,
}

/// A rival must be this many bits stronger.
const CLEARLY: f64 = 10.0;

impl Weight {
    /// Whether it clearly outweighs another.
    fn outweighs(&self, other: &Weight) -> bool {
        if self.severity != other.severity {
            return self.severity > other.severity;
        }
        if self.cost.max(other.cost) > 0.0 && (self.cost - other.cost).abs() > 0.1 * self.cost.max(other.cost) {
            return self.cost > other.cost;
        }
        self.bits > other.bits + CLEARLY
    }

    fn order(&self, other: &Weight) -> std::cmp::Ordering {
        self.severity.cmp(&other.severity).then(self.cost.total_cmp(&other.cost)).then(self.bits.total_cmp(&other.bits))
    }
}

/// What of the budget is used up.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
pub struct Used {
    /// When something was told, and how strong it was; oldest first.
    told: VecDeque<(Timestamp, Weight)>,
}

impl Used {
    /// Whether one more may be told at `now`; if so it is counted. Beyond the budget only what clearly outweighs the
    /// weakest that was told: it takes its place.
    pub fn admit(&mut self, weight: Weight, now: Timestamp, allowance: &Allowance) -> bool {
        while self.told.front().is_some_and(|(at, _)| now - *at >= allowance.per) {
            self.told.pop_front();
        }
        if self.told.len() >= allowance.openings as usize {
            let weakest = self
                .told
                .iter()
                .enumerate()
                .min_by(|a, b| a.1.1.order(&b.1.1))
                .map(|(index, (_, weight))| (index, *weight));
            match weakest {
                Some((index, weakest)) if weight.outweighs(&weakest) => {
                    self.told.remove(index);
                }
                _ => return false,
            }
        }
        self.told.push_back((now, weight));
        true
    }

    /// How many of the budget are used up at `now`.
    pub fn count(&self, now: Timestamp, allowance: &Allowance) -> usize {
        self.told.iter().filter(|(at, _)| now - *at < allowance.per).count()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn budgets_as_people_write_them() {
        let week = Span::from_days(7);
        assert_eq!(Allowance::parse("3 a week"), Ok(Allowance { openings: 3, per: week }));
        assert_eq!(Allowance::parse(" 1/day "), Ok(Allowance { openings: 1, per: Span::DAY }));
        assert_eq!(Allowance::parse("10 per day"), Ok(Allowance::default()));
        for wrong in ["", "many", "3", "3 a month", "a week", "0 a day", "-1 a day", "99999999999 a day"] {
            assert!(Allowance::parse(wrong).is_err(), "{wrong}");
        }
        assert_eq!(Allowance::parse("3 a week").map(|a| a.to_string()), Ok("3 a week".to_owned()));
    }

    #[test]
    fn fewer_alerts_ask_for_more_evidence() {
        assert_eq!(Allowance::default().extra_bits(), 0.0);
        let few = Allowance::parse("5 a day").map(|a| a.extra_bits());
        assert!(few.is_ok_and(|bits| (bits - 1.0).abs() < 1e-9));
        let (lower, higher) = Allowance::default().neighbours();
        assert_eq!(lower.map(|a| a.to_string()).as_deref(), Some("3 a day"));
        assert_eq!(higher.map(|a| a.to_string()).as_deref(), Some("30 a day"));
    }

    #[test]
    fn beyond_the_budget_only_the_stronger_is_heard() {
        let allowance = Allowance { openings: 2, per: Span::DAY };
        let weight = |bits| Weight { severity: Severity::Warning, cost: 0.0, bits };
        let mut used = Used::default();
        let t = Timestamp::from_secs(1_700_000_000);
        assert!(used.admit(weight(30.0), t, &allowance));
        assert!(used.admit(weight(50.0), t, &allowance));
        assert!(!used.admit(weight(35.0), t, &allowance), "no stronger than what was told");
        assert!(used.admit(weight(45.0), t, &allowance), "takes the place of the weakest");
        assert!(!used.admit(weight(45.0), t, &allowance));
        let dear = Weight { cost: 80.0, ..weight(20.0) };
        assert!(used.admit(dear, t, &allowance), "money outweighs evidence");
        assert!(!used.admit(weight(21.0), t + Span::from_hours(23), &allowance));
        assert!(used.admit(weight(21.0), t + Span::from_hours(24), &allowance), "a day later there is room again");
        assert_eq!(used.count(t + Span::from_hours(24), &allowance), 1);
    }
}
