//! Lines that an export put into quotes as a whole: as they were, with their quotes doubled (CSV), or with backslashes.

use std::borrow::Cow;

use super::{Record, Value};

/// What stands between the quotes, its own quotes made plain again; `None` where they are neither all doubled nor all
/// behind a backslash, so that nothing was changed when the quotes were put around it.
pub(super) fn undo(inner: &[u8]) -> Option<Vec<u8>> {
    doubled(inner).or_else(|| escaped(inner))
}

fn doubled(inner: &[u8]) -> Option<Vec<u8>> {
    let mut out = Vec::with_capacity(inner.len());
    let mut rest = inner;
    while let Some(at) = memchr::memchr(b'"', rest) {
        let (before, after) = rest.split_at(at + 1);
        out.extend_from_slice(before);
        rest = after.strip_prefix(b"\"")?;
    }
    out.extend_from_slice(rest);
    (out.len() < inner.len()).then_some(out)
}

fn escaped(inner: &[u8]) -> Option<Vec<u8>> {
    let mut out = Vec::with_capacity(inner.len());
    let mut bytes = inner.iter().copied();
    let mut quotes = 0;
    while let Some(byte) = bytes.next() {
        match byte {
            b'"' => return None,
            b'\\' => match bytes.next() {
                Some(b'"') => {
                    quotes += 1;
                    out.push(b'"');
                }
                Some(b'\\') => out.push(b'\\'),
                Some(b't') => out.push(b'\t'),
                Some(b'/') => out.push(b'/'),
                other => {
                    out.push(b'\\');
                    out.extend(other);
                }
            },
            other => out.push(other),
        }
    }
    (quotes > 0).then_some(out)
}

/// The record of a text that was changed before it was read: it keeps nothing of that text. `name` gives the names of
/// extra fields as the format keeps them; fields that have none are dropped.
pub(super) fn detach<'a>(record: Record<'_>, format: &'a str, name: impl Fn(&str) -> Option<&'a str>) -> Record<'a> {
    fn own<'a>(value: Option<Value<'_>>) -> Option<Value<'a>> {
        value.map(|v| Cow::Owned(v.into_owned()))
    }
    Record {
        format,
        time: record.time,
        client: own(record.client),
        forwarded_for: own(record.forwarded_for),
        user: own(record.user),
        consumer: own(record.consumer),
        api_key: own(record.api_key),
        method: own(record.method),
        target: own(record.target),
        protocol: own(record.protocol),
        odd_request: own(record.odd_request),
        status: record.status,
        bytes_out: record.bytes_out,
        bytes_in: record.bytes_in,
        duration: record.duration,
        referer: own(record.referer),
        user_agent: own(record.user_agent),
        host: own(record.host),
        request_id: own(record.request_id),
        body_digest: own(record.body_digest),
        tokens_in: record.tokens_in,
        tokens_out: record.tokens_out,
        cost: record.cost,
        model: own(record.model),
        country: own(record.country),
        extra: record
            .extra
            .into_iter()
            .filter_map(|(field, value)| Some((name(field)?, Cow::Owned(value.into_owned()))))
            .collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotes_are_undone_where_all_are_alike() {
        assert_eq!(undo(br#"a ""b c"" """" d"#).as_deref(), Some(&br#"a "b c" "" d"#[..]));
        assert_eq!(undo(br#"a \"b \\x16\" c\/"#).as_deref(), Some(&br#"a "b \x16" c/"#[..]));
        for as_it_was in [&br#"a "b" c"#[..], br#"a ""b" c"#, br#"a \"b" c"#, b"a b", b"", br"a\\b"] {
            assert_eq!(undo(as_it_was), None, "{}", String::from_utf8_lossy(as_it_was));
        }
    }
}
