//! The requests of sources: where there is one source they are the site's.

use std::borrow::Cow;

use crate::engine::{Engine, SITE};
use crate::measure::rows::Row;

impl Engine {
    /// Where there is one source its requests are the site's: what those are made of is counted once, for the site.
    pub(super) fn thin_sources(&mut self) {
        self.sources.set_lean(self.settings.sources.len() == 1 && self.sources.len() <= 1);
    }

    /// The sources with what they were spared.
    pub(super) fn whole_sources(&self) -> Cow<'_, [Row]> {
        let Some(site) = self.site.row(SITE).filter(|_| self.sources.is_lean()) else {
            return Cow::Borrowed(self.sources.saved());
        };
        let mut sources = self.sources.saved().to_vec();
        for source in &mut sources {
            source.take_parts(site);
        }
        Cow::Owned(sources)
    }
}
