//! Extra fields of a line as they may be shown: those of known meaning in their places, secrets masked.

use super::credential::has_scheme;
use super::key::Names;
use super::lossy;
use super::view::EventView;
use crate::format::{Record, alike};
use crate::sanitize;

/// The longest extra field that is shown, in characters.
const SHOWN_CHARS: usize = 400;

/// Fields of one meaning under the names that servers give them, the best first.
#[rustfmt::skip]
const KNOWN: &[(Known, &[&str])] = &[
    (Known::Origin, &["origin"]),
    (Known::UpstreamAddr, &["upstream_addr", "upstream_host", "ServiceAddr", "upstream"]),
    (Known::UpstreamStatus, &["upstream_status", "OriginStatus", "target_status_code", "origin_response_status"]),
    (Known::UpstreamTime, &["upstream_time", "upstream_response_time", "OriginDuration", "target_processing_time", "upstream_service_time"]),
    (Known::Session, &["session"]),
    (Known::Tenant, &["tenant"]),
    (Known::Subject, &["subject"]),
];

#[derive(Clone, Copy)]
enum Known {
    Origin,
    UpstreamAddr,
    UpstreamStatus,
    UpstreamTime,
    Session,
    Tenant,
    Subject,
}

/// The extra fields of a record in an otherwise empty event.
pub(super) fn describe(record: &Record<'_>, names: &mut Names) -> EventView {
    let mut view = EventView::default();
    let mut taken: Vec<usize> = Vec::new();
    for (known, spellings) in KNOWN {
        let found = spellings.iter().find_map(|name| record.extra.iter().position(|(field, _)| alike(field, name)));
        let Some((at, (name, value))) = found.and_then(|at| Some((at, record.extra.get(at)?))) else { continue };
        taken.push(at);
        let text = Some(shown(name, value, names));
        match known {
            Known::Origin => view.origin = text,
            Known::UpstreamAddr => view.upstream_addr = text,
            Known::UpstreamStatus => view.upstream_status = text,
            Known::UpstreamTime => view.upstream_time = text,
            Known::Session => view.session = Some(names.masked(value)),
            Known::Tenant => view.tenant = text,
            Known::Subject => view.subject = text,
        }
    }
    for (at, (name, value)) in record.extra.iter().enumerate() {
        if !taken.contains(&at) {
            let text = shown(name, value, names);
            view.extra.entry(sanitize::clip(name, SHOWN_CHARS)).or_insert(text);
        }
    }
    view
}

/// A value without secrets: masked as a whole where its name or look says that it is one, else what is secret in it.
pub(super) fn shown(name: &str, value: &[u8], names: &mut Names) -> String {
    let text = lossy(value);
    if is_secret(name) || has_scheme(value) || sanitize::known_secret(&text) {
        return names.masked(value);
    }
    sanitize::clip(&sanitize::redact(&text), SHOWN_CHARS)
}

fn is_secret(name: &str) -> bool {
    let last = name.rsplit('.').next().unwrap_or(name);
    let cookie = name.as_bytes().windows(6).any(|part| part.eq_ignore_ascii_case(b"cookie"));
    cookie || sanitize::is_secret_name(last) || sanitize::is_secret_name(name)
}

#[cfg(test)]
mod tests {
    use std::borrow::Cow;
    use std::collections::BTreeMap;

    use super::*;
    use crate::event::Hasher;
    use crate::intake::FingerprintKey;

    #[test]
    fn extra_fields_are_shown_without_their_secrets() {
        let secret = "sk_live_4eC39HqLyjWDarjtT1zd9f3a";
        let mut names = Names::new(FingerprintKey::for_replay(), Hasher::new(1), &BTreeMap::new());
        let bearer = format!("Bearer {secret}");
        let inside = format!("/next?api_key={secret}");
        let mut record = Record::default();
        for (name, value) in [
            ("pool", "blue"),
            ("cookie_theme", secret),
            ("http_x_auth_token", secret),
            ("note", bearer.as_str()),
            ("back_to", inside.as_str()),
            ("upstream_response_time", "0.100, 0.200"),
            ("session", "0123456789abcdef0123"),
            ("tenant", "acme"),
        ] {
            record.extra.push((name, Cow::Borrowed(value.as_bytes())));
        }
        let view = describe(&record, &mut names);
        assert_eq!(view.extra["pool"], "blue");
        assert_eq!((view.upstream_time.as_deref(), view.tenant.as_deref()), (Some("0.100, 0.200"), Some("acme")));
        let all = format!("{view:?}");
        assert!(!all.contains("4eC39HqLyjWDarj") && !all.contains("0123456789abcdef0123"), "{all}");
        assert_eq!(view.extra["cookie_theme"], view.extra["http_x_auth_token"], "one secret, one fingerprint");
        assert!(!view.extra.contains_key("session") && !view.extra.contains_key("tenant"));
    }
}
