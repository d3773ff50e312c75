//! The language of rules: any text is read or refused with a place inside it, and what was read is held against a line.

#![cfg_attr(fuzzing, no_main)]

use std::borrow::Cow;
use std::net::IpAddr;

use lapwing::rule::field::Kind;
use lapwing::rule::schedule::Schedule;
use lapwing::rule::spec::parse_step;
use lapwing::rule::{Field, Line, bound, compile, words};

/// A line that has every field.
struct Full<'a>(&'a [u8]);

impl Line for Full<'_> {
    fn text(&self, _: &Field) -> Option<Cow<'_, [u8]>> {
        Some(Cow::Borrowed(self.0))
    }
    fn number(&self, field: &Field) -> Option<f64> {
        field.kind().is_number().then_some(self.0.len() as f64)
    }
    fn address(&self) -> Option<IpAddr> {
        Some(IpAddr::from([203, 0, 113, 9]))
    }
    fn flag(&self, _: &Field) -> bool {
        self.0.len().is_multiple_of(2)
    }
}

/// Texts to begin with.
pub fn seeds() -> Vec<Vec<u8>> {
    [
        "path startswith \"/v1/\" and not (status in [401, 403] or duration > 2s)",
        "client cidr [\"10.0.0.0/8\", \"2001:db8::/32\"] && user_agent contains 'curl'",
        "path like \"/v1/*/x*\" or query.\"a b\" == \"1\" or field.pool != \"blue\"",
        "{who} made {observed} within {window}",
        "not mon-fri 08:00-18:00",
        "5 x usual",
        "10 x fail",
    ]
    .into_iter()
    .map(|text| text.as_bytes().to_vec())
    .collect()
}

/// One input.
pub fn run(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    match compile(text) {
        Ok(condition) => {
            condition.holds(&Full(bytes));
            condition.holds(&Full(b""));
            assert!(condition.fields().len() <= text.len());
        }
        Err(problems) => {
            assert!(!problems.is_empty());
            assert!(problems.iter().all(|problem| text.get(problem.span.clone()).is_some()), "{problems:?}");
        }
    }
    if let Err(problem) = words::parse(text) {
        assert!(text.get(problem.span).is_some());
    }
    let mut schedule = Schedule::default();
    if schedule.add(text).is_ok() {
        (0..7).for_each(|day| {
            schedule.covers(day, 720);
        });
    }
    for unit in [bound::Unit::Count, bound::Unit::Share, bound::Unit::Of(Kind::Span), bound::Unit::Of(Kind::Size)] {
        let _ = bound::parse(text, unit);
    }
    let _ = parse_step(text, &["fail".to_owned(), "x".to_owned()]);
}

#[cfg(fuzzing)]
libfuzzer_sys::fuzz_target!(|bytes: &[u8]| run(bytes));
