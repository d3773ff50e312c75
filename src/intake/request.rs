//! Which request it is: the same call again, or the same thing again.

use crate::event::{Hasher, Id, Method};
use crate::format::Record;

use super::key::is_key_parameter;
use super::route::Walk;
use super::target::{Target, percent_decode};

/// Query parameters that exist only to make two equal requests look different.
const CACHE_BUSTERS: &[&str] =
    &["_", "__", "ts", "timestamp", "nonce", "cb", "rand", "random", "cachebuster", "_t", "_ts", "nocache"];

/// What tells requests apart.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Fingerprint {
    /// The same request again: caller, method, path with its ids, query without cache-busters and keys, and for
    /// POST, PUT and PATCH the length or digest of the body.
    pub request: Id,
    /// The same thing again: the path with its ids.
    pub resource: Id,
    /// The last number in the path.
    pub number: Option<u64>,
    /// Whether `request` tells contents apart: a method without body, or a length or digest was logged.
    pub strong: bool,
}

/// The fingerprint of a request by `caller` (its key, else its client). The status is not part of it: a loop may
/// alternate 504 and 200. `walk` is what a walk over the path found out, if there was one. `scratch` is working memory.
pub fn fingerprint(
    record: &Record<'_>,
    (target, walk): (Target<'_>, Option<Walk>),
    caller: Id,
    key_parameter: Option<&[u8]>,
    hasher: &Hasher,
    scratch: &mut Vec<u8>,
) -> Fingerprint {
    let token = record.method.as_deref().unwrap_or_default();
    scratch.clear();
    let mut number = None;
    if let Some(walk) = walk {
        scratch.extend_from_slice(target.path);
        number = walk.number;
    } else if is_tidy(target.path) {
        scratch.extend_from_slice(target.path);
        // From behind: the first that is found is the last.
        number = target.path.rsplit(|b| *b == b'/').find_map(whole_number);
    } else {
        for segment in target.segments() {
            number = whole_number(segment).or(number);
            scratch.push(b'/');
            scratch.extend_from_slice(segment);
        }
    }
    let resource = hasher.id(scratch);

    scratch.extend_from_slice(&caller.0.to_le_bytes());
    scratch.extend_from_slice(token);
    scratch.push(b'?');
    for parameter in target.parameters() {
        if key_parameter == Some(parameter.name) {
            continue;
        }
        // Parts are kept apart by bytes that do not stand in a target.
        let start = scratch.len();
        percent_decode(parameter.name, scratch);
        let name = scratch.get(start..).unwrap_or_default();
        if is_key_parameter(name) || is_cache_buster(name) {
            scratch.truncate(start);
            continue;
        }
        scratch.push(b'\0');
        let value = scratch.len();
        percent_decode(parameter.value, scratch);
        if is_epoch(scratch.get(value..).unwrap_or_default()) {
            scratch.truncate(start);
            continue;
        }
        scratch.push(b'\n');
    }
    let method = Method::parse(token);
    let has_body = matches!(method, Method::Post | Method::Put | Method::Patch);
    let mut strong = !has_body && method != Method::Other;
    if has_body {
        if let Some(digest) = &record.body_digest {
            scratch.push(b'd');
            scratch.extend_from_slice(digest);
            strong = true;
        } else if let Some(length) = record.bytes_in {
            scratch.push(b'l');
            scratch.extend_from_slice(&length.to_le_bytes());
            strong = true;
        }
    }
    Fingerprint { request: hasher.id(scratch), resource, number, strong }
}

/// Whether a path is what its segments make when they are put together again: nothing is doubled, empty, a lone dot, or
/// behind a semicolon.
fn is_tidy(path: &[u8]) -> bool {
    let mut before = 0;
    let tidy = path.iter().all(|&b| {
        let odd = b == b';' || (before == b'/' && matches!(b, b'/' | b'.'));
        before = b;
        !odd
    });
    tidy && path.first() == Some(&b'/') && path.len() > 1 && before != b'/'
}

/// A segment that is nothing but a number of at most 18 digits.
fn whole_number(segment: &[u8]) -> Option<u64> {
    if segment.is_empty() || segment.len() > 18 {
        return None;
    }
    segment.iter().try_fold(0u64, |n, b| b.is_ascii_digit().then(|| n * 10 + u64::from(b - b'0')))
}

fn is_cache_buster(name: &[u8]) -> bool {
    // Most names are settled by their first letter.
    if !matches!(name.first(), Some(b'_' | b't' | b'T' | b'n' | b'N' | b'c' | b'C' | b'r' | b'R')) {
        return false;
    }
    CACHE_BUSTERS.iter().any(|n| name.eq_ignore_ascii_case(n.as_bytes()))
}

/// Whether a value is nothing but an instant between 2001 and 2065: Unix seconds (with or without a fraction),
/// milliseconds, microseconds or nanoseconds.
fn is_epoch(value: &[u8]) -> bool {
    if value.len() < 10 || !matches!(value.first(), Some(b'1' | b'2')) {
        return false;
    }
    let whole = value.split(|b| *b == b'.').next().unwrap_or_default();
    let fraction = value.get(whole.len() + 1..).unwrap_or_default();
    let digits = |b: &[u8]| b.iter().all(u8::is_ascii_digit);
    matches!(whole.len(), 10 | 13 | 16 | 19)
        && digits(whole)
        && matches!(whole.first(), Some(b'1' | b'2'))
        && fraction.len() <= 9
        && digits(fraction)
        && (whole.len() == 10 || value.len() == whole.len())
}

#[cfg(test)]
mod tests {
    use std::borrow::Cow;

    use super::*;

    fn print(method: &'static str, target: &'static str, bytes_in: Option<u64>) -> Fingerprint {
        let record = Record { method: Some(Cow::Borrowed(method.as_bytes())), bytes_in, ..Record::default() };
        let target = Target::split(target.as_bytes());
        fingerprint(&record, (target, None), Id(7), Some(b"partner"), &Hasher::new(1), &mut Vec::new())
    }

    #[test]
    fn the_last_number_of_a_path_is_known() {
        for (target, number) in [
            ("/v1/users/12/orders/7", Some(7)),
            ("/v1/users/12/orders?page=3", Some(12)),
            ("/v1/users/012", Some(12)),
            ("/v1/users/12a", None),
            ("/1234567890123456789", None),
            ("/", None),
        ] {
            assert_eq!(print("GET", target, None).number, number, "{target}");
        }
    }

    #[test]
    fn what_only_pretends_to_differ_is_the_same() {
        let first = print("GET", "/v1/orders/12?expand=items", None);
        for same in [
            "/v1/orders/12?expand=items&_=1772461867123",
            "/v1/orders/12?ts=1&expand=items&since=1772461867",
            "/v1//orders/12/?api_key=x&expand=items&partner=y",
            "http://host/v1/orders/12?expand=%69tems&nonce=a#f",
        ] {
            assert_eq!(print("GET", same, None), first, "{same}");
        }
        for other in
            ["/v1/orders/13?expand=items", "/v1/orders/12?expand=lines", "/v1/orders/12?expand=items&page_token=2"]
        {
            assert_ne!(print("GET", other, None).request, first.request, "{other}");
        }
        assert_ne!(print("HEAD", "/v1/orders/12?expand=items", None).request, first.request);
        assert_eq!(print("GET", "/v1/orders/12?expand=lines", None).resource, first.resource);
    }

    #[test]
    fn bodies_are_told_apart_by_their_length() {
        let (a, b, unknown) =
            (print("POST", "/v1/pay", Some(10)), print("POST", "/v1/pay", Some(11)), print("POST", "/v1/pay", None));
        assert_ne!(a.request, b.request);
        assert!(a.strong && b.strong && !unknown.strong);
        // A length says nothing about a GET.
        assert_eq!(print("GET", "/a", Some(10)), print("GET", "/a", Some(11)));
        assert!(print("DELETE", "/a", None).strong && !print("PROPFIND", "/a", None).strong);
    }

    #[test]
    fn epochs() {
        for yes in ["1772461867", "1772461867.123", "1772461867123", "1772461867123456"] {
            assert!(is_epoch(yes.as_bytes()), "{yes}");
        }
        for no in ["", "12", "9772461867", "17724618a7", "1772461867.x", "1772461867123.5"] {
            assert!(!is_epoch(no.as_bytes()), "{no}");
        }
    }
}
