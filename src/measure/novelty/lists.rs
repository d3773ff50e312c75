//! The short lists of a key: old networks and agents, newcomers, addresses.

use serde::{Deserialize, Serialize};

use super::{FEW, Olds, Seen};
use crate::event::Id;
use crate::time::Timestamp;

/// A network or agent of long standing.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(super) struct Old {
    pub(super) hash: u32,
    pub(super) last_s: u32,
    pub(super) day: i32,
}

/// A network that is new to the key.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(super) struct Newcomer {
    pub(super) network: u32,
    pub(super) first: Timestamp,
    pub(super) last: Timestamp,
    pub(super) day: i32,
    pub(super) requests: u32,
    pub(super) errors: u32,
    pub(super) rejected: u32,
}

/// An address in a new network.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(super) struct Address {
    pub(super) client: Id,
    pub(super) network: u32,
    pub(super) requests: u32,
}

/// An agent that is new to the key.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(super) struct NewAgent {
    pub(super) agent: Id,
    pub(super) first: Timestamp,
}

impl Default for Newcomer {
    fn default() -> Self {
        Newcomer::nobody()
    }
}

impl Newcomer {
    pub(super) const fn nobody() -> Self {
        let never = Timestamp::MIN;
        Newcomer { network: 0, first: never, last: never, day: i32::MIN, requests: 0, errors: 0, rejected: 0 }
    }

    pub(super) fn take(&mut self, seen: &Seen, day: i32) {
        if self.requests == 0 {
            self.first = seen.time;
        }
        (self.last, self.day) = (self.last.max(seen.time), day);
        self.requests = self.requests.saturating_add(1);
        self.errors = self.errors.saturating_add(u32::from(seen.status >= 400));
        self.rejected = self.rejected.saturating_add(u32::from(matches!(seen.status, 401 | 403)));
    }
}

/// Puts something into a full list in the place of what was not used for longest.
pub(super) fn remember(list: &mut Olds, limit: usize, item: Old) {
    if list.len() < limit {
        list.push(item);
    } else if let Some(oldest) = list.iter_mut().min_by_key(|old| old.last_s) {
        *oldest = item;
    }
}

/// Counts an id in a short list; a newcomer to a full list takes the place and count of the smallest (Metwally, Agrawal,
/// El Abbadi 2005: space-saving).
pub(super) fn count(list: &mut Vec<(Id, u32)>, id: Id) {
    if let Some((_, n)) = list.iter_mut().find(|(known, _)| *known == id) {
        *n = n.saturating_add(1);
    } else if list.len() < FEW {
        list.push((id, 1));
    } else if let Some(least) = list.iter_mut().min_by_key(|(_, n)| *n) {
        *least = (id, least.1.saturating_add(1));
    }
}

/// Whole seconds since the epoch, in the range of an `u32`.
pub(super) fn seconds(time: Timestamp) -> u32 {
    time.secs().clamp(0, i64::from(u32::MAX)) as u32
}
