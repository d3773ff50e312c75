//! Who is new to a key just now, and what they do. Most keys have nobody, and need no place for it.

use super::lists::{Address, NewAgent, Newcomer};
use super::sketch::Sketch;
use crate::event::Id;
use crate::time::Timestamp;

/// The newcomers of a key.
#[derive(Clone, Debug, Default)]
pub(super) struct Strangers {
    pub(super) newcomers: Vec<Newcomer>,
    pub(super) addresses: Vec<Address>,
    pub(super) new_agents: Vec<NewAgent>,
    pub(super) endpoints: Vec<(Id, u32)>,
    pub(super) used_agents: Vec<(Id, u32)>,
    /// Addresses that found no place, and what networks did that found none.
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
    more_addresses: None,
    more: Newcomer::nobody(),
    requests: 0,
};

impl Strangers {
    /// Whether nobody is new.
    pub(super) fn is_nobody(&self) -> bool {
        self.newcomers.is_empty() && self.new_agents.is_empty()
    }

    /// When the first of the networks came.
    pub(super) fn first(&self) -> Option<Timestamp> {
        self.newcomers.iter().map(|new| new.first).min()
    }

    /// Forgets what they did.
    pub(super) fn forget_parts(&mut self) {
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
        let sketch = self.more_addresses.as_ref().map_or(0, |_| Sketch::BYTES);
        size_of::<Strangers>() + lists + counts + sketch
    }
}
