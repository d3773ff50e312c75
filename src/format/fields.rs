//! What a source's configuration says about fields: which one is the tokens, the tenant, the session, and which extra
//! fields are asked for by name. Formats take it up when they are made for the source, so that lines cost nothing.

use std::fmt;
use std::sync::Arc;

use super::role::Role;
use super::wall::Wall;
use crate::time::Zone;

/// Where a field stands, as configuration writes it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct FieldPlace {
    name: String,
    header: bool,
    cookie: bool,
}

impl FieldPlace {
    /// From configuration: `json:/usage/prompt_tokens` (a JSON pointer) or `json:usage.prompt_tokens`, `header:NAME`,
    /// `cookie:NAME`, `field:NAME`, or the name of a variable of the log format alone.
    ///
    /// # Errors
    /// A sentence that says what was expected.
    pub fn parse(text: &str) -> Result<FieldPlace, String> {
        let text = text.trim();
        let (kind, name) = match text.split_once(':') {
            Some((kind @ ("json" | "field" | "header" | "cookie"), name)) => (kind, name.trim()),
            Some((kind, _)) if kind.chars().all(|c| c.is_ascii_lowercase()) && !kind.is_empty() => {
                return Err(format!(
                    "expected \"json:/usage/tokens\", \"header:X-Tokens\", \"cookie:NAME\" or \"field:NAME\", found \"{text}\""
                ));
            }
            _ => ("field", text),
        };
        let name = name.strip_prefix('$').unwrap_or(name);
        if name.is_empty() || name == "/" {
            return Err(format!("expected the name of a field, as in \"json:/usage/tokens\", found \"{text}\""));
        }
        let name = if kind == "json" || name.starts_with('/') { dotted(name) } else { name.to_owned() };
        Ok(FieldPlace { name, header: kind == "header", cookie: kind == "cookie" })
    }

    /// The name, with dots between the parts of a path.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Whether it is a cookie, which is a secret whatever its name.
    pub fn is_cookie(&self) -> bool {
        self.cookie
    }

    /// How well the name of a field in a log agrees with this one: 0 is best, `None` not at all. Case and separators do
    /// not matter, `X-Tokens` is also nginx's `http_x_tokens` and JSON's `response.headers.x-tokens`.
    pub fn agrees(&self, field: &str) -> Option<u8> {
        if self.cookie {
            return field.strip_prefix("cookie_").filter(|name| alike(name, &self.name)).map(|_| 0);
        }
        if !self.header && field == self.name {
            return Some(0);
        }
        if alike(field, &self.name) {
            return Some(1);
        }
        let header = ["http_", "sent_http_", "upstream_http_"].iter().find_map(|prefix| field.strip_prefix(prefix));
        // W3C logs write `cs(X-Tokens)`.
        let column = || ["cs(", "sc(", "rs("].iter().find_map(|prefix| field.strip_prefix(prefix)?.strip_suffix(')'));
        let header = header.or_else(column);
        if header.is_some_and(|header| alike(header, &self.name)) {
            return Some(2);
        }
        let (parents, last) = field.rsplit_once('.')?;
        let among_headers = parents.as_bytes().windows(6).any(|part| part.eq_ignore_ascii_case(b"header"));
        (among_headers == self.header && !self.name.contains('.') && alike(last, &self.name)).then_some(3)
    }

    /// The fields that agree best.
    pub(super) fn best_of(&self, fields: &[&str]) -> Vec<usize> {
        let best = fields.iter().filter_map(|field| self.agrees(field)).min();
        let equal = |field: &str| best.is_some() && self.agrees(field) == best;
        fields.iter().enumerate().filter(|(_, field)| equal(field)).map(|(at, _)| at).take(8).collect()
    }
}

impl fmt::Display for FieldPlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match (self.header, self.cookie) {
            (true, _) => "header:",
            (_, true) => "cookie:",
            _ => "",
        })?;
        f.write_str(&self.name)
    }
}

/// Whether two names differ only in case and separators.
pub fn alike(a: &str, b: &str) -> bool {
    fold(a).eq(fold(b)) && fold(a).next().is_some()
}

fn fold(name: &str) -> impl Iterator<Item = u8> {
    name.bytes().filter(u8::is_ascii_alphanumeric).map(|b| b.to_ascii_lowercase())
}

/// JSON pointers (RFC 6901) and dotted paths are one. An index of a list is left out: its first element counts.
pub(super) fn dotted(path: &str) -> String {
    let Some(pointer) = path.strip_prefix('/') else { return path.to_owned() };
    let parts = pointer.split('/').filter(|part| *part != "0").map(|part| part.replace("~1", "/").replace("~0", "~"));
    parts.collect::<Vec<_>>().join(".")
}

/// What the configuration of a source says about its fields.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Fields {
    mapped: Vec<(&'static str, Role, Vec<FieldPlace>)>,
    asked: Vec<FieldPlace>,
    all: bool,
}

impl Default for Fields {
    /// Nothing is mapped, and every extra field is kept.
    fn default() -> Self {
        Fields { mapped: Vec::new(), asked: Vec::new(), all: true }
    }
}

/// What a field may be mapped to, in the order of the documentation.
pub const MAPPABLE: [&str; 12] = [
    "tokens_in",
    "tokens_out",
    "cost",
    "model",
    "request_id",
    "country",
    "upstream_addr",
    "upstream_status",
    "upstream_time",
    "session",
    "tenant",
    "subject",
];

impl Fields {
    /// Says where something stands, the best place first. What is not [`MAPPABLE`] is left out.
    pub fn map(&mut self, target: &str, places: Vec<FieldPlace>) {
        let known = MAPPABLE.iter().find(|name| **name == target);
        if let Some((name, role)) = known.and_then(|name| Some((*name, Role::parse(name)?))) {
            self.mapped.push((name, role, places));
        }
    }

    /// Says that a field is asked for by its name, whatever else it may be.
    pub fn ask(&mut self, place: FieldPlace) {
        self.asked.push(place);
    }

    /// Keeps no extra field but those that are asked for: for those who look at nothing else.
    #[must_use]
    pub fn only_asked(self) -> Fields {
        Fields { all: false, ..self }
    }

    /// Whether nothing is said.
    pub fn is_plain(&self) -> bool {
        self.all && self.mapped.is_empty() && self.asked.is_empty()
    }

    pub(super) fn mapped(&self) -> impl Iterator<Item = (&'static str, Role, &[FieldPlace])> {
        self.mapped.iter().map(|(name, role, places)| (*name, *role, places.as_slice()))
    }

    /// Whether a field is asked for by name.
    pub(super) fn asks_for(&self, field: &str) -> bool {
        self.asked.iter().any(|place| place.agrees(field).is_some())
    }

    /// Whether an extra field of this name is kept.
    pub(super) fn keeps(&self, field: &str) -> bool {
        self.all || self.asks_for(field)
    }

    /// Whether only some extra fields are kept, or some fields are asked for beside their role.
    pub(super) fn asks(&self) -> bool {
        !self.asked.is_empty()
    }
}

/// What a format is made for: a source.
#[derive(Clone, Debug)]
pub struct Context {
    pub(super) wall: Wall,
    pub(super) fields: Arc<Fields>,
}

impl Context {
    /// A source with its zone for times without one, and its fields.
    pub fn new(zone: Zone, fields: Fields) -> Context {
        Context { wall: Wall::new(zone), fields: Arc::new(fields) }
    }

    /// The same source read by a format that states its own zone.
    pub(super) fn in_zone(&self, zone: Zone) -> Context {
        Context { wall: self.wall.in_zone(zone), fields: self.fields.clone() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_agree_with_names_as_logs_write_them() {
        for (place, field, expected) in [
            ("json:/usage/prompt_tokens", "usage.prompt_tokens", Some(0)),
            ("json:usage.promptTokens", "usage.prompt_tokens", Some(1)),
            ("json:/choices/0/tokens", "choices.tokens", Some(0)),
            ("json:/a~1b/c", "a/b.c", Some(0)),
            ("header:X-Tokens-In", "http_x_tokens_in", Some(2)),
            ("header:x-tokens-in", "upstream_http_x_tokens_in", Some(2)),
            ("header:x-tokens-in", "request.headers.X-Tokens-In", Some(3)),
            ("header:x-tokens-in", "X-Tokens-In", Some(1)),
            ("header:x-tokens-in", "body.x-tokens-in", None),
            ("$upstream_http_x", "upstream_http_x", Some(0)),
            ("field:tokens", "usage.tokens", Some(3)),
            ("tokens", "resp_headers.tokens", None),
            ("cookie:sid", "cookie_sid", Some(0)),
            ("cookie:sid", "sid", None),
            ("json:/auth/consumer/id", "consumer.id", None),
        ] {
            assert_eq!(FieldPlace::parse(place).unwrap().agrees(field), expected, "{place} {field}");
        }
        for bad in ["", "json:", "json:/", "query:x", "header: "] {
            assert!(FieldPlace::parse(bad).is_err(), "{bad}");
        }
        assert!(!alike("--", "__") && alike("X-A", "x_a") && !alike("ab", "abc"));
    }
}
