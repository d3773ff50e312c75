//! The language of the users' own rules: conditions over the fields of a line, and what is counted of the lines that
//! meet them.
//!
//! A condition is read (`token`, `parse`), its names and types are checked (`check`) and what is left is a small
//! tree (`condition`) that asks a line for its fields, behind a first look at how it begins (`guard`): nothing is looked up by name when lines come, and nothing is
//! allocated. Everything that is wrong is a [`Problem`] with its place in the text.

pub mod bound;
mod check;
pub mod condition;
pub mod field;
pub mod guard;
mod parse;
pub mod schedule;
pub mod spec;
mod token;
pub mod words;

#[cfg(test)]
mod tests;

use std::ops::Range;

pub use condition::{Condition, Line};
pub use field::Field;

/// What is wrong with a text of a rule, and where in it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Problem {
    /// Which bytes of the text.
    pub span: Range<usize>,
    /// What is wrong, in one sentence without full stop.
    pub message: String,
    /// A few words beside the caret.
    pub label: String,
    /// What to try.
    pub help: Option<String>,
}

impl Problem {
    fn new(span: Range<usize>, message: impl Into<String>) -> Self {
        Problem { span, message: message.into(), label: String::new(), help: None }
    }

    fn label(self, label: impl Into<String>) -> Self {
        Problem { label: label.into(), ..self }
    }

    fn help(self, help: impl Into<String>) -> Self {
        Problem { help: Some(help.into()), ..self }
    }

    fn maybe_help(self, help: Option<String>) -> Self {
        Problem { help: help.or(self.help), ..self }
    }
}

/// Reads a condition, checks its names and types, and compiles it.
///
/// # Errors
/// Everything that is wrong with it: one error of syntax, or all errors of names and types.
pub fn compile(text: &str) -> Result<Condition, Vec<Problem>> {
    let expression = parse::parse(text).map_err(|problem| vec![problem])?;
    check::compile(&expression)
}
