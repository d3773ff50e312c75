//! What measurements share.

pub(crate) mod log;
pub(crate) mod random;
