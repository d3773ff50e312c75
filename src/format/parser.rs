//! What a source reads its lines with: one format that was named or pasted, or those that its first lines suggest.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use serde::{Deserialize, Serialize};

use super::dialect::Syntax;
use super::fields::{Context, Fields};
use super::guess::{Guess, guess};
use super::registry::Registry;
use super::template::{FormatError, Template};
use super::{Format, Reason, Record, Reject};
use crate::time::{Timestamp, Zone};

/// The name of a format that was pasted into the configuration.
pub const PASTED: &str = "log_format";

/// Lines after which the share of rejects is looked at anew, at first; a look that finds nothing doubles it.
const WINDOW_LINES: u32 = 100;
/// The longest such window.
const WINDOW_LINES_AT_MOST: u32 = 1 << 20;
/// One reject in so many lines is worth another look.
const REJECTS_ONE_IN: u32 = 20;

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

/// Compiles what was pasted.
fn pasted(
    syntax: Option<Syntax>,
    text: String,
    context: &Context,
    warnings: &mut Vec<String>,
) -> Result<Arc<dyn Format>, ChoiceError> {
    match Template::with_syntax(PASTED, syntax, &text, Zone::UTC) {
        Ok(template) => {
            let template = template.within(context);
            warnings.extend_from_slice(template.warnings());
            Ok(Arc::new(template))
        }
        Err(error) => Err(ChoiceError::Template { error, text }),
    }
}

/// What was found out about a source with `format = "auto"`, so that a restart need not guess again.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Decision {
    /// The format that most lines have.
    pub format: String,
    /// Formats of other lines of the same source.
    pub also: Vec<String>,
}

/// Reads the lines of one source.
#[derive(Debug)]
pub struct SourceParser {
    registry: Arc<Registry>,
    context: Context,
    auto: bool,
    /// The best first; empty as long as nothing is decided.
    formats: Vec<Arc<dyn Format>>,
    warnings: Vec<String>,
    lines: AtomicU32,
    rejects: AtomicU32,
    window: u32,
    wants_sample: AtomicBool,
}

impl SourceParser {
    /// A parser for what the configuration says; `zone` is for times without one.
    ///
    /// # Errors
    /// [`ChoiceError`] for a name that is not known and a pasted format that cannot be compiled.
    pub fn new(choice: Choice, registry: Arc<Registry>, zone: Zone) -> Result<SourceParser, ChoiceError> {
        SourceParser::with_fields(choice, registry, zone, Fields::default())
    }

    /// The same with what the configuration says about fields.
    ///
    /// # Errors
    /// As [`SourceParser::new`].
    pub fn with_fields(
        choice: Choice,
        registry: Arc<Registry>,
        zone: Zone,
        fields: Fields,
    ) -> Result<SourceParser, ChoiceError> {
        let context = Context::new(zone, fields);
        let mut warnings = Vec::new();
        let auto = choice == Choice::Auto;
        let formats: Vec<Arc<dyn Format>> = match choice {
            Choice::Auto => Vec::new(),
            Choice::Named(name) => {
                let Some(entry) = registry.get(&name) else { return Err(ChoiceError::unknown(&name, &registry)) };
                match entry.template() {
                    Some(template) => warnings.extend_from_slice(template.within(&context).warnings()),
                    None => warnings.extend_from_slice(entry.warnings()),
                }
                vec![entry.format_within(&context)]
            }
            Choice::Template(text) => vec![pasted(None, text, &context, &mut warnings)?],
            Choice::TemplateOf(syntax, text) => vec![pasted(Some(syntax), text, &context, &mut warnings)?],
        };
        Ok(SourceParser {
            registry,
            context,
            auto,
            formats,
            warnings,
            lines: AtomicU32::new(0),
            rejects: AtomicU32::new(0),
            window: WINDOW_LINES,
            wants_sample: auto.into(),
        })
    }

    /// Says about when the lines were written, for times without year: the time of the file, or now.
    pub fn near(&self, time: Timestamp) {
        self.context.wall.near(time);
    }

    /// What `lapwing check` should say about the chosen format.
    pub fn warnings(&self) -> &[String] {
        &self.warnings
    }

    /// Whether lines can be read: always with a chosen format, after the first good sample with `auto`.
    pub fn is_decided(&self) -> bool {
        !self.formats.is_empty()
    }

    /// Whether [`SourceParser::offer`] should be given lines: at the beginning with `auto`, and again when one line
    /// in twenty could not be read since, at growing distances (a deploy changed the format, another server writes to the same file).
    pub fn wants_sample(&self) -> bool {
        self.wants_sample.load(Ordering::Relaxed)
    }

    /// Decides by a sample of lines (the first [`super::SAMPLE_LINES`] count) and says why. A sample that fits nothing
    /// leaves an earlier decision in force. With a chosen format the guess is only information.
    pub fn offer(&mut self, sample: &[&[u8]]) -> Guess {
        let guess = guess(sample, &self.registry);
        let before = self.decision();
        if self.auto {
            let earlier = before.iter().flat_map(|d| std::iter::once(&d.format).chain(&d.also));
            let names: Vec<String> = guess.format.iter().chain(&guess.also).chain(earlier).cloned().collect();
            self.take(&names);
        }
        let changed = self.decision() != before;
        self.window = if changed { WINDOW_LINES } else { self.window.saturating_mul(2).min(WINDOW_LINES_AT_MOST) };
        self.lines.store(0, Ordering::Relaxed);
        self.rejects.store(0, Ordering::Relaxed);
        self.wants_sample.store(false, Ordering::Relaxed);
        guess
    }

    /// What was decided, for the state; `None` with a chosen format, since the configuration says it.
    pub fn decision(&self) -> Option<Decision> {
        let (first, rest) = self.formats.split_first().filter(|_| self.auto)?;
        Some(Decision { format: first.name().to_owned(), also: rest.iter().map(|f| f.name().to_owned()).collect() })
    }

    /// Takes up an earlier decision. Formats that are gone since are left out; with a chosen format nothing happens.
    pub fn restore(&mut self, decision: &Decision) {
        if self.auto {
            let names: Vec<String> = std::iter::once(&decision.format).chain(&decision.also).cloned().collect();
            self.take(&names);
            self.wants_sample.store(self.formats.is_empty(), Ordering::Relaxed);
        }
    }

    fn take(&mut self, names: &[String]) {
        let mut seen: Vec<&str> = Vec::new();
        let mut formats = Vec::new();
        for name in names {
            if !seen.contains(&name.as_str())
                && seen.len() < 6
                && let Some(entry) = self.registry.get(name)
            {
                seen.push(name);
                formats.push(entry.format_within(&self.context));
            }
        }
        if !formats.is_empty() {
            self.formats = formats;
        }
    }

    /// Reads one line by the first format that takes it; [`Record::format`] says which. A reject is that of the format
    /// that came farthest.
    ///
    /// # Errors
    /// [`Reject`]; [`Reason::NoFormat`] as long as nothing is decided.
    pub fn parse<'a>(&'a self, line: &'a [u8]) -> Result<Record<'a>, Reject> {
        let mut farthest: Option<Reject> = None;
        for format in &self.formats {
            match format.parse(line) {
                Ok(record) => {
                    self.count(false);
                    return Ok(record);
                }
                Err(reject) if farthest.is_none_or(|old| reject.column > old.column) => farthest = Some(reject),
                Err(_) => {}
            }
        }
        // Only what names a request loosely is worth a second look: noise is dear enough as it is.
        if memchr::memchr(b'"', line).is_some() {
            for format in &self.formats {
                if let Ok(record) = format.parse_loosely(line) {
                    self.count(false);
                    return Ok(record);
                }
            }
        }
        self.count(true);
        Err(farthest.unwrap_or(Reject { column: 1, reason: Reason::NoFormat }))
    }

    /// Notices when many lines of a window are rejected. One thread reads a source, so no count is lost.
    fn count(&self, rejected: bool) {
        let lines = self.lines.load(Ordering::Relaxed) + 1;
        let rejects = self.rejects.load(Ordering::Relaxed) + u32::from(rejected);
        if lines < self.window {
            self.lines.store(lines, Ordering::Relaxed);
            self.rejects.store(rejects, Ordering::Relaxed);
            return;
        }
        if self.auto && rejects >= self.window / REJECTS_ONE_IN {
            self.wants_sample.store(true, Ordering::Relaxed);
        }
        self.lines.store(0, Ordering::Relaxed);
        self.rejects.store(0, Ordering::Relaxed);
    }
}
