//! Java's time patterns (`SimpleDateFormat`, `DateTimeFormatter`), which Tomcat and Jetty take, as chrono's.

/// A Java pattern as one of chrono.
///
/// # Errors
/// The letter that has no counterpart.
pub(super) fn pattern(java: &str) -> Result<String, String> {
    let mut out = String::with_capacity(java.len() + 8);
    let mut rest = java;
    let mut letters = 0;
    while let Some(c) = rest.chars().next() {
        if c == '\'' {
            let inner = &rest[1..];
            let end =
                inner.find('\'').ok_or_else(|| "this quote is not closed: expected ' before the end".to_owned())?;
            // Two quotes are one.
            out.push_str(&if end == 0 { "'".to_owned() } else { inner[..end].replace('%', "%%") });
            rest = &inner[end + 1..];
            continue;
        }
        if !c.is_ascii_alphabetic() {
            if !matches!(c, '[' | ']') {
                out.push(c);
            }
            if c == '%' {
                out.push('%');
            }
            rest = &rest[c.len_utf8()..];
            continue;
        }
        let run = rest.len() - rest.trim_start_matches(c).len();
        letters += 1;
        out.push_str(match (c, run) {
            ('y' | 'u', 2) => "%y",
            ('y' | 'u', _) => "%Y",
            ('M' | 'L', 1 | 2) => "%m",
            ('M' | 'L', 3) => "%b",
            ('M' | 'L', _) => "%B",
            ('d', _) => "%d",
            ('D', _) => "%j",
            ('E', 1..=3) => "%a",
            ('E', _) => "%A",
            ('H', _) => "%H",
            ('h', _) => "%I",
            ('m', _) => "%M",
            ('s', _) => "%S",
            ('a', _) => "%p",
            // A dot before them belongs to the seconds; chrono's own form takes it along.
            ('S', 3) => "%3f",
            ('S', 6) => "%6f",
            ('S', 9) => "%9f",
            ('Z', 1..=3) | ('x' | 'X', 2) => "%z",
            ('X' | 'x' | 'Z', _) => "%:z",
            ('z' | 'V', _) => "%Z",
            (other, _) => return Err(format!("\"{java}\": the letter {other} of this time format is not known")),
        });
        rest = &rest[run..];
    }
    if letters == 0 {
        return Err(format!("\"{java}\" is not a time format"));
    }
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn letters_are_translated() {
        for (java, chrono) in [
            ("dd/MMM/yyyy:HH:mm:ss Z", "%d/%b/%Y:%H:%M:%S %z"),
            ("yyyy-MM-dd'T'HH:mm:ss.SSSXXX", "%Y-%m-%dT%H:%M:%S.%3f%:z"),
            ("EEE, d MMM yyyy h:mm a", "%a, %d %b %Y %I:%M %p"),
            ("''yy 100%", "'%y 100%%"),
        ] {
            assert_eq!(pattern(java).as_deref(), Ok(chrono));
        }
        assert!(pattern("yyyy-bb").unwrap_err().contains("letter b"));
        assert!(pattern("yyyy 'open").unwrap_err().contains("not closed"));
    }
}
