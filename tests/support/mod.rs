//! What several tests need: the tree they check, servers they start, receivers they listen to, and the only place in
//! which a test may wait for real time to pass.

// Each test file is a crate of its own and uses some of this only.
#![allow(dead_code)]

pub(crate) mod daemon;
pub(crate) mod labels;
pub(crate) mod machine;
pub(crate) mod mmdb;
pub(crate) mod receivers;
pub(crate) mod servers;
pub(crate) mod traffic;
pub(crate) mod tree;
