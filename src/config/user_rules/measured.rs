//! `event_count`, `value_count` and the like: what is measured of the lines of a window, and its bounds.

use super::{condition, text};
use crate::diag::{Diagnostic, Report};
use crate::options::{Kind, Options, Value};
use crate::rule::Field;
use crate::rule::bound::{self, Against, Bound, COMPARES, Compare, Unit};
use crate::rule::field::Kind as FieldKind;
use crate::rule::spec::{Measure, Measured};
use crate::time::Span;

/// Lines that a mean, a share, a percentile, or a comparison with what is usual rests on, unless the rule says otherwise.
const LEAST: i64 = 20;
/// Fields that are told apart together.
const MOST_FIELDS: usize = 4;
/// How long a group is watched before it is compared with what is usual for it.
const HISTORY: Span = Span::DAY;

/// Reads the measure under `look`.
pub(super) fn read(options: &Options<'_>, look: &str) -> Option<Measured> {
    let when = options.has("when").then(|| condition(options, "when"));
    let table = options.table(look, format!("\"{look}\""))?;
    let measure = measure(&table, look);
    let unit = measure.as_ref().map_or(Unit::Count, Measure::unit);
    let bounds: Vec<Option<Bound>> = COMPARES
        .into_iter()
        .filter_map(|(word, compare)| Some(bound_of(&table.entry(word)?.value, word, compare, unit, table.report())))
        .collect();
    if bounds.is_empty() {
        let example = match unit {
            Unit::Share => "\"5%\"",
            Unit::Of(FieldKind::Span) => "\"2s\"",
            Unit::Of(FieldKind::Size) => "\"10MB\"",
            _ => "100",
        };
        table.missing("gte", &format!("gte = {example}, or gte = \"5 x usual\""));
    }
    let relative = bounds.iter().flatten().any(|b| !matches!(b.against, Against::Number(_)));
    let sampled = matches!(measure, Some(Measure::Mean(_) | Measure::Quantile(..) | Measure::Share(_)));
    let upward = bounds.iter().flatten().all(|b| b.compare.is_upward());
    let least = table.integer("least", 0..=1_000_000_000);
    let least = least.unwrap_or(if sampled || (relative && upward) { LEAST } else { 0 }) as u64;
    let history = table.span("history").unwrap_or(HISTORY);
    table.finish();
    let bounds: Option<Vec<Bound>> = bounds.into_iter().collect();
    Some(Measured {
        when: when.map_or(Some(None), |when| when.map(Some))?,
        measure: measure?,
        bounds: bounds.filter(|bounds| !bounds.is_empty())?,
        least,
        history,
    })
}

fn measure(table: &Options<'_>, look: &str) -> Option<Measure> {
    match look {
        "event_count" => Some(Measure::Count),
        "value_count" => fields(table).map(Measure::Distinct),
        "value_sum" => number(table).map(Measure::Sum),
        "value_avg" => number(table).map(Measure::Mean),
        "value_percentile" => {
            let percentile = table.number("percentile", 1.0..=100.0);
            if !table.has("percentile") {
                table.missing("percentile", "percentile = 95");
            }
            Some(Measure::Quantile(number(table)?, percentile? / 100.0))
        }
        _ => {
            if !table.has("of") {
                table.missing("of", "of = 'status >= 500'");
                return None;
            }
            text::condition(&table.entry("of")?.value, "of", table.report()).map(Measure::Share)
        }
    }
}

/// The fields whose values are told apart.
fn fields(table: &Options<'_>) -> Option<Vec<Field>> {
    if !table.has("field") {
        table.missing("field", "field = \"path\"");
        return None;
    }
    let mut fields = Vec::new();
    for (name, place) in table.texts("field")? {
        match Field::parse(&name) {
            Ok(field) => fields.push(field),
            Err((message, help)) => {
                table.report().push(Diagnostic::error(message).at(&place, "").maybe_help(help));
                return None;
            }
        }
    }
    if fields.is_empty() || fields.len() > MOST_FIELDS {
        table.error("field", format!("\"field\" should name one to {MOST_FIELDS} fields"), "", None);
        return None;
    }
    Some(fields)
}

/// The field that is added up.
fn number(table: &Options<'_>) -> Option<Field> {
    if !table.has("field") {
        table.missing("field", "field = \"bytes_out\"");
        return None;
    }
    let name = table.text("field")?;
    match Field::parse(&name) {
        Ok(field) if field.kind().is_number() => Some(field),
        Ok(field) => {
            let message = format!("\"{name}\" is {}: it cannot be added up", field.kind().name());
            let help = "numbers are status, bytes_in, bytes_out, duration, tokens_in, tokens_out, tokens, cost";
            table.error("field", message, "", Some(help.to_owned()));
            None
        }
        Err((message, help)) => {
            table.error("field", message, "", help);
            None
        }
    }
}

fn bound_of(value: &Value, word: &str, compare: Compare, unit: Unit, report: &Report) -> Option<Bound> {
    let wrong = |message: String, label: &str| {
        report.push(Diagnostic::error(message).at(&value.place, label));
        None
    };
    let plain = match value.kind {
        Kind::Integer(n) if n >= 0 => n as f64,
        Kind::Number(n) if n.is_finite() && n >= 0.0 => n,
        Kind::Text(ref text) => {
            return match bound::parse(text, unit) {
                Ok(against) => Some(Bound { compare, against }),
                Err(sentence) => wrong(format!("\"{word}\" cannot be read: {sentence}"), ""),
            };
        }
        _ => {
            let message = format!("\"{word}\" should be {}, or \"5 x usual\"", bound::expected(unit));
            return wrong(message, value.kind.name());
        }
    };
    match unit {
        Unit::Share | Unit::Of(FieldKind::Span) => {
            wrong(format!("\"{word}\" should be {} in quotes", bound::expected(unit)), "this has no unit")
        }
        _ => Some(Bound { compare, against: Against::Number(plain) }),
    }
}
