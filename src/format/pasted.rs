//! Format texts as people paste them: a directive with its name, quoted pieces, escapes of the server's configuration.
//! What is left of them is the format itself, each character with its place in what was pasted.

use std::ops::Range;

use super::template::FormatError;

/// A character of the format and where it stands in what was pasted.
pub(super) type Placed = (char, usize);

/// The format itself, out of its quotes, with the way back to what was pasted.
#[derive(Clone, Debug, Default)]
pub(super) struct Pasted {
    /// The format without quotes and escapes.
    pub(super) text: String,
    /// For each byte of it its place in what was pasted.
    places: Vec<usize>,
}

impl Pasted {
    /// From characters with their places.
    pub(super) fn new(characters: &[Placed]) -> Pasted {
        Pasted {
            text: characters.iter().map(|(c, _)| *c).collect(),
            places: characters.iter().flat_map(|(c, at)| std::iter::repeat_n(*at, c.len_utf8())).collect(),
        }
    }

    /// A text that stands in what was pasted from `offset` on as it is.
    pub(super) fn plain(text: &str, offset: usize) -> Pasted {
        Pasted { text: text.to_owned(), places: (offset..offset + text.len()).collect() }
    }

    /// A part of the format as a part of what was pasted. Ends lie between characters where both do in the format.
    pub(super) fn span(&self, range: Range<usize>) -> Range<usize> {
        let start = self.place(range.start);
        let last = range.end.saturating_sub(1).max(range.start);
        // The last byte's character may be longer than a byte.
        let length = self.text.get(..range.end).and_then(|t| t.chars().next_back()).map_or(1, char::len_utf8);
        start..(self.place(last) + if range.end > range.start { length } else { 0 }).max(start)
    }

    fn place(&self, at: usize) -> usize {
        self.places.get(at).copied().unwrap_or_else(|| self.places.last().map_or(0, |last| last + 1))
    }
}

/// The format between quotes that begin at `open`, or an error that points at the quote.
pub(super) fn quoted(text: &str, open: usize) -> Result<(Range<usize>, char), FormatError> {
    let quote = text[open..].chars().next().unwrap_or('"');
    let inner = open + quote.len_utf8();
    match end_of_quoted(&text[inner..], quote) {
        Some(length) => Ok((inner..inner + length, quote)),
        None => Err(FormatError::at(format!("this quote is not closed: expected {quote} before the end"), open..inner)),
    }
}

/// Where the closing quote stands, escapes respected.
pub(super) fn end_of_quoted(text: &str, quote: char) -> Option<usize> {
    let mut escaped = false;
    for (at, c) in text.char_indices() {
        if escaped {
            escaped = false;
        } else if c == '\\' {
            escaped = true;
        } else if c == quote {
            return Some(at);
        }
    }
    None
}

/// Escapes of configuration strings undone: `\"`, `\'`, `\\`, `\t`, `\r`, `\n`. nginx, Apache and most others agree.
pub(super) fn unescape(text: &str, offset: usize) -> Vec<Placed> {
    unescape_all(text, offset, &[])
}

/// The same, where further characters may stand behind a backslash for themselves (HAProxy's blanks).
pub(super) fn unescape_all(text: &str, offset: usize, further: &[char]) -> Vec<Placed> {
    let mut out = Vec::with_capacity(text.len());
    let mut characters = text.char_indices().peekable();
    while let Some((at, c)) = characters.next() {
        let plain = match (c, characters.peek().map(|(_, next)| *next)) {
            ('\\', Some(next @ ('"' | '\'' | '\\'))) => Some(next),
            ('\\', Some('t')) => Some('\t'),
            ('\\', Some('r')) => Some('\r'),
            ('\\', Some('n')) => Some('\n'),
            ('\\', Some(next)) if further.contains(&next) => Some(next),
            _ => None,
        };
        if plain.is_some() {
            characters.next();
        }
        out.push((plain.unwrap_or(c), offset + at));
    }
    out
}

/// The entities of XML undone (`&quot;` in Tomcat's server.xml).
pub(super) fn without_entities(text: &str, offset: usize) -> Vec<Placed> {
    const ENTITIES: [(&str, char); 6] =
        [("&quot;", '"'), ("&apos;", '\''), ("&lt;", '<'), ("&gt;", '>'), ("&#34;", '"'), ("&amp;", '&')];
    let mut out = Vec::with_capacity(text.len());
    let mut at = 0;
    while let Some(c) = text[at..].chars().next() {
        let entity = ENTITIES.iter().find(|(name, _)| text[at..].starts_with(name));
        out.push((entity.map_or(c, |(_, plain)| *plain), offset + at));
        at += entity.map_or(c.len_utf8(), |(name, _)| name.len());
    }
    out
}

/// Behind blanks.
pub(super) fn skip_space(text: &str, at: usize) -> usize {
    text.len() - text[at..].trim_start().len()
}

/// Behind a word: up to a blank or a quote.
pub(super) fn skip_word(text: &str, at: usize) -> usize {
    at + text[at..].find(|c: char| c.is_whitespace() || c == '\'' || c == '"').unwrap_or(text.len() - at)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_lead_back_through_escapes() {
        let text = r#"a\"é$x"#;
        let pasted = Pasted::new(&unescape(text, 0));
        assert_eq!(pasted.text, "a\"é$x");
        let at = pasted.text.find('$').unwrap();
        assert_eq!(&text[pasted.span(at..at + 2)], "$x");
        assert_eq!(&text[pasted.span(2..4)], "é");
        assert_eq!(pasted.span(99..100).start, text.len());
    }

    #[test]
    fn entities_are_undone_once() {
        let plain: String = without_entities("&quot;%r&quot; &amp;quot; &x", 0).iter().map(|(c, _)| *c).collect();
        assert_eq!(plain, "\"%r\" &quot; &x");
    }
}
