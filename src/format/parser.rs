//! What a source reads its lines with: one format that was named or pasted, or those that its first lines suggest.

use std::borrow::Cow;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use serde::{Deserialize, Serialize};

use super::choice::{Choice, ChoiceError, MOST_FORMATS};
use super::dialect::Syntax;
use super::envelope::{self, DEEPEST, Opened, Piece};
use super::fields::{Context, Fields};
use super::guess::{Guess, guess};
use super::names::Names;
use super::own::own;
use super::pieces::{Joined, Pieces};
use super::registry::Registry;
use super::template::Template;
use super::turns::{Turn, Turns};
use super::{Format, Reason, Record, Reject};
use crate::time::{Timestamp, Zone};

/// The name of a format that was pasted into the configuration.
pub const PASTED: &str = "log_format";

/// Marks what a format learned about its columns among [`Decision::also`]; no format has such a name.
const LAYOUT: &str = "#Fields ";

/// Lines after which the share of rejects is looked at anew, at first; a look that finds nothing doubles it.
const WINDOW_LINES: u32 = 100;
/// The longest such window.
const WINDOW_LINES_AT_MOST: u32 = 1 << 20;
/// One reject in so many lines is worth another look.
const REJECTS_ONE_IN: u32 = 20;

/// Compiles what was pasted.
fn pasted(
    name: &str,
    syntax: Option<Syntax>,
    text: String,
    context: &Context,
    warnings: &mut Vec<String>,
) -> Result<Arc<dyn Format>, ChoiceError> {
    match Template::with_syntax(name, syntax, &text, Zone::UTC) {
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
    /// Formats of other lines of the same source, and what their logs said about their columns.
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
    turns: Turns,
    /// The last line was in an envelope, so the next one is likely to be as well.
    wrapped: AtomicBool,
    /// Lines begin with what looks like a header, but is part of their format.
    bare: AtomicBool,
    pieces: Mutex<Pieces>,
    /// Names of extra fields of lines that were decoded.
    names: Names,
    /// When lines are written that do not say when, and whose envelope does not either.
    arrival: Option<Timestamp>,
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
        let mut formats: Vec<Arc<dyn Format>> = Vec::new();
        let all = if let Choice::AnyOf(all) = choice { all } else { vec![choice] };
        for (at, choice) in all.into_iter().enumerate() {
            let name = if at == 0 { PASTED.to_owned() } else { format!("{PASTED} {}", at + 1) };
            match choice {
                Choice::Named(name) => {
                    let Some(entry) = registry.get(&name) else { return Err(ChoiceError::unknown(&name, &registry)) };
                    warnings.extend(entry.warnings_within(&context));
                    formats.push(entry.format_within(&context));
                }
                Choice::Template(text) => formats.push(pasted(&name, None, text, &context, &mut warnings)?),
                Choice::TemplateOf(syntax, text) => {
                    formats.push(pasted(&name, Some(syntax), text, &context, &mut warnings)?);
                }
                // Nobody can write these as one of several.
                Choice::Auto | Choice::AnyOf(_) => {}
            }
        }
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
            turns: Turns::default(),
            wrapped: AtomicBool::new(false),
            bare: AtomicBool::new(false),
            pieces: Mutex::default(),
            names: Names::default(),
            arrival: None,
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

    /// Sets the time of lines that do not say when (Uvicorn's) and have no envelope that does; without it they are refused.
    pub fn set_arrival(&mut self, arrival: Option<Timestamp>) {
        self.arrival = arrival;
    }

    /// Where the lines turned to another format since the last call: each pair of formats once.
    pub fn turns(&self) -> Vec<Turn> {
        self.turns.take()
    }

    /// Counts blank lines that are not given to [`SourceParser::parse`], for the line numbers of turns.
    pub fn pass(&self, lines: u64) {
        self.turns.pass(lines);
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

    /// What was decided, for the state; `None` where the configuration says it all.
    pub fn decision(&self) -> Option<Decision> {
        let layouts = self.formats.iter().filter_map(|f| Some(format!("{LAYOUT}{} {}", f.name(), f.layout()?)));
        let (first, rest) = self.formats.split_first()?;
        let also = rest.iter().map(|f| f.name().to_owned()).chain(layouts).collect();
        let decision = Decision { format: first.name().to_owned(), also };
        (self.auto || !decision.also.is_empty()).then_some(decision)
    }

    /// Takes up an earlier decision. Formats that are gone since are left out; a chosen format stays, and learns only what
    /// its log said about its columns.
    pub fn restore(&mut self, decision: &Decision) {
        if self.auto {
            let names: Vec<String> = std::iter::once(&decision.format).chain(&decision.also).cloned().collect();
            self.take(&names);
            self.wants_sample.store(self.formats.is_empty(), Ordering::Relaxed);
        }
        for layout in decision.also.iter().filter_map(|also| also.strip_prefix(LAYOUT)) {
            if let Some((name, text)) = layout.split_once(' ')
                && let Some(format) = self.formats.iter().find(|f| f.name() == name)
            {
                format.set_layout(text);
            }
        }
    }

    fn take(&mut self, names: &[String]) {
        let mut seen: Vec<&str> = Vec::new();
        let mut formats = Vec::new();
        for name in names {
            if !seen.contains(&name.as_str())
                && seen.len() < MOST_FORMATS
                && let Some(entry) = self.registry.get(name)
            {
                seen.push(name);
                // What a format knows about its log it must not forget.
                let known = self.formats.iter().find(|format| format.name() == entry.name);
                formats.push(known.cloned().unwrap_or_else(|| entry.format_within(&self.context)));
            }
        }
        if !formats.is_empty() {
            let name = |at: usize| self.formats.get(at).map(|format| format.name());
            self.turns.replaced(|at| formats.iter().position(|new| Some(new.name()) == name(at)));
            self.formats = formats;
        }
    }

    /// Reads one line by the first format that takes it, its envelopes taken off; [`Record::format`] says which. A reject
    /// is that of the format that came farthest, its column that of the line as it stands.
    ///
    /// # Errors
    /// [`Reject`]; [`Reason::NoFormat`] as long as nothing is decided.
    pub fn parse<'a>(&'a self, line: &'a [u8]) -> Result<Record<'a>, Reject> {
        self.turns.pass(1);
        let read = if self.wrapped.load(Ordering::Relaxed) { self.wrapped_line(line) } else { self.plain_line(line) };
        self.count(read.as_ref().is_err_and(|reject| !reject.reason.is_understood()));
        read
    }

    /// As [`SourceParser::parse`], into a record that is at hand: handing a record from one to the next takes longer than
    /// reading some of its fields. What it holds after a reject means nothing.
    ///
    /// # Errors
    /// As [`SourceParser::parse`].
    pub fn parse_into<'a>(&'a self, line: &'a [u8], record: &mut Record<'a>) -> Result<(), Reject> {
        // Nearly all lines: no envelope, and the first format takes it.
        let bare = line.first() == Some(&b'{') || self.bare.load(Ordering::Relaxed);
        if !self.wrapped.load(Ordering::Relaxed)
            && (bare || envelope::open(line).is_none())
            && let Some(Ok(())) = self.formats.first().map(|format| format.parse_into(line, record))
        {
            self.turns.pass(1);
            if self.took(0, record, None).is_ok() {
                self.count(false);
                return Ok(());
            }
            *record = self.plain_line(line).inspect(|_| self.count(false)).inspect_err(|reject| {
                self.count(!reject.reason.is_understood());
            })?;
            return Ok(());
        }
        *record = self.parse(line)?;
        Ok(())
    }

    /// A line that is likely to have no envelope. What has a header goes first as what is behind it, since a loose enough
    /// format takes a header for its own fields; objects go first as they stand, since opening them is not free.
    fn plain_line<'a>(&'a self, line: &'a [u8]) -> Result<Record<'a>, Reject> {
        let early = line.first() != Some(&b'{') && !self.bare.load(Ordering::Relaxed);
        let mut inner = if early { self.inside(line, 0, None) } else { None };
        if let Some(settled) = self.settle(&mut inner) {
            return settled;
        }
        let strict = self.strictly(line, None);
        if inner.is_some() && (strict.is_ok() || is_understood(&strict)) {
            self.bare.store(true, Ordering::Relaxed);
        }
        let strict = match strict {
            Ok(record) => return Ok(record),
            Err(reject) => reject,
        };
        if !early {
            inner = self.inside(line, 0, None);
        }
        // What looks like no request from outside may hold one.
        match self.settle(&mut inner) {
            Some(settled) => settled,
            None if strict.reason.is_understood() => Err(strict),
            None => self.loosely(line, None).map_err(|_| farther(strict, inner.and_then(Result::err))),
        }
    }

    /// Takes the reading of what was inside an envelope, if it is one; from then on one is expected.
    fn settle<'a>(&self, inner: &mut Option<Result<Record<'a>, Reject>>) -> Option<Result<Record<'a>, Reject>> {
        let settled = inner.take_if(|read| read.is_ok() || is_understood(read))?;
        let expected = settled.as_ref().map_or_else(|reject| reject.reason == Reason::Piece, |_| true);
        if expected {
            self.wrapped.store(true, Ordering::Relaxed);
        }
        Some(settled)
    }

    /// A line that is likely to have an envelope.
    fn wrapped_line<'a>(&'a self, line: &'a [u8]) -> Result<Record<'a>, Reject> {
        let inner = match self.inside(line, 0, None) {
            Some(Ok(record)) => return Ok(record),
            Some(Err(reject)) if reject.reason.is_understood() => return Err(reject),
            Some(Err(reject)) => Some(reject),
            None => None,
        };
        match self.strictly(line, None).or_else(|reject| self.loosely(line, None).map_err(|_| reject)) {
            Ok(record) => {
                let pending = !self.pieces.lock().unwrap_or_else(PoisonError::into_inner).is_empty();
                self.wrapped.store(pending, Ordering::Relaxed);
                Ok(record)
            }
            // An envelope that was opened says more about the line than what it looks like from outside.
            Err(reject) => Err(inner.unwrap_or(reject)),
        }
    }

    /// Opens an envelope and reads what is in it; `None` where there is none. `time` is that of the envelope around it.
    fn inside<'a>(
        &'a self,
        line: &'a [u8],
        depth: usize,
        time: Option<Timestamp>,
    ) -> Option<Result<Record<'a>, Reject>> {
        let opened = if depth < DEEPEST { envelope::open(line)? } else { return None };
        let time = opened.time.or(time);
        let mut pieces = self.pieces.lock().unwrap_or_else(PoisonError::into_inner);
        if opened.piece == Piece::More {
            pieces.keep(opened.stream, &opened.text, opened.time);
            return Some(Err(Reject { column: column(opened.place(line, 0)), reason: Reason::Piece }));
        }
        let joined = pieces.join(opened.stream, &opened.text, opened.time);
        drop(pieces);
        Some(match joined {
            Joined::TooLong => Err(Reject { column: column(opened.place(line, 0)), reason: Reason::TooLong }),
            Joined::Line(text) => self.decoded(&text, depth, time).map_err(|reject| {
                // The place in the whole line is none in this piece of it.
                Reject { column: column(opened.place(line, 0)), ..reject }
            }),
            Joined::Alone => self.opened(&opened, line, depth, time),
        })
    }

    fn opened<'a>(
        &'a self,
        opened: &Opened<'a>,
        line: &[u8],
        depth: usize,
        time: Option<Timestamp>,
    ) -> Result<Record<'a>, Reject> {
        match &opened.text {
            Cow::Borrowed(text) => self.content(text, depth, time),
            Cow::Owned(text) => self.decoded(text, depth, time),
        }
        .map_err(|reject| {
            let inner = (reject.column as usize).saturating_sub(1);
            Reject { column: column(opened.place(line, inner)), ..reject }
        })
    }

    /// As [`SourceParser::content`] for a text that does not live as long as the line.
    fn decoded<'a>(&'a self, text: &[u8], depth: usize, time: Option<Timestamp>) -> Result<Record<'a>, Reject> {
        let record = self.content(text, depth, time)?;
        let name = self.formats.iter().map(|f| f.name()).find(|name| *name == record.format).unwrap_or_default();
        Ok(own(record, name, &self.names))
    }

    /// What was in an envelope: a line, or another envelope, which goes first as in a line that stands alone.
    fn content<'a>(&'a self, text: &'a [u8], depth: usize, time: Option<Timestamp>) -> Result<Record<'a>, Reject> {
        let early = text.first() != Some(&b'{');
        let mut inner = if early { self.inside(text, depth + 1, time) } else { None };
        if let Some(settled) = inner.take_if(|read| read.is_ok() || is_understood(read)) {
            return settled;
        }
        let strict = match self.strictly(text, time) {
            Ok(record) => return Ok(record),
            Err(reject) => reject,
        };
        if !early {
            inner = self.inside(text, depth + 1, time);
        }
        match inner.take_if(|read| read.is_ok() || is_understood(read)) {
            Some(settled) => settled,
            None if strict.reason.is_understood() => Err(strict),
            None => self.loosely(text, time).map_err(|_| farther(strict, inner.and_then(Result::err))),
        }
    }

    /// By the first format that takes it. A line that one format understands as no request is not refused for good: another
    /// may read it.
    fn strictly<'a>(&'a self, line: &'a [u8], time: Option<Timestamp>) -> Result<Record<'a>, Reject> {
        let mut farthest: Option<Reject> = None;
        for (at, format) in self.formats.iter().enumerate() {
            match format.parse(line) {
                Ok(mut record) => {
                    self.took(at, &mut record, time)?;
                    return Ok(record);
                }
                Err(reject) if farthest.is_none_or(|old| weight(reject) > weight(old)) => farthest = Some(reject),
                Err(_) => {}
            }
        }
        Err(farthest.unwrap_or(Reject { column: 1, reason: Reason::NoFormat }))
    }

    /// Only what names a request loosely is worth a second look: noise is dear enough as it is.
    fn loosely<'a>(&'a self, line: &'a [u8], time: Option<Timestamp>) -> Result<Record<'a>, Reject> {
        let none = Reject { column: 1, reason: Reason::NoFormat };
        memchr::memchr(b'"', line).ok_or(none)?;
        let found = self.formats.iter().enumerate().find_map(|(at, f)| Some((at, f.parse_loosely(line).ok()?)));
        let (at, mut record) = found.ok_or(none)?;
        self.took(at, &mut record, time)?;
        Ok(record)
    }

    /// Notes which format took a line, and says when where the line does not.
    fn took(&self, at: usize, record: &mut Record<'_>, time: Option<Timestamp>) -> Result<(), Reject> {
        if self.formats.len() > 1 {
            self.turns.took(at, |at| self.formats.get(at).map(|format| format.name()));
        }
        if self.formats.get(at).is_some_and(|format| format.is_timeless()) {
            record.time = time.or(self.arrival).ok_or(Reject { column: 1, reason: Reason::NoTime })?;
        }
        Ok(())
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

/// A line that is no request, and is known to be none.
fn is_understood(read: &Result<Record<'_>, Reject>) -> bool {
    read.as_ref().is_err_and(|reject| reject.reason.is_understood())
}

/// What is understood goes before any column.
fn weight(reject: Reject) -> (bool, u32) {
    (reject.reason.is_understood(), reject.column)
}

/// The reject that came farther into the line.
fn farther(one: Reject, other: Option<Reject>) -> Reject {
    other.filter(|other| other.column > one.column).unwrap_or(one)
}

/// A place in a line, in bytes from 0, as a column.
fn column(place: usize) -> u32 {
    u32::try_from(place).unwrap_or(u32::MAX).saturating_add(1)
}
