//! Lapwing reads the access logs a team already has, learns what is normal for every API key, endpoint and client, and
//! says in plain words, within a couple of minutes, when something is not.
//!
//! The modules stand in the order in which a line walks through them; each imports only from those above it
//! (`tests/layers.rs` keeps it so). `ARCHITECTURE.md` is the map.

pub mod time;

pub mod fault;

pub mod event;

pub mod diag;

pub mod sanitize;

pub mod options;

pub mod assets;

pub mod source;

pub mod format;

pub mod measure;

pub mod rule;

pub mod intake;

pub mod detect;

pub mod incident;

pub mod engine;

pub mod notice;

pub mod store;

pub mod notify;

pub mod config;

pub mod app;

pub mod cli;
