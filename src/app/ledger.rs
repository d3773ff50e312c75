//! One entry for every line that was counted, in step with the cuts: what tests of exactly-once compare with what was
//! written.
//!
//! An entry is a part of the line's hash, so that no line of a log leaves its file. The list is written before the cut
//! that holds the same lines; after a kill it is cut back to what the last cut counted. So it says what the state says,
//! and neither more nor less.

use std::fs::File;
use std::io::{self, Seek, SeekFrom, Write};
use std::path::Path;

use sha2::{Digest, Sha256};

use crate::source::lines;

/// An entry: the first 16 hexadecimal digits of the line's SHA-256, and a line feed.
const ENTRY_BYTES: u64 = 17;
/// Entries are written when there are so many bytes of them.
const BUFFER_BYTES: usize = 64 << 10;

/// The list.
#[derive(Debug)]
pub(super) struct Ledger {
    file: File,
    waiting: Vec<u8>,
}

impl Ledger {
    /// Opens the list for a state that has counted so many lines.
    ///
    /// # Errors
    /// The file cannot be written, or holds fewer lines than were counted.
    pub(super) fn open(path: &Path, counted: u64) -> io::Result<Ledger> {
        let mut file = File::options().create(true).write(true).truncate(false).open(path)?;
        let length = counted * ENTRY_BYTES;
        if file.metadata()?.len() < length {
            let words = format!("the ledger holds fewer lines than the state, which has {counted}");
            return Err(io::Error::new(io::ErrorKind::InvalidData, words));
        }
        file.set_len(length)?;
        file.seek(SeekFrom::End(0))?;
        Ok(Ledger { file, waiting: Vec::new() })
    }

    /// Enters lines that are counted now.
    ///
    /// # Errors
    /// The file cannot be written.
    pub(super) fn note(&mut self, bytes: &[u8]) -> io::Result<()> {
        for line in lines(bytes) {
            for byte in Sha256::digest(line).iter().take(8) {
                write!(self.waiting, "{byte:02x}")?;
            }
            self.waiting.push(b'\n');
        }
        if self.waiting.len() > BUFFER_BYTES { self.flush() } else { Ok(()) }
    }

    /// Writes what waits.
    ///
    /// # Errors
    /// The file cannot be written.
    pub(super) fn flush(&mut self) -> io::Result<()> {
        self.file.write_all(&self.waiting)?;
        self.waiting.clear();
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn after_a_kill_it_holds_what_the_state_holds() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ledger");
        let mut ledger = Ledger::open(&path, 0).unwrap();
        ledger.note(b"one\r\n\ntwo\n").unwrap();
        ledger.flush().unwrap();
        ledger.note(b"three\n").unwrap();
        ledger.flush().unwrap();
        drop(ledger);
        // The last cut had counted two lines.
        let mut ledger = Ledger::open(&path, 2).unwrap();
        ledger.note(b"three\n").unwrap();
        ledger.flush().unwrap();
        let text = std::fs::read_to_string(&path).unwrap();
        // sha256sum says 7692c3ad3540bb80… of `one`.
        assert_eq!(text.lines().next(), Some("7692c3ad3540bb80"));
        assert_eq!(text.lines().count(), 3);
        assert!(Ledger::open(&path, 4).is_err());
    }
}
