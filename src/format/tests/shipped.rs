//! The shipped formats: each takes its samples and is told from all others, and none is there for nothing.

use std::sync::Arc;

use super::registry;
use crate::format::{Choice, Context, Entry, FieldPlace, Fields, Registry, Sample, SourceParser, guess};
use crate::time::Zone;

#[test]
fn every_shipped_format_takes_its_samples() {
    let wrong: Vec<String> = registry().iter().flat_map(Entry::check_samples).collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Variants are told apart, and durations counted, by fields that nobody asks for.
#[test]
fn who_asks_for_no_other_fields_reads_the_rest_alike() {
    for entry in registry().iter() {
        let whole = entry.format_within(&Context::new(Zone::UTC, Fields::default()));
        let lean = entry.format_within(&Context::new(Zone::UTC, Fields::default().only_asked()));
        // Twice, so that each sample also comes after every other one.
        for line in entry.samples.iter().chain(&entry.samples).flat_map(lines_of) {
            let read = |format: &dyn crate::format::Format, extra: bool| {
                format.parse(line).map_err(|reject| reject.reason).map(|mut record| {
                    assert!(extra || record.extra.is_empty(), "{}: {record:?}", entry.name);
                    record.extra.clear();
                    format!("{record:?}")
                })
            };
            assert_eq!(read(&*lean, false), read(&*whole, true), "{}", entry.name);
        }
    }
}

#[test]
fn a_mapped_field_is_warned_about_only_where_no_variant_has_it() {
    let registry = registry();
    let warnings = |name: &str, place: &str| {
        let mut fields = Fields::default();
        fields.map("tenant", vec![FieldPlace::parse(place).unwrap()]);
        let found = registry.get(name).unwrap().warnings_within(&Context::new(Zone::UTC, fields));
        found.into_iter().filter(|warning| warning.starts_with("tenant = ")).count()
    };
    assert_eq!(warnings("alb", "classification_reason"), 0);
    assert_eq!(warnings("alb", "x_tenant"), 1);
    assert_eq!(warnings("combined", "x_tenant"), 1);
    assert_eq!(warnings("json", "x_tenant"), 0);
}

/// A sample with the lines that stand before it.
fn lines_of(sample: &Sample) -> Vec<&[u8]> {
    sample.before.iter().chain(std::iter::once(&sample.line)).map(String::as_bytes).collect()
}

/// All shipped formats but one.
fn without(name: &str) -> Registry {
    let mut registry = registry();
    registry.remove(name);
    registry
}

#[test]
fn every_shipped_sample_is_recognised_as_its_own_format() {
    let registry = registry();
    let mut wrong = Vec::new();
    for entry in registry.iter() {
        for sample in &entry.samples {
            let guess = guess(&lines_of(sample), &registry);
            if guess.format.as_deref() != Some(entry.name.as_str()) {
                wrong.push(format!("{}: {}: {:?}", entry.name, sample.line, guess.reason));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// A format is needed where without it at least one of its samples is read by none, or says less or another thing.
#[test]
fn no_format_is_shipped_without_a_sample_that_needs_it() {
    let mut needless = Vec::new();
    for entry in registry().iter() {
        let rest = Arc::new(without(&entry.name));
        let is_read_as_well = |sample: &Sample| {
            let mut parser = SourceParser::new(Choice::Auto, rest.clone(), Zone::UTC).unwrap();
            parser.set_arrival(Some(crate::time::Timestamp::from_secs(0)));
            parser.offer(&lines_of(sample));
            for line in &sample.before {
                drop(parser.parse(line.as_bytes()));
            }
            match (parser.parse(sample.line.as_bytes()), &sample.rejected) {
                (Ok(record), None) => sample.differences(&record).is_empty(),
                (Err(reject), Some(reason)) => reject.reason.as_str() == reason,
                _ => false,
            }
        };
        if entry.samples.iter().all(is_read_as_well) {
            needless.push(entry.name.clone());
        }
    }
    assert!(needless.is_empty(), "formats that others replace: {}", needless.join(", "));
}

#[test]
fn names_and_other_names_of_formats_are_all_different() {
    let registry = registry();
    let mut names: Vec<&str> =
        registry.iter().flat_map(|e| e.aliases.iter().chain([&e.name])).map(String::as_str).collect();
    let all = names.len();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), all);
    assert_eq!(registry.get("gunicorn").map(|e| e.name.as_str()), Some("combined"));
    assert_eq!(registry.get("iis").map(|e| e.name.as_str()), Some("w3c"));
}
