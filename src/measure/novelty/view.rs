//! What there is to know of the users of a key.

use std::cmp::Reverse;

use super::lists::{Newcomer, Old};
use super::{Novelty, Olds, Rate};
use crate::event::Id;
use crate::time::{Span, Timestamp};

/// Rejections (401, 403) in a row, and their time, from which on a key is taken as rotated.
const ROTATED: (u32, Span) = (20, Span::from_mins(5));

/// What newcomers did since some time.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Newcomers {
    /// New networks.
    pub networks: u32,
    /// New addresses.
    pub addresses: u32,
    /// New agents.
    pub agents: u32,
    /// Their requests.
    pub requests: u64,
    /// Their requests that were answered with 4xx or 5xx.
    pub errors: u64,
    /// Their requests that were answered with 401 or 403.
    pub rejected: u64,
    /// When the first of them came.
    pub first: Option<Timestamp>,
    /// When each network came that could be remembered, in no order.
    pub arrivals: Vec<Timestamp>,
}

impl Novelty {
    /// Bytes in use.
    pub fn bytes(&self) -> usize {
        let beside = |olds: &Olds| if olds.spilled() { olds.capacity() * size_of::<Old>() } else { 0 };
        let strangers = self.strangers.as_ref().map_or(0, |strangers| strangers.bytes());
        size_of::<Novelty>() + beside(&self.networks) + beside(&self.agents) + strangers
    }

    /// What the newcomers who came at `since` or later did until now.
    pub fn newcomers(&self, since: Timestamp) -> Newcomers {
        let mut all = Newcomers::default();
        let strangers = self.strangers();
        let more = (strangers.more.requests > 0 && strangers.more.last >= since).then_some(&strangers.more);
        let came_since = |newcomer: &&Newcomer| newcomer.first >= since;
        for newcomer in strangers.newcomers.iter().filter(came_since) {
            all.networks += 1;
            all.arrivals.push(newcomer.first);
            all.take(newcomer);
        }
        let theirs = |network: u32| strangers.newcomers.iter().filter(came_since).any(|n| n.network == network);
        all.addresses = strangers.addresses.iter().filter(|address| theirs(address.network)).count() as u32;
        if let Some(more) = more {
            all.networks += strangers.networks_more();
            all.take(&Newcomer { first: more.first.max(since), ..*more });
        }
        if !all.arrivals.is_empty() {
            all.addresses += strangers.more_addresses.as_ref().map_or(0, |sketch| sketch.estimate());
        }
        all.agents = strangers.new_agents.iter().filter(|agent| agent.first >= since).count() as u32;
        all
    }

    /// How many newcomers there are in all, by networks, and what they requested until now.
    pub fn newcomers_in_all(&self) -> (u32, u64) {
        let strangers = self.strangers();
        let more = if strangers.more.requests > 0 { strangers.networks_more() } else { 0 };
        let all = strangers.newcomers.iter().chain(std::iter::once(&strangers.more));
        let requests = all.map(|new| u64::from(new.requests)).sum();
        (strangers.newcomers.len() as u32 + more, requests)
    }

    /// Usual newcomers: networks, agents.
    pub fn rates(&self) -> (&Rate, &Rate) {
        (&self.network_rate, &self.agent_rate)
    }

    /// When the key was first seen.
    pub fn first_seen(&self) -> Timestamp {
        self.first
    }

    /// Whether this is still its first day: who uses it is being learned, nobody is new.
    pub fn is_first_day(&self) -> bool {
        !self.settled
    }

    /// Whether an incident about the key is open.
    pub fn is_held(&self) -> bool {
        self.held
    }

    /// Whether its users are the public: more than 50 new networks a day are usual.
    pub fn is_public(&self) -> bool {
        self.public
    }

    /// Networks of long standing, counted up to 64.
    pub fn known_networks(&self) -> u32 {
        self.networks.len() as u32
    }

    /// Whether a network is one of long standing.
    pub fn knows(&self, network: Id) -> bool {
        self.networks.iter().any(|old| old.hash == network.0 as u32)
    }

    /// Adds the networks that used the key since an instant, as far as they are told apart.
    pub fn networks_since(&self, since: Timestamp, out: &mut Vec<u32>) {
        out.extend(self.networks.iter().filter(|old| old.last_s >= super::lists::seconds(since)).map(|old| old.hash));
        out.extend(self.strangers().newcomers.iter().filter(|new| new.last >= since).map(|new| new.network));
    }

    /// Distinct networks today: what enters into the peers' histogram when the day ends.
    pub fn networks_today(&self) -> u32 {
        let new = self.strangers().newcomers.iter().filter(|newcomer| newcomer.day == self.day).count() as u32;
        self.old_today + new + self.strangers().networks_more()
    }

    /// Whether there are at least so many of them; the sketch is asked only where the lists do not say it.
    pub fn has_networks_today(&self, least: u32) -> bool {
        self.old_today >= least || self.networks_today() >= least
    }

    /// What a network that is new to the key did: its first and newest request, and how many were served.
    pub fn newcomer(&self, network: Id) -> Option<(Timestamp, Timestamp, u32)> {
        let new = self.strangers().newcomers.iter().find(|new| new.network == network.0 as u32)?;
        Some((new.first, new.last, new.requests.saturating_sub(new.errors)))
    }

    /// When one of the old networks was last active.
    pub fn old_last(&self) -> Timestamp {
        self.old_last
    }

    /// The newest request of a newcomer.
    pub fn newcomer_last(&self) -> Option<Timestamp> {
        let last = self.strangers().newcomers.iter().map(|newcomer| newcomer.last).max();
        if self.strangers().more.requests > 0 { last.max(Some(self.strangers().more.last)) } else { last }
    }

    /// All requests of the key since the first of its newcomers.
    pub fn requests_since_newcomers(&self) -> u64 {
        self.strangers().requests
    }

    /// Whether the key gets nothing but 401 and 403 any more.
    pub fn is_rotated(&self) -> bool {
        self.rejections >= ROTATED.0 && self.last - self.rejected_from >= ROTATED.1
    }

    /// Newcomers' busiest addresses, agents and endpoints, with their requests: largest first.
    pub fn parts(&self) -> [Vec<(Id, u32)>; 3] {
        let addresses = self.strangers().addresses.iter().map(|a| (a.client, a.requests)).collect();
        let mut parts = [addresses, self.strangers().used_agents.clone(), self.strangers().endpoints.clone()];
        for part in &mut parts {
            part.sort_by_key(|&(id, n): &(Id, u32)| (Reverse(n), id));
        }
        parts
    }
}

impl Newcomers {
    fn take(&mut self, newcomer: &Newcomer) {
        self.requests += u64::from(newcomer.requests);
        self.errors += u64::from(newcomer.errors);
        self.rejected += u64::from(newcomer.rejected);
        self.first = Some(self.first.map_or(newcomer.first, |first| first.min(newcomer.first)));
    }
}
