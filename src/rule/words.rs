//! The words of a rule's own notices: plain text with names in braces, checked when the rule is read.

use super::Problem;
use crate::diag::suggest;

/// The most characters of one text.
const MOST_CHARS: usize = 600;

/// The names that texts may use, and what stands in their place.
pub const NAMES: &[(&str, &str)] = &[
    ("who", "key acme, client 203.0.113.9, /v1/orders, the whole site"),
    ("subject", "acme, 203.0.113.9"),
    ("group", "all that the rule groups by: key acme and tenant north"),
    ("observed", "what was measured: 120 requests, 5 %, 2.3 s"),
    ("limit", "what the rule allows: 100 requests, five times the usual"),
    ("usual", "what it is compared with, where it is what is usual or was before"),
    ("window", "the window: 10 min"),
    ("started", "when it began"),
    ("lasted", "for how long it has been going on"),
    ("requests", "lines that met the condition since then"),
    ("errors", "how many of them failed"),
    ("cost", "what they cost"),
    ("endpoints", "where they go, the largest first"),
    ("clients", "where they come from"),
    ("keys", "whose they are"),
    ("rule", "the rule's name"),
    ("severity", "info, warning or critical"),
];

/// A text in pieces.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Piece {
    /// Stands as it is.
    Plain(String),
    /// One of [`NAMES`].
    Name(&'static str),
}

/// One text.
pub type Text = Vec<Piece>;

/// What a rule says in its own words; what it does not say is said in general ones.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Words {
    /// Who and what, in one line.
    pub title: Option<Text>,
    /// What happened, in a sentence or two.
    pub summary: Option<Text>,
    /// What to do, first things first.
    pub actions: Option<Vec<Text>>,
}

impl Words {
    /// Whether nothing is said.
    pub fn is_empty(&self) -> bool {
        *self == Words::default()
    }
}

/// Reads a text. `{{` and `}}` stand for single braces.
///
/// # Errors
/// A name that does not exist, a brace without its other half, or a text that is too long.
pub fn parse(text: &str) -> Result<Text, Problem> {
    if text.chars().count() > MOST_CHARS {
        let message = format!("this text is longer than {MOST_CHARS} characters");
        return Err(Problem::new(0..text.len(), message).help("an alert is read in a few seconds"));
    }
    if text.trim().is_empty() {
        return Err(Problem::new(0..text.len(), "this text is empty"));
    }
    let (mut pieces, mut plain) = (Vec::new(), String::new());
    let mut chars = text.char_indices().peekable();
    while let Some((at, c)) = chars.next() {
        let doubled = chars.peek().is_some_and(|(_, next)| *next == c);
        match c {
            '{' | '}' if doubled => {
                chars.next();
                plain.push(c);
            }
            '}' => {
                return Err(Problem::new(at..at + 1, "this brace closes nothing").help("a brace itself is written }}"));
            }
            '{' => {
                let rest = text.get(at + 1..).unwrap_or("");
                let Some(end) = rest.find('}') else {
                    let problem = Problem::new(at..text.len(), "this brace is not closed");
                    return Err(problem.help("a brace itself is written {{"));
                };
                let name = rest.get(..end).unwrap_or("");
                let known = NAMES.iter().find(|(known, _)| *known == name.trim());
                let Some((known, _)) = known else {
                    let span = at + 1..at + 1 + end.max(1);
                    return Err(Problem::new(span, format!("no name is called \"{name}\""))
                        .maybe_help(suggest(name.trim(), NAMES.iter().map(|(name, _)| *name))));
                };
                if !plain.is_empty() {
                    pieces.push(Piece::Plain(std::mem::take(&mut plain)));
                }
                pieces.push(Piece::Name(known));
                while chars.next_if(|(i, _)| *i <= at + 1 + end).is_some() {}
            }
            c => plain.push(c),
        }
    }
    if !plain.is_empty() {
        pieces.push(Piece::Plain(plain));
    }
    Ok(pieces)
}
