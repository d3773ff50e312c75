//! `[maintenance.NAME]`: times at which nobody wants to hear of what is expected then.

use super::load::check_name;
use crate::diag::Diagnostic;
use crate::notify::Maintenance;
use crate::options::{Entry, Kind, Options};
use crate::time::{Timestamp, Zone};

/// Reads one window.
pub(super) fn read(entry: &Entry, options: Options<'_>, zone: Zone) -> Maintenance {
    check_name(entry, options.report());
    let mut window = Maintenance { name: entry.key.clone(), zone, ..Maintenance::default() };
    for (text, place) in options.texts("when").unwrap_or_default() {
        if let Err(sentence) = window.when.add(&text) {
            options.report().push(Diagnostic::error(format!("in \"when\": {sentence}")).at(&place, ""));
        }
    }
    window.from = moment(&options, "from");
    window.until = moment(&options, "until");
    if window.when.is_always() && window.until.is_none() {
        options.missing("when", "when = \"sun 02:00-04:00\", or from and until for a single time");
    }
    if let (Some(from), Some(until)) = (window.from, window.until)
        && until <= from
    {
        options.error("until", "\"until\" is not after \"from\"", "", None);
    }
    let texts = |key: &str| -> Vec<String> {
        options.texts(key).unwrap_or_default().into_iter().map(|(text, _)| text).collect()
    };
    window.subjects = texts("subjects");
    window.detectors = texts("detectors");
    window.times = options.number("unless_times", 1.0..=1e6);
    window.cost = options.number("unless_cost", 0.0..=1e12);
    window.reason = options.parsed("reason", super::consumers::shown).unwrap_or_default();
    options.finish();
    window
}

/// A moment: in TOML's own form, or in quotes.
fn moment(options: &Options<'_>, key: &str) -> Option<Timestamp> {
    let entry = options.entry(key)?;
    let (Kind::Time(text) | Kind::Text(text)) = &entry.value.kind else {
        let message = format!("\"{key}\" should be a time");
        options.error(key, message, entry.value.kind.name(), Some("for example 2026-03-08T02:00:00Z".to_owned()));
        return None;
    };
    let found = Timestamp::parse(text);
    if found.is_none() {
        let help = Some("for example 2026-03-08T02:00:00Z".to_owned());
        options.error(key, format!("expected a time with its zone, found \"{text}\""), "", help);
    }
    found
}
