//! About what silence is kept: it outlives a restart, so that its end, and what goes beyond its ceiling, are told.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::Store;
use super::error::StoreError;

/// About what silence is kept.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Held {
    /// Incidents that would have been told.
    pub incidents: BTreeSet<String>,
    /// Windows of maintenance and incidents that went beyond their ceilings.
    pub broken: BTreeSet<(String, String)>,
}

impl Store {
    /// About what silence is kept; incidents that are over are left out.
    pub fn held(&self) -> Held {
        let inner = self.inner();
        let mut held = inner.mirror.meta.held.clone();
        held.incidents.retain(|incident| inner.mirror.open.contains_key(incident));
        held.broken.retain(|(_, incident)| inner.mirror.open.contains_key(incident));
        held
    }

    /// Keeps it.
    ///
    /// # Errors
    /// It holds, but it is not durable yet.
    pub fn set_held(&self, held: Held) -> Result<(), StoreError> {
        let mut inner = self.inner();
        if inner.mirror.meta.held == held {
            return Ok(());
        }
        inner.mirror.meta.held = held;
        let ops = [inner.mirror.meta_op()];
        self.commit(&mut inner, &ops, false)
    }
}
