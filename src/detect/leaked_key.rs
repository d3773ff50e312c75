//! `leaked-key`.
