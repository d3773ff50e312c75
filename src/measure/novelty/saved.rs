//! The users of a key as they are saved: all parts beside each other, whether anybody is new or not.

use serde::{Deserialize, Serialize};

use super::lists::{Address, NewAgent, Newcomer, Old};
use super::sketch::Sketch;
use super::strangers::Strangers;
use super::{Novelty, Rate};
use crate::event::Id;
use crate::time::Timestamp;

#[derive(Serialize, Deserialize)]
pub(super) struct Saved {
    first: Timestamp,
    last: Timestamp,
    old_last: Timestamp,
    day: i32,
    hour: i64,
    settled: bool,
    public: bool,
    held: bool,
    counted_hour: i64,
    network_rate: Rate,
    agent_rate: Rate,
    new_today: u32,
    agents_today: u32,
    old_today: u32,
    networks: Vec<Old>,
    agents: Vec<Old>,
    newcomers: Vec<Newcomer>,
    addresses: Vec<Address>,
    new_agents: Vec<NewAgent>,
    endpoints: Vec<(Id, u32)>,
    used_agents: Vec<(Id, u32)>,
    more_networks: Option<Box<Sketch>>,
    more_addresses: Option<Box<Sketch>>,
    more: Newcomer,
    requests: u64,
    rejections: u32,
    rejected_from: Timestamp,
}

impl From<Novelty> for Saved {
    fn from(of: Novelty) -> Self {
        let strangers = of.strangers.map_or_else(Strangers::default, |strangers| *strangers);
        Saved {
            first: of.first,
            last: of.last,
            old_last: of.old_last,
            day: of.day,
            hour: of.hour,
            settled: of.settled,
            public: of.public,
            held: of.held,
            counted_hour: of.counted_hour,
            network_rate: of.network_rate,
            agent_rate: of.agent_rate,
            new_today: of.new_today,
            agents_today: of.agents_today,
            old_today: of.old_today,
            networks: of.networks.into_vec(),
            agents: of.agents.into_vec(),
            newcomers: strangers.newcomers,
            addresses: strangers.addresses,
            new_agents: strangers.new_agents,
            endpoints: strangers.endpoints,
            used_agents: strangers.used_agents,
            more_networks: of.more_networks,
            more_addresses: strangers.more_addresses,
            more: strangers.more,
            requests: strangers.requests,
            rejections: of.rejections,
            rejected_from: of.rejected_from,
        }
    }
}

impl From<Saved> for Novelty {
    fn from(of: Saved) -> Self {
        let strangers = Strangers {
            newcomers: of.newcomers,
            addresses: of.addresses,
            new_agents: of.new_agents,
            endpoints: of.endpoints,
            used_agents: of.used_agents,
            more_addresses: of.more_addresses,
            more: of.more,
            requests: of.requests,
        };
        let mut novelty = Novelty {
            first: of.first,
            last: of.last,
            old_last: of.old_last,
            day: of.day,
            hour: of.hour,
            settled: of.settled,
            public: of.public,
            held: of.held,
            counted_hour: of.counted_hour,
            network_rate: of.network_rate,
            agent_rate: of.agent_rate,
            new_today: of.new_today,
            agents_today: of.agents_today,
            old_today: of.old_today,
            networks: of.networks.into(),
            agents: of.agents.into(),
            more_networks: of.more_networks,
            strangers: Some(Box::new(strangers)),
            rejections: of.rejections,
            rejected_from: of.rejected_from,
        };
        novelty.dismiss();
        novelty
    }
}
