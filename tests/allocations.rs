//! No line costs an allocation once everything it needs is at hand.

use std::sync::Arc;

use lapwing::event::{Batch, Hasher, SourceId};
use lapwing::format::{Choice, Registry, SourceParser};
use lapwing::intake::{self, FingerprintKey, Intake};
use lapwing::source::lines;
use lapwing::time::Zone;

#[path = "../benches/support/mod.rs"]
mod support;

use support::log::{Plan, write};

const LINES: usize = 5_000;

/// Allocations of reading and understanding every line, after it was done once.
fn warm_allocations(format: &str, json: bool) -> u64 {
    let mut log = Vec::new();
    write(&Plan { lines: LINES, keys: 500, json, ..Plan::default() }, &mut log).unwrap();
    let registry = Arc::new(Registry::built_in().unwrap());
    let parser = SourceParser::new(Choice::Named(format.to_owned()), registry, Zone::UTC).unwrap();
    let mut intake = Intake::new(intake::Settings::default(), FingerprintKey::for_replay(), Hasher::new(1));
    let mut batch = Batch::default();
    let mut pass = || {
        batch.clear();
        for line in lines(&log) {
            intake.event(&parser.parse(line).unwrap(), SourceId(0), &mut batch);
        }
        batch.events.len()
    };
    assert_eq!(pass(), LINES);
    allocation_counter::measure(|| assert_eq!(pass(), LINES)).count_total
}

#[test]
fn combined_lines_cost_none() {
    assert_eq!(warm_allocations("combined", false), 0);
}
