//! The generator of measured logs: the same seed gives the same bytes, on any machine and in any version.

use sha2::{Digest, Sha256};

#[path = "../benches/support/mod.rs"]
mod support;

use support::log::{Plan, write};

fn digest(plan: &Plan) -> String {
    let mut log = Vec::new();
    write(plan, &mut log).unwrap();
    assert_eq!(log.iter().filter(|b| **b == b'\n').count(), plan.lines);
    Sha256::digest(&log)[..8].iter().map(|b| format!("{b:02x}")).collect()
}

#[test]
fn the_same_seed_gives_the_same_bytes() {
    let plan = Plan { lines: 3000, keys: 500, ..Plan::default() };
    assert_eq!(digest(&plan), digest(&plan));
    assert_ne!(digest(&plan), digest(&Plan { seed: 2, ..plan.clone() }));
    assert_ne!(digest(&plan), digest(&Plan { refused: true, ..plan }));
}
