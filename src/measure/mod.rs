//! What is remembered: bounded counters, each of one kind.

pub mod surprise;
