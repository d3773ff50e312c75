//! The saved state: whatever the bytes are, an engine that can be used or an error.
#![cfg_attr(fuzzing, no_main)]

use lapwing::engine::{Engine, Settings};
use lapwing::time::Timestamp;

/// One input.
pub fn run(data: &[u8]) {
    let Ok(mut engine) = Engine::load(Settings::default(), data) else { return };
    let mut changes = Vec::new();
    let _ = engine.status();
    engine.advance(Timestamp::from_secs(1_790_000_000), &mut changes);
    engine.finish(&mut changes);
    // What was taken can be given again.
    let saved = engine.save();
    assert!(Engine::load(Settings::default(), &saved).is_ok(), "what was saved is loaded");
}

/// Where inputs begin: a state as it is saved.
#[allow(dead_code)]
pub fn seeds() -> Vec<Vec<u8>> {
    vec![Engine::new(Settings::default()).save()]
}

#[cfg(fuzzing)]
libfuzzer_sys::fuzz_target!(|data: &[u8]| run(data));
