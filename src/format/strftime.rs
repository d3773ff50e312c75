//! Time formats of `strftime` as chrono reads them back.

use chrono::format::{Item, StrftimeItems};
use chrono::{DateTime, NaiveDate, NaiveDateTime};

/// A pattern as chrono knows it, its errors in words: letters that are not known.
///
/// Whether the pattern says the day is asked by [`says_the_day`] when its pieces are together.
pub(super) fn checked(pattern: &str) -> Result<String, String> {
    // glibc's modifiers for other calendars and digits, and for padding, change nothing that is read.
    let mut plain = String::with_capacity(pattern.len());
    let mut characters = pattern.chars().peekable();
    while let Some(c) = characters.next() {
        plain.push(c);
        if c == '%' {
            plain.extend(characters.next().filter(|c| !matches!(c, 'E' | 'O')));
        }
    }
    if StrftimeItems::new(&plain).any(|item| item == Item::Error) {
        return Err(format!("\"{pattern}\" is not a time format that strftime knows"));
    }
    Ok(plain)
}

/// Whether a time that is written so can be read back to its day; one of the time of day alone cannot.
pub(super) fn says_the_day(pattern: &str) -> bool {
    let Some(sample) = DateTime::from_timestamp(1_772_461_867, 123_456_789) else { return false };
    let mut text = String::new();
    if std::fmt::Write::write_fmt(&mut text, format_args!("{}", sample.format(pattern))).is_err() {
        return false;
    }
    DateTime::parse_from_str(&text, pattern).is_ok()
        || NaiveDateTime::parse_from_str(&text, pattern).is_ok()
        || NaiveDate::parse_from_str(&text, pattern).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_are_checked_before_lines_are() {
        assert_eq!(checked("%Ey-%Om").as_deref(), Ok("%y-%m"));
        assert!(checked("%Q%!").is_err());
        assert!(says_the_day("%Y-%m-%d %H:%M:%S") && says_the_day("%s") && says_the_day("%c"));
        assert!(!says_the_day("%H:%M:%S") && !says_the_day("%d %H"));
    }
}
