//! Who is new to a key just now, and what they do. Most keys have nobody, and need no place for it.

use serde::{Deserialize, Serialize};

use super::lists::{Address, NewAgent, Newcomer};
use super::sketch::Sketch;
use crate::event::Id;
use crate::time::Timestamp;

/// The newcomers of a key, in the order in which they are saved.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct Strangers {
    pub(super) newcomers: Vec<Newcomer>,
    pub(super) addresses: Vec<Address>,
    pub(super) new_agents: Vec<NewAgent>,
    pub(super) endpoints: Vec<(Id, u32)>,
    pub(super) used_agents: Vec<(Id, u32)>,
    /// Networks and addresses that found no place, and what they did.
    pub(super) more_networks: Option<Box<Sketch>>,
    pub(super) more_addresses: Option<Box<Sketch>>,
    pub(super) more: Newcomer,
    /// All requests of the key since the first newcomer.
    pub(super) requests: u64,
}

/// Nobody is new.
pub(super) static NONE: Strangers = Strangers {
    newcomers: Vec::new(),
    addresses: Vec::new(),
    new_agents: Vec::new(),
    endpoints: Vec::new(),
    used_agents: Vec::new(),
    more_networks: None,
    more_addresses: None,
    more: Newcomer::nobody(),
    requests: 0,
};

impl Strangers {
    /// Whether nobody is new, and everybody found a place.
    pub(super) fn is_nobody(&self) -> bool {
        self.newcomers.is_empty() && self.new_agents.is_empty() && self.more_networks.is_none()
    }

    /// When the first of the networks came.
    pub(super) fn first(&self) -> Option<Timestamp> {
        self.newcomers.iter().map(|new| new.first).min()
    }

    /// Takes a network that there is no place for.
    pub(super) fn meet_more(&mut self, network: Id) {
        self.more_networks.get_or_insert_default().insert(network.0);
    }

    /// How many networks found no place.
    pub(super) fn networks_more(&self) -> u32 {
        self.more_networks.as_ref().map_or(0, |sketch| sketch.estimate())
    }

    /// Forgets what they did, and if so said how `more` of them there were than places.
    pub(super) fn forget_parts(&mut self, more: bool) {
        if more {
            self.more_networks = None;
        }
        self.addresses.clear();
        self.endpoints.clear();
        self.used_agents.clear();
        self.more_addresses = None;
        self.more = Newcomer::nobody();
    }

    /// Bytes in use.
    pub(super) fn bytes(&self) -> usize {
        let lists = self.newcomers.capacity() * size_of::<Newcomer>()
            + self.addresses.capacity() * size_of::<Address>()
            + self.new_agents.capacity() * size_of::<NewAgent>();
        let counts = (self.endpoints.capacity() + self.used_agents.capacity()) * size_of::<(Id, u32)>();
        let sketches = [&self.more_networks, &self.more_addresses].into_iter().flatten().count() * Sketch::BYTES;
        size_of::<Strangers>() + lists + counts + sketches
    }
}

/// They are saved as if there were always a place for them.
pub(super) mod saved {
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    use super::{NONE, Strangers};

    #[expect(clippy::ref_option, reason = "serde asks for a reference to the field")]
    pub(in super::super) fn serialize<S: Serializer>(of: &Option<Box<Strangers>>, s: S) -> Result<S::Ok, S::Error> {
        of.as_deref().unwrap_or(&NONE).serialize(s)
    }

    pub(in super::super) fn deserialize<'de, D: Deserializer<'de>>(d: D) -> Result<Option<Box<Strangers>>, D::Error> {
        let strangers = Strangers::deserialize(d)?;
        Ok((!strangers.is_nobody()).then(|| Box::new(strangers)))
    }
}
