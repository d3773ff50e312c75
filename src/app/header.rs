//! The part of a snapshot that is not the engine's: what was counted, and how far every file was read.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::tally::{More, Tally};
use crate::format::Decision;
use crate::source::Position;

/// The version of this part.
pub(super) const VERSION: u16 = 1;

/// The part itself.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct Header {
    pub(super) version: u16,
    /// Names of sources by id.
    pub(super) names: Vec<String>,
    /// What was counted of each of them.
    pub(super) tallies: Vec<Tally>,
    /// Which formats were recognised, by source.
    pub(super) decisions: Vec<(String, Decision)>,
    pub(super) positions: Vec<Position>,
}

/// What stands behind the header, so that states of before it existed can be read.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Behind {
    more: Vec<More>,
    /// What links lead to, by generation.
    targets: Vec<(u64, PathBuf)>,
}

impl Header {
    /// The header of a snapshot, and what lies behind it: the engine's memory. `None` if it cannot be read.
    pub(super) fn split(bytes: &[u8]) -> Option<(Header, &[u8])> {
        let (length, rest) = bytes.split_first_chunk::<8>()?;
        let (header, memory) = rest.split_at_checked(usize::try_from(u64::from_le_bytes(*length)).ok()?)?;
        let (mut header, behind): (Header, _) = postcard::take_from_bytes(header).ok()?;
        // The first states end here.
        let behind = if behind.is_empty() { Behind::default() } else { postcard::from_bytes(behind).ok()? };
        for (tally, more) in header.tallies.iter_mut().zip(behind.more) {
            tally.more = more;
        }
        for (generation, target) in behind.targets {
            if let Some(position) = header.positions.iter_mut().find(|p| p.generation == generation) {
                position.target = Some(target);
            }
        }
        Some((header, memory))
    }

    /// As it is saved, its length first: the engine's memory is to follow.
    pub(super) fn to_bytes(&self) -> Vec<u8> {
        let more: Vec<More> = self.tallies.iter().map(|tally| tally.more.clone()).collect();
        let targets: Vec<(u64, PathBuf)> =
            self.positions.iter().filter_map(|p| Some((p.generation, p.target.clone()?))).collect();
        // Writing into memory cannot fail; an empty header would be told as damaged.
        let mut header = postcard::to_stdvec(self).unwrap_or_default();
        header.extend(postcard::to_stdvec(&Behind { more, targets }).unwrap_or_default());
        let mut bytes = Vec::with_capacity(8 + header.len());
        bytes.extend_from_slice(&(header.len() as u64).to_le_bytes());
        bytes.extend_from_slice(&header);
        bytes
    }
}
