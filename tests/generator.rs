//! The generator of measured logs: the same seed gives the same bytes, on any machine and in any version.

use sha2::{Digest, Sha256};

#[path = "../benches/support/mod.rs"]
mod support;

use support::log::{Plan, write};

fn digest(plan: &Plan) -> u64 {
    let mut log = Vec::new();
    write(plan, &mut log).unwrap();
    assert_eq!(log.split(|b| *b == b'\n').count(), plan.lines + 1);
    Sha256::digest(&log).iter().take(8).fold(0, |digest, byte| digest << 8 | u64::from(*byte))
}

#[test]
fn the_same_seed_gives_the_same_bytes() {
    let plan = Plan { lines: 3000, keys: 500, ..Plan::default() };
    assert_eq!(digest(&plan), digest(&plan));
    assert_ne!(digest(&plan), digest(&Plan { seed: 2, ..plan.clone() }));
    assert_ne!(digest(&plan), digest(&Plan { refused: true, ..plan }));
}
