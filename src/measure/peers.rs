//! What is usual among peers.
