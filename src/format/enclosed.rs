//! Lines that an export put into quotes as a whole: as they were, with their quotes doubled (CSV), or with backslashes.

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
