//! What is remembered: bounded counters, each of one kind.

pub mod calendar;
pub mod failures;
pub mod mix;
pub mod normal;
pub mod novelty;
pub mod ring;
pub mod rows;
pub mod surprise;
