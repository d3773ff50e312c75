//! What a measure is held against: a number in its unit, or so many times what is usual or was before.

use super::field::Kind;
use crate::diag::suggest;

/// What is compared with.
#[derive(Clone, Copy, PartialEq, Debug)]
pub enum Against {
    /// A number: requests, seconds, bytes, a share between 0 and 1.
    Number(f64),
    /// So many times what is usual here at this hour.
    Usual(f64),
    /// So many times what was measured in the window before.
    Before(f64),
}

/// How it is compared, in the words of Sigma.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[allow(missing_docs)]
pub enum Compare {
    AtLeast,
    More,
    AtMost,
    Less,
}

/// The comparisons as rules write them.
pub const COMPARES: [(&str, Compare); 4] =
    [("gte", Compare::AtLeast), ("gt", Compare::More), ("lte", Compare::AtMost), ("lt", Compare::Less)];

impl Compare {
    /// Whether it asks for much, and not for little.
    pub const fn is_upward(self) -> bool {
        matches!(self, Compare::AtLeast | Compare::More)
    }

    /// Whether a value meets a limit.
    pub fn holds(self, value: f64, limit: f64) -> bool {
        match self {
            Compare::AtLeast => value >= limit,
            Compare::More => value > limit,
            Compare::AtMost => value <= limit,
            Compare::Less => value < limit,
        }
    }

    /// In words before a limit: `at least`.
    pub const fn words(self) -> &'static str {
        match self {
            Compare::AtLeast => "at least",
            Compare::More => "more than",
            Compare::AtMost => "at most",
            Compare::Less => "less than",
        }
    }
}

/// One bound of a measure.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Bound {
    /// How it is compared.
    pub compare: Compare,
    /// With what.
    pub against: Against,
}

/// What a measure counts, for its bounds.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Unit {
    /// A field's values.
    Of(Kind),
    /// Things that are counted.
    Count,
    /// A share between 0 and 1, written in percent.
    Share,
}

const SPANS: [(&str, f64); 6] = [("ms", 0.001), ("s", 1.0), ("m", 60.0), ("min", 60.0), ("h", 3600.0), ("d", 86_400.0)];
const SIZES: [(&str, f64); 9] = [
    ("B", 1.0),
    ("kB", 1e3),
    ("KB", 1e3),
    ("MB", 1e6),
    ("GB", 1e9),
    ("KiB", 1024.0),
    ("MiB", 1_048_576.0),
    ("GiB", 1_073_741_824.0),
    ("TB", 1e12),
];
/// Plain numbers may be shortened.
const THOUSANDS: [(&str, f64); 3] = [("k", 1e3), ("K", 1e3), ("M", 1e6)];

/// A number with its unit as the field counts it.
///
/// # Errors
/// What unit was expected.
pub(super) fn in_units(number: f64, unit: &str, kind: Kind) -> Result<f64, String> {
    let of = |units: &[(&str, f64)]| units.iter().find(|(name, _)| *name == unit).map(|(_, factor)| number * factor);
    match kind {
        Kind::Span if unit.is_empty() => Err("expected a unit: ms, s, m, h or d".to_owned()),
        Kind::Span => of(&SPANS).ok_or_else(|| "expected ms, s, m, h or d".to_owned()),
        Kind::Size if unit.is_empty() => Ok(number),
        Kind::Size => of(&SIZES).ok_or_else(|| "expected bytes, kB, MB, GB, KiB, MiB or GiB".to_owned()),
        _ if unit.is_empty() => Ok(number),
        Kind::Loose => of(&SPANS).or_else(|| of(&SIZES)).ok_or_else(|| "expected a plain number".to_owned()),
        _ => of(&THOUSANDS).ok_or_else(|| "expected a plain number".to_owned()),
    }
}

/// A bound that is written as text: `2s`, `10MB`, `5%`, `5 x usual`, `3 x before`.
///
/// # Errors
/// A sentence that says what was expected.
pub fn parse(text: &str, unit: Unit) -> Result<Against, String> {
    let text = text.trim();
    let digits = text.find(|c: char| !(c.is_ascii_digit() || matches!(c, '.' | '_'))).unwrap_or(text.len());
    let (number, rest) = text.split_at(digits);
    let wrong = || format!("expected {}, or \"5 x usual\" or \"3 x before\", found \"{text}\"", expected(unit));
    let number: f64 = number.replace('_', "").parse().map_err(|_| wrong())?;
    let rest = rest.trim();
    let factor = ["times ", "x ", "× "].iter().find_map(|sign| rest.strip_prefix(sign));
    if let Some(of) = factor {
        if !(0.001..=1e6).contains(&number) {
            return Err(format!("expected a factor between 0.001 and 1,000,000, found {number}"));
        }
        return match of.trim() {
            "usual" => Ok(Against::Usual(number)),
            "before" => Ok(Against::Before(number)),
            other => {
                let help = suggest(other, ["usual", "before"]).unwrap_or_default();
                Err(format!("expected \"usual\" or \"before\" behind the factor, found \"{other}\": {help}"))
            }
        };
    }
    match unit {
        Unit::Share if rest == "%" && number <= 100.0 => Ok(Against::Number(number / 100.0)),
        Unit::Share => Err(wrong()),
        Unit::Count => in_units(number, rest, Kind::Number).map(Against::Number).map_err(|_| wrong()),
        Unit::Of(kind) => in_units(number, rest, kind).map(Against::Number).map_err(|_| wrong()),
    }
}

/// What a bound of this unit looks like, in words.
pub fn expected(unit: Unit) -> &'static str {
    match unit {
        Unit::Share => "a share such as \"5%\"",
        Unit::Of(Kind::Span) => "a length of time such as \"2s\"",
        Unit::Of(Kind::Size) => "a number of bytes such as \"10MB\"",
        _ => "a number",
    }
}
