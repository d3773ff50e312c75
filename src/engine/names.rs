//! From ids to names: what an incident is made of, as people know it.

use smallvec::SmallVec;

use crate::detect::Parts;
use crate::engine::{Engine, SITE, Settings};
use crate::event::{Event, Id, SubjectKind};
use crate::incident::entry::About;
use crate::incident::spread::Spread;
use crate::incident::{Part, Where};
use crate::measure::mix::{Mix, Share};
use crate::measure::rows::{Row, Rows};

/// Parts told of one incident in each dimension.
const TOLD: usize = 5;
/// A part smaller than this is not told.
const LEAST: f64 = 0.01;

/// Whom an event is of, among subjects of one kind, and its name; `texts` are those of its key, client and endpoint first.
pub(super) fn subject_of<'a>(
    settings: &'a Settings,
    kind: SubjectKind,
    event: &Event,
    [key, client, endpoint, ..]: [&'a str; 5],
) -> (Id, &'a str) {
    let source = usize::from(event.source.0);
    match kind {
        SubjectKind::Key => (event.key.id, key),
        SubjectKind::Client => (event.client.id, client),
        SubjectKind::Endpoint => (event.endpoint.id, endpoint),
        SubjectKind::Source => (Id(2 + source as u64), settings.sources.get(source).map_or("source", String::as_str)),
        SubjectKind::Site => (SITE, "site"),
    }
}

impl Engine {
    /// The rows of one kind.
    pub(super) fn rows(&self, kind: SubjectKind) -> &Rows {
        match kind {
            SubjectKind::Key => &self.keys,
            SubjectKind::Endpoint => &self.endpoints,
            SubjectKind::Client => &self.clients,
            SubjectKind::Source => &self.sources,
            SubjectKind::Site => &self.site,
        }
    }

    /// The rows of one kind, to change.
    pub(super) fn rows_mut(&mut self, kind: SubjectKind) -> &mut Rows {
        match kind {
            SubjectKind::Key => &mut self.keys,
            SubjectKind::Endpoint => &mut self.endpoints,
            SubjectKind::Client => &mut self.clients,
            SubjectKind::Source => &mut self.sources,
            SubjectKind::Site => &mut self.site,
        }
    }

    /// One subject.
    pub(super) fn row(&self, about: About) -> Option<&Row> {
        self.rows(about.kind).row(about.id)
    }

    /// The site's own row.
    pub(super) fn site_row(&self) -> Option<&Row> {
        self.site.row(SITE)
    }

    /// Names and shares of what a subject is made of now; what the detector knows better comes first.
    pub(super) fn parts(&self, about: About, known: &Parts) -> (Where, Spread) {
        let as_the_site = about.kind == SubjectKind::Source && self.sources.is_lean();
        let row = if as_the_site { self.site_row() } else { self.row(about) };
        let Some(full) = row.and_then(|row| row.full.as_deref()) else {
            return (self.name_parts(known), Spread::default());
        };
        let own = |kind: SubjectKind, mix: &Mix| -> Vec<(Id, f64)> {
            if about.kind == kind { vec![(about.id, 1.0)] } else { pairs(&mix.shares()) }
        };
        let better = |known: &[(Id, f64)], own: Vec<(Id, f64)>| if known.is_empty() { own } else { known.to_vec() };
        let spread = Spread {
            keys: better(&known.keys, own(SubjectKind::Key, &full.keys)),
            endpoints: better(&known.endpoints, own(SubjectKind::Endpoint, &full.endpoints)),
            clients: better(&known.clients, own(SubjectKind::Client, &full.clients)),
        };
        let named = self.name_parts(&Parts {
            keys: spread.keys.clone(),
            endpoints: spread.endpoints.clone(),
            clients: spread.clients.clone(),
            agents: better(&known.agents, pairs(&full.agents.shares())),
        });
        (named, spread)
    }

    /// Ids to names; callers without a key are clients. Parts whose name is forgotten are left out.
    pub(super) fn name_parts(&self, parts: &Parts) -> Where {
        let named = |ids: &[(Id, f64)], name: &dyn Fn(Id) -> Option<String>| -> Vec<Part> {
            ids.iter()
                .filter(|(_, share)| *share >= LEAST)
                .filter_map(|&(id, share)| Some(Part { name: name(id)?, share: round(share) }))
                .take(TOLD)
                .collect()
        };
        let of = |rows: &Rows, id: Id| rows.name(id).map(str::to_owned);
        let mut clients = named(&parts.clients, &|id| of(&self.clients, id));
        if clients.is_empty() {
            // Detectors that count callers name clients among the keys.
            clients = named(&parts.keys, &|id| of(&self.clients, id));
        }
        Where {
            keys: named(&parts.keys, &|id| of(&self.keys, id)),
            endpoints: named(&parts.endpoints, &|id| of(&self.endpoints, id)),
            clients,
            user_agents: named(&parts.agents, &|id| self.agents.get(&id).map(ToString::to_string)),
            countries: Vec::new(),
        }
    }
}

fn pairs(shares: &SmallVec<[Share; 8]>) -> Vec<(Id, f64)> {
    shares.iter().map(|s| (s.id, s.now)).collect()
}

/// Shares are told to the thousandth.
fn round(share: f64) -> f64 {
    (share * 1000.0).round() / 1000.0
}
