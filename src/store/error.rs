//! What can go wrong with the state directory, in words for people.

use std::io;
use std::path::{Path, PathBuf};

/// Why the store could not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// Another daemon holds the directory.
    #[error(
        "another lapwing{} already uses the state directory {}; stop it, or give this one its own `state_dir`",
        holder.map_or(String::new(), |pid| format!(" (process {pid})")), dir.display()
    )]
    Locked {
        /// The state directory.
        dir: PathBuf,
        /// The process that holds it, where it is known.
        holder: Option<u32>,
    },
    /// A newer version wrote the state.
    #[error(
        "the state in {} was written by a newer version (state version {found}; this one knows up to {known}): \
         start that version again, or give this one another `state_dir`; nothing was changed", dir.display()
    )]
    Newer {
        /// The state directory.
        dir: PathBuf,
        /// The version found.
        found: u32,
        /// The newest version this program knows.
        known: u32,
    },
    /// The system refused.
    #[error("could not {doing} {}: {}", path.display(), reason(source))]
    Io {
        /// What was tried: `write`, `create the directory`.
        doing: &'static str,
        /// The file it was tried on.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The journal could not be written or read.
    #[error("could not {doing} the journal {}: {reason}", path.display())]
    Journal {
        /// What was tried.
        doing: &'static str,
        /// The journal's file.
        path: PathBuf,
        /// What the database said.
        reason: String,
    },
    /// The engine's state is larger than the directory may become.
    #[error("the state to save has {bytes} bytes, more than the limit of {limit}; it was not saved")]
    TooLarge {
        /// Its size.
        bytes: u64,
        /// The limit.
        limit: u64,
    },
    /// A defect ended saving half-way.
    #[error("saving the state was given up half-way, by a defect of Lapwing itself")]
    GaveUp,
}

impl StoreError {
    pub(super) fn io(doing: &'static str, path: &Path, source: io::Error) -> Self {
        StoreError::Io { doing, path: path.to_owned(), source }
    }
}

/// The system's words, with what helps.
fn reason(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => format!("{error}; free some space there"),
        io::ErrorKind::ReadOnlyFilesystem => format!("{error}; mount it writable"),
        io::ErrorKind::PermissionDenied => format!("{error}; the user that runs lapwing must own the directory"),
        _ => error.to_string(),
    }
}
