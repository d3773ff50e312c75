//! Words for people about a place in a file: what is wrong, where, and what to try.
//!
//! A [`Diagnostic`] points into an [`Origin`] (a file, or a text from inside the binary). It is drawn as rustc draws its
//! errors, with the line and a caret; or short, one line each; or as JSON. Values that are secrets by their key never
//! appear, whatever else is wrong in their line.

use std::borrow::Cow;
use std::cell::RefCell;
use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use annotate_snippets::renderer::DecorStyle;
use annotate_snippets::{AnnotationKind, Level, Renderer, Snippet};
use serde::Serialize;

/// A named text that errors can point into: a path, or `built-in:rules/burst.toml`.
#[derive(Debug, PartialEq, Eq)]
pub struct Origin {
    /// Path or name, as messages show it.
    pub name: String,
    /// Its characters.
    pub text: String,
}

impl Origin {
    /// A text and the name it goes by.
    pub fn new(name: impl Into<String>, text: impl Into<String>) -> Arc<Self> {
        Arc::new(Origin { name: name.into(), text: text.into() })
    }

    /// Line and column of a byte offset, both counted from 1; the column counts characters.
    pub fn line_column(&self, offset: usize) -> (usize, usize) {
        let mut at = offset.min(self.text.len());
        while !self.text.is_char_boundary(at) {
            at -= 1;
        }
        let before = &self.text[..at];
        let line = before.matches('\n').count() + 1;
        let column = before.rsplit('\n').next().map_or(0, |l| l.chars().count()) + 1;
        (line, column)
    }
}

/// A stretch of bytes in an origin.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// Which text.
    pub origin: Arc<Origin>,
    /// Which bytes of it.
    pub span: Range<usize>,
}

/// `path:line:column`.
impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (line, column) = self.origin.line_column(self.span.start);
        write!(f, "{}:{line}:{column}", self.origin.name)
    }
}

/// Whether it stops anything.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Weight {
    /// It cannot go on like this.
    Error,
    /// It goes on, but probably not as meant.
    Warning,
}

/// One thing that is wrong, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnostic {
    /// Whether it stops anything.
    pub weight: Weight,
    /// What is wrong, in one sentence without full stop.
    pub message: String,
    /// Where, if it is about a place.
    pub place: Option<Place>,
    /// A few words beside the caret.
    pub label: String,
    /// What to try.
    pub help: Option<String>,
}

impl Diagnostic {
    /// An error without place.
    pub fn error(message: impl Into<String>) -> Self {
        Diagnostic { weight: Weight::Error, message: message.into(), place: None, label: String::new(), help: None }
    }

    /// A warning without place.
    pub fn warning(message: impl Into<String>) -> Self {
        Diagnostic { weight: Weight::Warning, ..Diagnostic::error(message) }
    }

    /// Points at a place, with a few words beside the caret (or none).
    #[must_use]
    pub fn at(mut self, place: &Place, label: impl Into<String>) -> Self {
        self.place = Some(place.clone());
        self.label = label.into();
        self
    }

    /// Says what to try.
    #[must_use]
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    /// Says what to try, if there is something.
    #[must_use]
    pub fn maybe_help(mut self, help: Option<String>) -> Self {
        self.help = help.or(self.help);
        self
    }

    /// As rustc draws its errors; `colour` adds escape sequences for a terminal.
    pub fn render(&self, colour: bool) -> String {
        let level = match self.weight {
            Weight::Error => Level::ERROR,
            Weight::Warning => Level::WARNING,
        };
        let shown;
        let message = clean(&self.message);
        let label = clean(&self.label);
        let help = self.help.as_deref().map(clean);
        let mut group = match &self.place {
            None => level
                .primary_title(message.as_ref())
                .elements(Vec::<Snippet<'_, annotate_snippets::Annotation<'_>>>::new()),
            Some(place) => {
                shown = hide_secrets(&place.origin.text);
                let (start, end) = whole_characters(&shown, &place.span);
                let mut mark = AnnotationKind::Primary.span(start..end);
                if !label.is_empty() {
                    mark = mark.label(label.as_ref());
                }
                let snippet = Snippet::source(shown.as_ref()).path(place.origin.name.as_str()).annotation(mark);
                level.primary_title(message.as_ref()).element(snippet)
            }
        };
        if let Some(help) = &help {
            group = group.element(Level::HELP.message(help.as_ref()));
        }
        let renderer = if colour { Renderer::styled() } else { Renderer::plain() };
        renderer.decor_style(DecorStyle::Ascii).term_width(160).render(&[group])
    }

    /// One line: `path:line:column: error: message (label); help`.
    pub fn short(&self) -> String {
        let mut text = String::new();
        if let Some(place) = &self.place {
            text.push_str(&place.to_string());
            text.push_str(": ");
        }
        text.push_str(match self.weight {
            Weight::Error => "error: ",
            Weight::Warning => "warning: ",
        });
        text.push_str(&clean(&self.message));
        if !self.label.is_empty() {
            text.push_str(" (");
            text.push_str(&clean(&self.label));
            text.push(')');
        }
        if let Some(help) = &self.help {
            text.push_str("; ");
            text.push_str(&clean(help));
        }
        text
    }

    /// For scripts: `severity`, `file`, `line`, `column`, `message`, `label`, `help`.
    pub fn to_json(&self) -> serde_json::Value {
        let at = self.place.as_ref().map(|p| p.origin.line_column(p.span.start));
        serde_json::json!({
            "severity": self.weight,
            "file": self.place.as_ref().map(|p| p.origin.name.as_str()),
            "line": at.map(|(line, _)| line),
            "column": at.map(|(_, column)| column),
            "message": self.message,
            "label": if self.label.is_empty() { None } else { Some(&self.label) },
            "help": self.help,
        })
    }
}

/// Everything that is wrong, collected while going on: one run shows all errors, not the first.
#[derive(Debug, Default)]
pub struct Report(RefCell<Vec<Diagnostic>>);

impl Report {
    /// Nothing wrong so far.
    pub fn new() -> Self {
        Report::default()
    }

    /// Notes one thing.
    pub fn push(&self, diagnostic: Diagnostic) {
        self.0.borrow_mut().push(diagnostic);
    }

    /// Whether anything stops.
    pub fn has_errors(&self) -> bool {
        self.0.borrow().iter().any(|d| d.weight == Weight::Error)
    }

    /// What was noted, in the order of file and place.
    pub fn into_list(self) -> Vec<Diagnostic> {
        let mut list = self.0.into_inner();
        let mut files: Vec<String> = Vec::new();
        for diagnostic in &list {
            if let Some(place) = &diagnostic.place
                && !files.contains(&place.origin.name)
            {
                files.push(place.origin.name.clone());
            }
        }
        list.sort_by_key(|d| d.place.as_ref().map(|p| (files.iter().position(|f| *f == p.origin.name), p.span.start)));
        list
    }
}

/// The candidate that was probably meant: nearest by edits (swapped neighbours count as one), if near enough.
pub fn nearest<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let limit = (word.chars().count() / 3).clamp(1, 4);
    candidates
        .into_iter()
        .map(|c| (edits(word, c), c))
        .filter(|&(distance, _)| distance <= limit)
        .min_by_key(|&(distance, _)| distance)
        .map(|(_, c)| c)
}

/// `did you mean "x"?`, or the list of what is known when nothing is near.
pub fn suggest<'a>(word: &str, known: impl IntoIterator<Item = &'a str> + Clone) -> Option<String> {
    if let Some(near) = nearest(word, known.clone()) {
        return Some(format!("did you mean \"{near}\"?"));
    }
    let list: Vec<String> = known.into_iter().take(40).map(|k| format!("\"{k}\"")).collect();
    if list.is_empty() { None } else { Some(format!("known are {}", list.join(", "))) }
}

/// Optimal string alignment distance, over the first 64 characters.
fn edits(a: &str, b: &str) -> usize {
    let a: Vec<char> = a.chars().take(64).flat_map(char::to_lowercase).collect();
    let b: Vec<char> = b.chars().take(64).flat_map(char::to_lowercase).collect();
    let mut before_last = vec![0; b.len() + 1];
    let mut last: Vec<usize> = (0..=b.len()).collect();
    for i in 1..=a.len() {
        let mut row = vec![i; b.len() + 1];
        for j in 1..=b.len() {
            let change = usize::from(a[i - 1] != b[j - 1]);
            row[j] = (last[j] + 1).min(row[j - 1] + 1).min(last[j - 1] + change);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                row[j] = row[j].min(before_last[j - 2] + 1);
            }
        }
        before_last = std::mem::replace(&mut last, row);
    }
    last[b.len()]
}

/// Keys whose values are secrets: a webhook's address is one.
pub const SECRET_KEYS: &[&str] =
    &["url", "password", "token", "secret", "authorization", "routing_key", "bot_token", "api_key"];

/// The text with the values of secret keys replaced byte for byte, so that offsets still fit.
fn hide_secrets(text: &str) -> Cow<'_, str> {
    let mut bytes: Option<Vec<u8>> = None;
    let mut from = 0;
    while let Some(found) = text.get(from..).and_then(|rest| rest.find('=')) {
        let equals = from + found;
        from = equals + 1;
        let key = text[..equals].trim_end().trim_end_matches(['"', '\'']);
        let start = key
            .rfind(|c: char| !(c.is_ascii_alphanumeric() || c == '_' || c == '-'))
            .map_or(0, |i| i + key[i..].chars().next().map_or(1, char::len_utf8));
        if !SECRET_KEYS.contains(&&key[start..]) {
            continue;
        }
        let value = &text[from..];
        let quote_at = value.len() - value.trim_start_matches([' ', '\t']).len();
        let quoted = &value[quote_at..];
        let (open, close) = if let Some(inner) = quoted.strip_prefix("\"\"\"") {
            (3, inner.find("\"\"\""))
        } else if let Some(inner) = quoted.strip_prefix("'''") {
            (3, inner.find("'''"))
        } else if quoted.starts_with(['"', '\'']) {
            let line = quoted[1..].find('\n').unwrap_or(quoted.len() - 1);
            (1, Some(quoted[1..=line].find(&quoted[..1]).unwrap_or(line)))
        } else {
            (0, quoted.find('\n'))
        };
        let begin = from + quote_at + open;
        let end = close.map_or(text.len(), |c| begin + c);
        for byte in &mut bytes.get_or_insert_with(|| text.as_bytes().to_vec())[begin..end] {
            if *byte != b'\n' {
                *byte = b'*';
            }
        }
        from = end;
    }
    match bytes {
        None => Cow::Borrowed(text),
        Some(bytes) => String::from_utf8(bytes).map_or(Cow::Borrowed(""), Cow::Owned),
    }
}

/// The span widened to whole characters and cut at the end of the text; never empty where there is a character.
fn whole_characters(text: &str, span: &Range<usize>) -> (usize, usize) {
    let mut start = span.start.min(text.len());
    while !text.is_char_boundary(start) {
        start -= 1;
    }
    let mut end = span.end.clamp(start, text.len());
    while !text.is_char_boundary(end) {
        end += 1;
    }
    // A span over many lines (a table) is told by its first line.
    if let Some(line_end) = text[start..end].find('\n').filter(|&n| n > 0) {
        end = start + line_end;
    }
    (start, end)
}

/// Control characters shown, not sent to the terminal.
fn clean(text: &str) -> Cow<'_, str> {
    if text.chars().any(|c| c.is_control() && c != '\n') {
        Cow::Owned(text.chars().map(|c| if c.is_control() && c != '\n' { '\u{fffd}' } else { c }).collect())
    } else {
        Cow::Borrowed(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(origin: &Arc<Origin>, word: &str) -> Place {
        let start = origin.text.find(word).unwrap();
        Place { origin: origin.clone(), span: start..start + word.len() }
    }

    #[test]
    fn an_error_shows_file_line_column_and_the_line() {
        let origin = Origin::new("lapwing.toml", "[source.api]\nfromat = \"combined\"\n");
        let d = Diagnostic::error("unknown key \"fromat\"")
            .at(&place(&origin, "fromat"), "not a key of a source")
            .help("did you mean \"format\"?");
        insta::assert_snapshot!(d.render(false), @r#"
        error: unknown key "fromat"
         --> lapwing.toml:2:1
          |
        2 | fromat = "combined"
          | ^^^^^^ not a key of a source
          |
          = help: did you mean "format"?
        "#);
        assert_eq!(
            d.short(),
            "lapwing.toml:2:1: error: unknown key \"fromat\" (not a key of a source); did you mean \"format\"?"
        );
        assert_eq!(d.to_json()["line"], 2);
        assert!(d.render(true).contains("\u{1b}["));
    }

    #[test]
    fn columns_count_characters_and_odd_spans_do_no_harm() {
        let origin = Origin::new("x", "é = ü\nb");
        assert_eq!(origin.line_column(7), (1, 6));
        assert_eq!(origin.line_column(8), (2, 1));
        for span in [0..0, 1..1, 1..2, 4..400, 400..500, 9..9] {
            let d = Diagnostic::error("e").at(&Place { origin: origin.clone(), span }, "l");
            assert!(d.render(false).starts_with("error: e"), "{}", d.render(false));
        }
        let empty = Origin::new("x", "");
        assert!(Diagnostic::error("e").at(&Place { origin: empty, span: 0..0 }, "").render(false).contains("x:1"));
    }

    #[test]
    fn secrets_never_show_even_when_their_line_is_broken() {
        let text = "[channel.ops]\nurl = \"https://hooks.example/MARK\nb = { password = 'MARK', kind = 1 }\nurl_file=\"/f\"\ntoken = \"\"\"\nMARK\"\"\"\nurl = MARK\n";
        let origin = Origin::new("lapwing.toml", text);
        for span in [20..24, 55..60, 70..72, 100..120, 125..130] {
            let shown = Diagnostic::error("bad").at(&Place { origin: origin.clone(), span }, "").render(false);
            assert!(!shown.contains("MARK"), "{shown}");
        }
        let hidden = hide_secrets(text);
        assert!(!hidden.contains("MARK") && hidden.contains("\"/f\"") && hidden.contains("kind = 1"), "{hidden}");
        assert_eq!(hidden.len(), text.len());
    }

    #[test]
    fn the_nearest_word_is_offered_and_nothing_far() {
        let known = ["format", "path", "start", "log_format"];
        assert_eq!(nearest("fromat", known), Some("format"));
        assert_eq!(nearest("pth", known), Some("path"));
        assert_eq!(nearest("colour", known), None);
        assert_eq!(suggest("colour", known).unwrap(), "known are \"format\", \"path\", \"start\", \"log_format\"");
    }

    #[test]
    fn the_list_is_in_order_of_place() {
        let origin = Origin::new("a", "one two");
        let report = Report::new();
        report.push(Diagnostic::error("second").at(&place(&origin, "two"), ""));
        report.push(Diagnostic::warning("first").at(&place(&origin, "one"), ""));
        assert!(report.has_errors());
        let words: Vec<String> = report.into_list().into_iter().map(|d| d.message).collect();
        assert_eq!(words, ["first", "second"]);
    }
}
