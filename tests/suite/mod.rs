//! The scenario suite: traffic that looks like life, deterministic from a seed, with what is true about it, and a scorer
//! that holds what is told against that. `tests/evaluation.rs` runs a short form as a test, `scripts/evaluate` the whole.

pub mod actor;
pub mod address;
pub mod bars;
pub mod baseline;
pub mod cast;
pub mod habits;
pub mod label;
pub mod mix;
pub mod people;
pub mod places;
pub mod play;
pub mod random;
pub mod report;
pub mod score;
pub mod shape;
pub mod stage;
pub mod story;
pub mod world;
pub mod write;

mod stories_bursts;
mod stories_days;
mod stories_errors;
mod stories_leaks;
mod stories_loops;
mod stories_ordinary;
mod stories_probes;
mod stories_rest;
mod stories_sizes;
mod stories_travel;
mod stories_users;
mod stories_young;
