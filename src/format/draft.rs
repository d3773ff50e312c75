//! A record being filled field by field, by whichever format.

use std::borrow::Cow;

use super::field::{self, Unit};
use super::role::Role;
use super::{Reason, Record, Value};
use crate::time::Timestamp;

/// Fields kept under their own names; a line may hold thousands.
const EXTRA_FIELDS: usize = 48;

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Draft<'a> {
    pub(super) record: Record<'a>,
    pub(super) has_time: bool,
    path: Option<Value<'a>>,
    query: Option<Value<'a>>,
}

impl<'a> Draft<'a> {
    pub(super) fn time(&mut self, time: Timestamp) {
        self.record.time = time;
        self.has_time = true;
    }

    /// Puts a text where its role belongs. Times are read by the format, extra fields go to [`Draft::extra`].
    pub(super) fn put(&mut self, role: Role, unit: Unit, value: Value<'a>) -> Result<(), Reason> {
        if role == Role::Request {
            self.request(value);
            return Ok(());
        }
        if &*value == b"-" {
            return Ok(());
        }
        if role == Role::Client && value.contains(&b',') {
            self.client_list(value);
            return Ok(());
        }
        let record = &mut self.record;
        // An empty referer is a fact; an empty user is nobody.
        match role {
            Role::Referer => record.referer = Some(value),
            Role::UserAgent => record.user_agent = Some(value),
            Role::Client => record.client = some(value),
            Role::ForwardedFor => record.forwarded_for = some(value),
            // Apache writes an empty user so.
            Role::User if &*value == b"\"\"" => {}
            Role::User => record.user = some(value),
            Role::Consumer => record.consumer = some(value),
            Role::ApiKey => record.api_key = some(value),
            Role::Method => record.method = some(value),
            Role::Target => record.target = some(value),
            Role::Path => self.path = some(value),
            Role::Query => self.query = some(value),
            Role::Protocol => record.protocol = some(value),
            Role::Host => record.host = some(value),
            Role::RequestId => record.request_id = some(value),
            Role::BodyDigest => record.body_digest = some(value),
            Role::Model => record.model = some(value),
            Role::Country => record.country = some(value),
            Role::Status => record.status = status(&value)?,
            Role::BytesOut => record.bytes_out = count(&value)?,
            Role::BytesIn => record.bytes_in = count(&value)?,
            Role::TokensIn => record.tokens_in = count(&value)?,
            Role::TokensOut => record.tokens_out = count(&value)?,
            Role::Cost if value.is_empty() => {}
            Role::Cost => record.cost = Some(field::decimal(&value).filter(|cost| *cost >= 0.0).ok_or(Reason::Number)?),
            Role::Duration => record.duration = field::duration(&value, unit).map_err(|()| Reason::Number)?,
            Role::Origin => self.named("origin", value),
            Role::UpstreamAddr => self.named("upstream_addr", value),
            Role::UpstreamStatus => self.named("upstream_status", value),
            Role::UpstreamTime => self.named("upstream_time", value),
            Role::Session => self.named("session", value),
            Role::Tenant => self.named("tenant", value),
            Role::Subject => self.named("subject", value),
            Role::Request | Role::Time | Role::Extra | Role::Ignored => {}
        }
        Ok(())
    }

    /// Where a chain of proxies is logged as the client, its last address is the peer.
    fn client_list(&mut self, chain: Value<'a>) {
        self.record.client = Some(last_of(&chain));
        self.record.forwarded_for.get_or_insert(chain);
    }

    /// What few logs have stands among the extra fields, under a name that is always the same.
    fn named(&mut self, name: &'static str, value: Value<'a>) {
        if value.is_empty() {
            return;
        }
        match self.record.extra.iter_mut().find(|(known, _)| *known == name) {
            Some((_, old)) => *old = value,
            None => self.record.extra.push((name, value)),
        }
    }

    /// Keeps a field under its name; beyond the limit it is dropped.
    pub(super) fn extra(&mut self, name: &'a str, value: Value<'a>) {
        if &*value != b"-" && self.record.extra.len() < EXTRA_FIELDS {
            self.record.extra.push((name, value));
        }
    }

    fn request(&mut self, value: Value<'a>) {
        let record = &mut self.record;
        match value {
            Cow::Borrowed(text) => match field::request_line(text) {
                Some(line) => {
                    record.method = Some(Cow::Borrowed(line.method));
                    record.target = Some(Cow::Borrowed(line.target));
                    record.protocol = line.protocol.map(Cow::Borrowed);
                }
                None => record.odd_request = Some(Cow::Borrowed(text)),
            },
            Cow::Owned(text) => match field::request_line(&text) {
                Some(line) => {
                    record.method = Some(Cow::Owned(line.method.to_vec()));
                    record.target = Some(Cow::Owned(line.target.to_vec()));
                    record.protocol = line.protocol.map(|p| Cow::Owned(p.to_vec()));
                }
                None => record.odd_request = Some(Cow::Owned(text)),
            },
        }
    }

    /// The record, its target put together from path and query where the log has them apart. Where only the chain of
    /// proxies is logged, its last address stands for the peer: that is whom the nearest proxy saw.
    pub(super) fn finish(mut self) -> Record<'a> {
        if self.record.client.is_none()
            && let Some(chain) = &self.record.forwarded_for
        {
            self.record.client = Some(last_of(chain));
        }
        if self.record.target.is_none() {
            self.record.target = match (self.path, self.query) {
                (Some(path), Some(query)) => {
                    let query = query.strip_prefix(b"?").unwrap_or(&query);
                    Some(if query.is_empty() { path } else { Cow::Owned([&path[..], b"?", query].concat()) })
                }
                (path, _) => path,
            };
        }
        self.record
    }
}

fn last_of<'a>(chain: &Value<'a>) -> Value<'a> {
    let start = memchr::memrchr(b',', chain).map_or(0, |at| at + 1);
    match chain {
        Cow::Borrowed(text) => Cow::Borrowed(text[start..].trim_ascii()),
        Cow::Owned(text) => Cow::Owned(text[start..].trim_ascii().to_vec()),
    }
}

/// A value that is there.
fn some(value: Value<'_>) -> Option<Value<'_>> {
    if value.is_empty() { None } else { Some(value) }
}

/// Three digits; `-1` (HAProxy) and 0 with a sign mean none.
fn status(value: &[u8]) -> Result<Option<u16>, Reason> {
    match field::whole(value) {
        Some(n @ 0..=999) => Ok(Some(n as u16)),
        None if value.is_empty() || value == b"-1" => Ok(None),
        _ => Err(Reason::Status),
    }
}

/// Bytes or tokens: a whole number, or several added up (`19437, 0` of two upstreams); HAProxy puts a plus before
/// numbers that were still growing.
fn count(value: &[u8]) -> Result<Option<u64>, Reason> {
    if let Some(n) = field::whole(value) {
        return Ok(Some(n));
    }
    let mut sum = None;
    for part in value.split(|b| b", ".contains(b)) {
        if part.is_empty() || part == b"-" || part == b":" || part == b"-1" {
            continue;
        }
        let digits = part.strip_prefix(b"+").unwrap_or(part);
        let n = field::whole(digits).or_else(|| field::decimal(digits).map(|n| n as u64)).ok_or(Reason::Number)?;
        sum = Some(n.saturating_add(sum.unwrap_or(0)));
    }
    Ok(sum)
}
