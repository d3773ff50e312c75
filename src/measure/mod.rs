//! What is remembered: bounded counters, each of one kind.

pub mod surprise;

pub mod slots;

pub mod repeats;

pub mod novelty;

pub mod peers;
