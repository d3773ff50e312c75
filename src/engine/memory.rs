//! How much memory everything that is remembered takes, by own accounting.

use serde::Serialize;

use crate::engine::{AGENTS, Engine, ROUTES};

/// What a process takes beside its tables: itself, repeated calls, chunks on their way, threads.
const FIXED: usize = 48 << 20;
/// Bytes that tables may take unless the settings say otherwise: the share of a process of 256 MiB.
pub(super) const DEFAULT: usize = (256 - 48) << 19;

/// What tables may take of a process that may take `bytes`: the program itself, what has a fixed size, and twice the
/// saved form while it is written need the rest.
pub fn share_of(bytes: usize) -> usize {
    bytes.saturating_sub(FIXED) / 2
}

/// Bytes in use.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize)]
pub struct Memory {
    /// Bytes that the tables of subjects may take.
    pub limit: usize,
    /// Bytes that they take.
    pub used: usize,
    /// Keys.
    pub keys: usize,
    /// Clients.
    pub clients: usize,
    /// Endpoints.
    pub endpoints: usize,
    /// What has a fixed size at most: repeated calls, callers that are refused, sizes, names of agents, templates.
    pub fixed: usize,
}

impl Engine {
    /// Memory by own accounting.
    pub fn memory(&self) -> Memory {
        let (keys, clients, endpoints) = (self.keys.bytes(), self.clients.bytes(), self.endpoints.bytes());
        let agents = self.agents.len().min(AGENTS) * 64;
        let routes = self.route_ids.capacity().min(2 * ROUTES) * 17 + self.routes.len() * 160;
        let purposes = self.purposes.capacity().min(2 * ROUTES) * 12;
        let refused = self.probes.bytes() + self.logins.bytes() + self.doors.bytes() + purposes;
        let scales =
            self.usual_scales.bytes() + self.route_scales.bytes() + self.key_scales.bytes() + self.scopes.bytes();
        let habits = self.sharings.bytes() + self.drifts.bytes();
        let users = habits + self.exposures.bytes() + self.travels.bytes() + self.place_names.len() * 64;
        Memory {
            limit: self.settings.memory,
            used: keys + clients + endpoints,
            keys,
            clients,
            endpoints,
            fixed: self.repeats.bytes()
                + agents
                + routes
                + refused
                + scales
                + users
                + self.rules.bytes()
                + self.spend.bytes(),
        }
    }

    /// New ceiling of the tables, in bytes: while the whole process takes more than it may, they get less.
    pub fn set_memory(&mut self, bytes: usize) {
        self.settings.memory = bytes;
        self.make_room();
    }
}
