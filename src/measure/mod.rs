//! What is remembered: bounded counters, each of one kind.

pub mod surprise;

pub mod ring;

pub mod calendar;

mod decayed;

mod least;

pub mod normal;

pub mod mix;

pub mod drift;
pub mod exposure;
pub mod failures;
pub mod full;

pub mod slots;

pub mod repeats;

pub mod strangers;

pub mod novelty;

pub mod peers;

pub mod rows;

pub mod period;

pub mod budgets;

pub mod distinct;

pub mod harvest;

pub mod walk;

pub mod probes;

pub mod logins;

pub mod sharing;
pub mod sizes;

pub mod scales;
pub mod scope;

pub mod travel;
pub mod usual;

pub mod values;

pub mod spend;
pub mod spread;

pub mod window;

pub mod chain;

pub mod few;
pub mod groups;
