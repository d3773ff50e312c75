//! What people note of the site's life: deploys. An error spike that begins with one says so.

use serde::{Deserialize, Serialize};

use super::Store;
use super::error::StoreError;
use crate::time::{Span, Timestamp};

/// The most marks that are kept, and for how long.
const MOST: usize = 200;
const KEPT: Span = Span::from_days(90);

/// A note that something was done to the site.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Mark {
    /// What was deployed: a version, a name; may be empty.
    #[serde(default)]
    pub what: String,
    /// When.
    pub at: Timestamp,
    /// By whom.
    #[serde(default)]
    pub author: String,
    /// Which endpoints or sources it is about, with `*`; all if not given.
    #[serde(default)]
    pub subject: Option<String>,
}

impl Store {
    /// All marks, the oldest first.
    pub fn marks(&self) -> Vec<Mark> {
        self.inner().mirror.meta.marks.clone()
    }

    /// Keeps a mark.
    ///
    /// # Errors
    /// It is kept, but it is not durable yet.
    pub fn add_mark(&self, mark: Mark) -> Result<(), StoreError> {
        let now = self.clock.now();
        let mut inner = self.inner();
        let marks = &mut inner.mirror.meta.marks;
        marks.retain(|known| now - known.at < KEPT);
        let place = marks.partition_point(|known| known.at <= mark.at);
        marks.insert(place, mark);
        let over = marks.len().saturating_sub(MOST);
        marks.drain(..over);
        let ops = [inner.mirror.meta_op()];
        self.commit(&mut inner, &ops, false)
    }
}
