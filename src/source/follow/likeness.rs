//! Whether a new file is a copy of a known one, by what is in both.

use std::fs::File;
use std::io;

use crate::source::Proof;
use crate::source::generation::{Generation, State};
use crate::source::identity::{PROOF_BYTES, bytes_before, proves};

/// How the content of a new file compares with that of a known one.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Likeness {
    /// The same, up to this many bytes.
    Same(u64),
    Different,
    /// Too little of it is there yet.
    Unclear,
    /// The start of one that was truncated in place; it may still be being copied.
    Begins,
}

/// Compares the content of a new file with what is known of another one.
pub(super) fn likeness(file: &File, size: u64, known: &Generation) -> io::Result<Likeness> {
    let position = &known.position;
    if !matches!(known.state, State::Reading | State::Gone { .. }) {
        return Ok(Likeness::Different);
    }
    // The other one can be looked at itself, also where it was not read yet: a copy is a start of it.
    if let Some(open) = &known.open {
        let (new, old) = (file, open.file());
        let head = size.min(PROOF_BYTES as u64);
        let same = bytes_before(new, head, PROOF_BYTES)? == bytes_before(old, head, PROOF_BYTES)?
            && bytes_before(new, size, PROOF_BYTES)? == bytes_before(old, size, PROOF_BYTES)?;
        if same {
            return Ok(Likeness::Same(size));
        }
        if size < position.offset {
            return Ok(if open.is_over()? { Likeness::Unclear } else { Likeness::Different });
        }
    }
    if position.offset == 0 {
        return Ok(Likeness::Different);
    }
    if size >= position.offset {
        return Ok(if proves(file, size, position)? { Likeness::Same(position.offset) } else { Likeness::Different });
    }
    // Shorter than what was read of the other one: still being copied, or copied before we read the rest.
    let head = u64::from(position.head.len);
    if size < head {
        return Ok(Likeness::Unclear);
    }
    if Proof::of(&bytes_before(file, head, PROOF_BYTES)?) != position.head {
        return Ok(Likeness::Different);
    }
    Ok(if matches!(known.state, State::Gone { shrank: true, .. }) { Likeness::Begins } else { Likeness::Unclear })
}
