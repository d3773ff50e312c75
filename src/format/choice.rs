//! What the configuration says about a source's format, and why it cannot be had.

use super::dialect::Syntax;
use super::registry::Registry;
use super::template::FormatError;

/// Formats that the lines of one source may have.
pub const MOST_FORMATS: usize = 6;

/// What the configuration says about a source's format.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub enum Choice {
    /// Whatever fits: `format = "auto"`.
    #[default]
    Auto,
    /// A format of the registry by name.
    Named(String),
    /// A pasted format of whichever server it looks like.
    Template(String),
    /// A pasted format of a server that was said.
    TemplateOf(Syntax, String),
    /// Any of these, for each line the first that takes it: a file goes on in another format than it began in.
    AnyOf(Vec<Choice>),
}

impl Choice {
    /// From what a person writes where either a name or a format may stand: `combined`, `$remote_addr [$time_local]`. A
    /// name has no blanks and none of the characters with which variables begin.
    pub fn parse(text: &str) -> Choice {
        match text.trim() {
            "auto" => Choice::Auto,
            name if name.contains(['$', '%', '"', ' ', '\n', '\t']) => Choice::Template(text.to_owned()),
            name => Choice::Named(name.to_owned()),
        }
    }

    /// All that may be meant, the best first.
    pub fn each(&self) -> &[Choice] {
        match self {
            Choice::AnyOf(all) => all,
            one => std::slice::from_ref(one),
        }
    }
}

/// Why a source has no parser.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum ChoiceError {
    /// No format of this name.
    #[error("there is no format \"{name}\"{}; `lapwing formats` lists all", suggestion.as_ref().map(|s| format!(": did you mean \"{s}\"?")).unwrap_or_default())]
    Unknown {
        /// What was asked for.
        name: String,
        /// The known name that looks most like it.
        suggestion: Option<String>,
    },
    /// The pasted format cannot be compiled.
    #[error("{error}{}", place(error, text))]
    Template {
        /// What is wrong with it.
        error: FormatError,
        /// The format as it was pasted.
        text: String,
    },
}

impl ChoiceError {
    /// A name that is not known, with the nearest one that is.
    pub fn unknown(name: &str, registry: &Registry) -> ChoiceError {
        ChoiceError::Unknown { name: name.to_owned(), suggestion: registry.suggest(name).map(ToOwned::to_owned) }
    }
}

/// Where it is wrong: the column, and the line if there are several.
fn place(error: &FormatError, text: &str) -> String {
    match error.position(text) {
        Some((1, column)) if !text.trim_end().contains('\n') => format!(" (column {column} of the log format)"),
        Some((line, column)) => format!(" (line {line}, column {column} of the log format)"),
        None => String::new(),
    }
}
