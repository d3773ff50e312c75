//! The request target taken apart: where the path ends, what the query says. Borrows, never fails.

use std::borrow::Cow;

use crate::format::find;

/// A request target cut into its path and its query. The fragment, which no server should ever see, is dropped.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Target<'a> {
    /// The path as it stands, with its escapes; `*` and the authority of CONNECT stand here too.
    pub path: &'a [u8],
    /// The query without its question mark.
    pub query: Option<&'a [u8]>,
}

impl<'a> Target<'a> {
    /// From any form of RFC 9112, section 3.2; scheme and host of the absolute form are dropped.
    pub fn split(target: &'a [u8]) -> Self {
        let target = origin_form(target);
        let Some(mark) = memchr::memchr2(b'?', b'#', target) else { return Target { path: target, query: None } };
        let (path, rest) = target.split_at(mark);
        let query = rest.strip_prefix(b"?").map(|query| &query[..find(b'#', query).unwrap_or(query.len())]);
        Target { path, query }
    }

    /// The parameters of the query in their order, undecoded. Only `&` parts them, as in the WHATWG URL standard.
    pub fn parameters(self) -> impl Iterator<Item = Parameter<'a>> {
        let mut rest = self.query.unwrap_or_default();
        std::iter::from_fn(move || {
            while !rest.is_empty() {
                let (part, behind) = rest.split_at(find(b'&', rest).unwrap_or(rest.len()));
                rest = behind.get(1..).unwrap_or_default();
                if !part.is_empty() {
                    return Some(match find(b'=', part) {
                        Some(equals) => Parameter { name: &part[..equals], value: &part[equals + 1..] },
                        None => Parameter { name: part, value: &[] },
                    });
                }
            }
            None
        })
    }

    /// The segments of the path that hold anything, without their matrix parameters (`;jsessionid=…`).
    pub fn segments(self) -> impl Iterator<Item = &'a [u8]> {
        let cut = |s: &'a [u8]| &s[..s.iter().position(|b| *b == b';').unwrap_or(s.len())];
        self.path.split(|b| *b == b'/').map(cut).filter(|s| !s.is_empty() && *s != b".")
    }
}

/// One parameter of a query as it stands, with its escapes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Parameter<'a> {
    /// Its name.
    pub name: &'a [u8],
    /// Its value, empty if it has none.
    pub value: &'a [u8],
}

/// With percent escapes undone where they are well formed; borrowed where there are none.
pub fn percent_decoded(bytes: &[u8]) -> Cow<'_, [u8]> {
    if find(b'%', bytes).is_none() {
        return Cow::Borrowed(bytes);
    }
    let mut out = Vec::with_capacity(bytes.len());
    percent_decode(bytes, &mut out);
    Cow::Owned(out)
}

/// Appends the same.
pub(super) fn percent_decode(bytes: &[u8], out: &mut Vec<u8>) {
    let first = find(b'%', bytes).unwrap_or(bytes.len());
    out.extend_from_slice(&bytes[..first]);
    let mut rest = &bytes[first..];
    while let [byte, tail @ ..] = rest {
        let digit = |i: usize| tail.get(i).and_then(|b| (*b as char).to_digit(16));
        if let (b'%', Some(high), Some(low)) = (*byte, digit(0), digit(1)) {
            out.push((high * 16 + low) as u8);
            rest = &tail[2..];
        } else {
            out.push(*byte);
            rest = tail;
        }
    }
}

/// Without `scheme://authority`, if the target is in absolute form.
fn origin_form(target: &[u8]) -> &[u8] {
    if target.first() == Some(&b'/') {
        return target;
    }
    let scheme = target.iter().take(16).take_while(|b| b.is_ascii_alphanumeric() || **b == b'+').count();
    if scheme == 0 || !target[scheme..].starts_with(b"://") {
        return target;
    }
    let after = &target[scheme + 3..];
    match after.iter().position(|b| matches!(b, b'/' | b'?' | b'#')) {
        Some(at) if after[at] == b'/' => &after[at..],
        // `http://host?x=1`: the path is empty, which means the root.
        Some(at) => {
            let query = &after[at..];
            if query.is_empty() { b"/" } else { query }
        }
        None => b"/",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_has_its_path_and_query() {
        let split = |t: &'static str| {
            let t = Target::split(t.as_bytes());
            (String::from_utf8_lossy(t.path), t.query.map(String::from_utf8_lossy))
        };
        for (target, path, query) in [
            ("/a/b?x=1#f", "/a/b", Some("x=1")),
            ("/a#f?x", "/a", None),
            ("http://host:80/a?b", "/a", Some("b")),
            ("https://host", "/", None),
            ("https://host?q=1", "", Some("q=1")),
            ("*", "*", None),
            ("host:443", "host:443", None),
            ("", "", None),
        ] {
            assert_eq!(split(target), (path.into(), query.map(Into::into)), "{target}");
        }
    }

    #[test]
    fn parameters_and_escapes() {
        let target = Target::split(b"/p?a=1&&b=x=y&c&=v;w");
        let pairs: Vec<_> = target.parameters().map(|p| (p.name, p.value)).collect();
        assert_eq!(pairs, [(&b"a"[..], &b"1"[..]), (b"b", b"x=y"), (b"c", b""), (b"", b"v;w")]);
        assert_eq!(&*percent_decoded(b"a%20b%zz%4"), b"a b%zz%4");
    }
}
