//! What a path is for, as far as detectors ask: people log in there, or only scanners ask for it.

use hashbrown::HashMap;

use crate::engine::arrival::Texts;
use crate::engine::{Engine, ROUTES};
use crate::event::{Event, Id, Method};

/// What a path is for.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(super) struct Purpose {
    /// People log in there.
    pub(super) login: bool,
    /// Only scanners ask for it.
    pub(super) scanned: bool,
}

/// Purposes that were found out: template and method.
pub(super) type Purposes = HashMap<(Id, Method), Purpose>;

impl Engine {
    /// Looks an event over for what only some detectors want to know: nearly every one is passed over with a glance at its
    /// method and status.
    pub(super) fn note_outcome(&mut self, event: &Event, (written, texts): (&Event, Texts<'_>), client: Option<u32>) {
        let rejected = crate::detect::enumeration::is_rejection(event.status);
        if event.method.is_safe() && !rejected && !self.logs_in_by_reading {
            return;
        }
        if !event.endpoint.is_some() {
            return;
        }
        let purpose = self.purpose(written, texts);
        if purpose.login {
            self.note_login(event, texts.endpoint(written), client);
        } else if rejected {
            self.note_rejection(event, purpose);
        }
    }

    fn purpose(&mut self, written: &Event, texts: Texts<'_>) -> Purpose {
        let (id, method) = (written.endpoint.id, written.method);
        if let Some(known) = self.purposes.get(&(id, method)) {
            return *known;
        }
        let path = texts.endpoint(written);
        let login = self.settings.credential_stuffing.is_door(method, path);
        let purpose = Purpose { login, scanned: self.settings.enumeration.is_scanned(path) };
        if self.purposes.len() >= ROUTES {
            self.purposes.clear();
        }
        self.purposes.insert((id, method), purpose);
        purpose
    }

    /// Bytes that callers who are refused may take: a thirty-second part of what the tables may.
    pub(super) fn refused_bytes(&self) -> usize {
        self.settings.memory / 32
    }
}
