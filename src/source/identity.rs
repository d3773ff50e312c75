//! Which file is this: device and inode, and proof of its content.
//!
//! Neither half is enough. Inodes are used again and files are truncated and refilled; two files may begin with the
//! same line. A file is the one we knew if its first bytes and the bytes before our offset are still what they were.

use std::fs::{File, Metadata};
use std::io;
use std::os::unix::fs::{FileExt, MetadataExt};

use rapidhash::v3::{RapidSecrets, rapidhash_v3_seeded};

use super::{Position, Proof};

/// How many bytes a proof covers at most.
pub(super) const PROOF_BYTES: usize = 256;

/// Fixed for ever: proofs are stored.
const SECRETS: RapidSecrets = RapidSecrets::seed(0x6c61_7077_696e_6700);

impl Proof {
    /// The proof of these bytes; the caller chooses which (at most 256).
    pub fn of(bytes: &[u8]) -> Proof {
        Proof { len: bytes.len() as u16, hash: rapidhash_v3_seeded(bytes, &SECRETS) }
    }
}

/// What `fstat` says of a file.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(super) struct Facts {
    pub(super) device: u64,
    pub(super) inode: u64,
    pub(super) size: u64,
    /// Names it has; none means deleted.
    pub(super) links: u64,
    /// Last change of content or inode, in nanoseconds since the epoch: only ever compared for being equal.
    pub(super) changed: (i64, i64),
}

impl Facts {
    /// Of an open file.
    pub(super) fn of(file: &File) -> io::Result<Facts> {
        Ok(Facts::from(&file.metadata()?))
    }

    /// Whether nothing was written between two looks, as far as the file system tells.
    pub(super) fn unchanged(&self, other: &Facts) -> bool {
        self.size == other.size && self.changed == other.changed
    }
}

impl From<&Metadata> for Facts {
    fn from(data: &Metadata) -> Facts {
        Facts {
            device: data.dev(),
            inode: data.ino(),
            size: data.size(),
            links: data.nlink(),
            changed: (data.ctime(), data.ctime_nsec()),
        }
    }
}

/// Up to `len` bytes before `end`, read without moving any cursor. Shorter if the file is.
pub(super) fn bytes_before(file: &File, end: u64, len: usize) -> io::Result<Vec<u8>> {
    let len = len.min(usize::try_from(end).unwrap_or(usize::MAX));
    let mut bytes = vec![0; len];
    let mut filled = 0;
    while let Some(rest) = bytes.get_mut(filled..).filter(|rest| !rest.is_empty()) {
        match file.read_at(rest, end - len as u64 + filled as u64) {
            Ok(0) => break,
            Ok(n) => filled += n,
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(e) => return Err(e),
        }
    }
    bytes.truncate(filled);
    Ok(bytes)
}

/// Whether the bytes just before `end` are `expected`.
pub(super) fn ends_with(file: &File, end: u64, expected: &[u8]) -> io::Result<bool> {
    Ok(bytes_before(file, end, expected.len())? == expected)
}

/// Whether the content of a file proves it to be the one at this position, whatever its name and inode.
pub(super) fn proves(file: &File, size: u64, position: &Position) -> io::Result<bool> {
    if size < position.offset {
        return Ok(false);
    }
    let head = bytes_before(file, u64::from(position.head.len), usize::from(position.head.len))?;
    let tail = bytes_before(file, position.offset, usize::from(position.tail.len))?;
    Ok(Proof::of(&head) == position.head && Proof::of(&tail) == position.tail)
}

/// Keeps the last bytes of what passes by, as many as a proof takes.
pub(super) fn slide(recent: &mut Vec<u8>, fresh: &[u8]) {
    let fresh = fresh.get(fresh.len().saturating_sub(PROOF_BYTES)..).unwrap_or_default();
    let surplus = (recent.len() + fresh.len()).saturating_sub(PROOF_BYTES);
    recent.drain(..surplus.min(recent.len()));
    recent.extend_from_slice(fresh);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn proofs_are_stable_across_versions() {
        // Proofs are stored: this value may never change.
        assert_eq!(Proof::of(b"GET / HTTP/1.1"), Proof { len: 14, hash: 0x6f41_f6df_3eb7_95ae });
        assert_ne!(Proof::of(b"a"), Proof::of(b"b"));
    }

    #[test]
    fn the_last_bytes_stay() {
        let mut recent = vec![1; 200];
        slide(&mut recent, &[2; 100]);
        assert_eq!(recent, [vec![1; 156], vec![2; 100]].concat());
        slide(&mut recent, &[3; 1000]);
        assert_eq!(recent, [3; 256]);
    }
}
