//! A rise of everything that many small new addresses make together: none of them stands out, but all of them are new.

use std::collections::HashSet;
use std::net::IpAddr;

use crate::detect::{Fact, Facts};
use crate::engine::Engine;
use crate::time::{Span, Timestamp};

/// So many new addresses are a crowd,
const CROWD: usize = 20;
/// and make at least this share of the rise.
const PART: f64 = 0.5;
/// Who comes so long before a rise is seen to begin is one of those who make it.
const BEFORE: Span = Span::MINUTE;

impl Engine {
    /// Of a rise of everything by `excess` requests since `since`: the addresses that came with it, if those make it.
    pub(super) fn crowd(&self, since: Timestamp, excess: f64) -> Facts {
        let mut facts = Facts::new();
        let (mut addresses, mut requests) = (0usize, 0u64);
        let mut networks: HashSet<[u8; 6]> = HashSet::new();
        for row in self.clients.saved().iter().filter(|row| row.first_seen >= since - BEFORE) {
            addresses += 1;
            requests += row.requests_since_new();
            if let Ok(address) = row.name.parse::<IpAddr>() {
                networks.insert(network(address));
            }
        }
        if addresses < CROWD || (requests as f64) < PART * excess.max(1.0) {
            return facts;
        }
        facts.insert("new_clients".to_owned(), Fact::Count(addresses as u64));
        facts.insert("new_client_networks".to_owned(), Fact::Count(networks.len().max(1) as u64));
        facts.insert("new_client_requests".to_owned(), Fact::Count(requests));
        facts
    }
}

/// The network of an address: /24, /48.
fn network(address: IpAddr) -> [u8; 6] {
    let mut network = [0; 6];
    match address {
        IpAddr::V4(v4) => network[..3].copy_from_slice(&v4.octets()[..3]),
        IpAddr::V6(v6) => network.copy_from_slice(&v6.octets()[..6]),
    }
    network
}
