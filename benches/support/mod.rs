//! What measurements share.

pub mod log;
pub mod random;
