//! Where bytes come from: files followed live, archives read for a replay, standard input.
//!
//! A source knows nothing of formats. It hands out [`Chunk`]s of whole lines together with the [`Position`] just after
//! them, so that whoever counts the lines can store both in one cut.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::event::SourceId;
use crate::time::Span;

mod file;
mod generation;
mod identity;

pub mod archive;
pub mod follow;
pub mod history;
pub mod lines;
pub mod places;
pub mod watch;

pub use file::remedy;
pub use follow::{Follower, Progress};
pub use lines::lines;
pub use watch::{Bell, Watcher};

/// A hash over some bytes of a file that proves it is still the file we knew.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Proof {
    /// How many bytes were hashed (at most 256).
    pub len: u16,
    /// Their hash (rapidhash v3, fixed seed).
    pub hash: u64,
}

/// How far one physical file has been read: its identity, proof of its content, and the offset just after the last
/// complete line taken in. Never inside a line.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Position {
    /// Number of the generation, unique for ever within one set of positions: what a store keys positions by. (Not the
    /// inode: a truncated file and its successor share that, and both positions are needed until the copy is found.)
    pub generation: u64,
    /// The name of the configured source.
    pub source: String,
    /// Where the file was last seen.
    pub path: PathBuf,
    /// Device number.
    pub device: u64,
    /// Inode number.
    pub inode: u64,
    /// Bytes from the start of the file.
    pub head: Proof,
    /// Bytes just before the offset.
    pub tail: Proof,
    /// Bytes taken in.
    pub offset: u64,
    /// Lines taken in, rejected ones included.
    pub lines: u64,
    /// For how long the file has not been seen anywhere, while the daemon ran; dropped after seven days.
    pub unseen: Span,
    /// Where the file itself lies, if `path` is a link that leads or led to it. Not part of the serialised form, which is
    /// older: whoever stores positions stores this beside them.
    #[serde(skip)]
    pub target: Option<PathBuf>,
}

/// What was passed over while cutting lines, so that nothing goes missing without being counted.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Skipped {
    /// Lines over the length limit.
    pub oversize_lines: u64,
    /// NUL bytes in holes.
    pub nul_bytes: u64,
    /// Unfinished last lines of files that are over.
    pub partial_lines: u64,
}

/// Whole lines of one file, each with its line feed: walk them with [`lines()`].
///
/// Only one kind of chunk ends without a line feed: the unfinished tail of a file that is over (rotated away or deleted,
/// and quiet). It is the chunk's only line, to be used if it parses as a whole and else to be counted as partial.
#[derive(Clone, Debug)]
pub struct Chunk {
    /// Which source.
    pub source: SourceId,
    /// The lines. May be empty when only the position moved (an oversize line was passed over).
    pub bytes: Vec<u8>,
    /// The position just after them.
    pub position: Position,
    /// What was passed over before or among them.
    pub skipped: Skipped,
}

/// Where to begin with a file met for the first time; a saved position always wins.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Start {
    /// With its first line.
    #[default]
    Beginning,
    /// After what is there already.
    End,
}

/// One configured source.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Settings {
    /// Its name in the configuration.
    pub name: String,
    /// Globs of the files; rotated copies may match.
    pub path: Vec<String>,
    /// Further globs where rotated copies lie.
    pub rotated: Vec<String>,
    /// Where to begin with a file met for the first time.
    pub start: Start,
}

/// Limits of all sources together.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Limits {
    /// The longest line, in bytes; the rest up to the line feed is passed over and counted.
    pub line_bytes: usize,
    /// How much is read at once, in bytes.
    pub chunk_bytes: usize,
    /// Files held open at the same time.
    pub open_files: usize,
    /// How much one call of [`Follower::read`] takes in before it returns, in bytes.
    pub read_bytes: usize,
    /// Unfinished lines held back for all files together, in bytes; above that they are read again later.
    pub buffered_bytes: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            line_bytes: 1 << 20,
            chunk_bytes: 64 << 10,
            open_files: 512,
            read_bytes: 1 << 20,
            buffered_bytes: 32 << 20,
        }
    }
}
