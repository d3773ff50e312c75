//! Formats that are described by a line with holes: nginx `log_format` and Apache `LogFormat`.

use std::ops::Range;

use super::complete::{check, first_byte, shape_of};
use super::dialect::{self, Syntax};
use super::enclosed;
use super::field::Escape;
use super::fields::{Context, FieldPlace, Fields, MAPPABLE};
use super::instant::TimeShape;
use super::joining;
use super::own;
use super::role::{Known, Role};
use super::steps::{Reading, Shape, Step, Steps};
use super::straight::Straight;
use super::wall::Wall;
use super::{Format, Record, Reject};
use crate::time::Zone;

/// The longest format text, in bytes: what people paste is a few hundred.
const TEXT_BYTES: usize = 16 << 10;

/// A format text that cannot be compiled.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{message}")]
pub struct FormatError {
    /// What was expected and what was found.
    pub message: String,
    /// Where in the text, in bytes.
    pub span: Option<Range<usize>>,
}

impl FormatError {
    pub(super) fn at(message: String, span: Range<usize>) -> Self {
        FormatError { message, span: Some(span) }
    }

    /// The same error, its place widened to whole characters of the text, so that it can be cut out and drawn.
    fn on_characters(self, text: &str) -> Self {
        let span = self.span.map(|span| {
            let start = (0..=span.start.min(text.len())).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
            let end = span.end.clamp(start, text.len());
            start..(end..=text.len()).find(|at| text.is_char_boundary(*at)).unwrap_or(text.len())
        });
        FormatError { span, ..self }
    }

    /// The line and column (both from 1, the latter in characters) of the place in the format's text.
    pub fn position(&self, text: &str) -> Option<(usize, usize)> {
        let before = text.get(..self.span.as_ref()?.start.min(text.len()))?;
        let line = before.rfind('\n').map_or(before, |end| &before[end + 1..]);
        Some((before.matches('\n').count() + 1, line.chars().count() + 1))
    }
}

/// What a format file may say about the variables of a template, beyond what their names tell.
#[derive(Clone, Debug, Default)]
pub(super) struct Override {
    /// The variable.
    pub(super) name: String,
    /// What it is.
    pub(super) known: Known,
}

impl Default for Known {
    fn default() -> Self {
        Known::EXTRA
    }
}

/// One piece of a format text.
#[derive(Clone, Debug)]
pub(super) enum Piece {
    Literal(Vec<u8>),
    Field {
        name: String,
        known: Known,
        time: Option<TimePart>,
        /// How its values look, where the server's manual says so.
        shape: Option<Shape>,
        span: Range<usize>,
    },
}

/// A time may be written in one piece or in several with text between.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum TimePart {
    Whole(TimeShape),
    Pattern {
        pattern: String,
        utc: bool,
    },
    /// The fraction of the second, which belongs to the time before it.
    Fraction(&'static str),
}

impl TimePart {
    pub(super) fn pattern(pattern: String) -> TimePart {
        TimePart::Pattern { pattern, utc: false }
    }
}

impl Piece {
    pub(super) fn field(name: &str, known: Known, span: Range<usize>) -> Piece {
        let time = (known.role == Role::Time).then_some(TimePart::Whole(TimeShape::Zoned));
        Piece::Field { name: name.to_owned(), known, time, shape: None, span }
    }

    pub(super) fn time(part: TimePart, span: Range<usize>) -> Piece {
        Piece::ranked_time("time", part, 0, span)
    }

    pub(super) fn named_time(name: &str, part: TimePart, span: Range<usize>) -> Piece {
        Piece::ranked_time(name, part, 0, span)
    }

    pub(super) fn ranked_time(name: &str, part: TimePart, rank: u8, span: Range<usize>) -> Piece {
        Piece::Field { name: name.to_owned(), known: Known::new(Role::Time, rank), time: Some(part), shape: None, span }
    }

    pub(super) fn ident(span: Range<usize>) -> Piece {
        let known = Known::new(Role::Ignored, 0);
        Piece::Field { name: "ident".to_owned(), known, time: None, shape: Some(Shape::Ident), span }
    }

    /// With a shape of its own.
    pub(super) fn shaped(self, shape: Option<Shape>) -> Piece {
        match self {
            Piece::Field { name, known, time, span, .. } => Piece::Field { name, known, time, shape, span },
            literal @ Piece::Literal(_) => literal,
        }
    }
}

/// A compiled format of any [`Syntax`].
#[derive(Clone, Debug)]
pub struct Template {
    name: String,
    steps: Steps,
    wall: Wall,
    warnings: Vec<String>,
    /// Blanks around the line are no part of the format.
    trim: bool,
    /// What ends a header that syslog or a container runtime may have put before the line.
    header_end: Vec<u8>,
    /// How nearly all of its lines are read.
    pub(super) straight: Option<Straight>,
}

/// UTF-8's byte order mark.
const BOM: &[u8] = b"\xef\xbb\xbf";
/// A header before the line is looked for in so many bytes.
const HEADER_BYTES: usize = 256;

impl Template {
    /// Compiles a format text of whichever server wrote it. `zone` is for times without one.
    ///
    /// # Errors
    /// [`FormatError`] with the place in the text.
    pub fn new(name: &str, text: &str, zone: Zone) -> Result<Template, FormatError> {
        Template::with_syntax(name, None, text, zone)
    }

    /// Compiles a format text of a server that is known; `None` finds it out.
    ///
    /// # Errors
    /// [`FormatError`] with the place in the text.
    pub fn with_syntax(name: &str, syntax: Option<Syntax>, text: &str, zone: Zone) -> Result<Template, FormatError> {
        Template::compile(name, syntax.unwrap_or_else(|| Syntax::of(text)), text, &[], zone)
    }

    /// Compiles a format text of a known syntax.
    pub(super) fn compile(
        name: &str,
        syntax: Syntax,
        text: &str,
        overrides: &[Override],
        zone: Zone,
    ) -> Result<Template, FormatError> {
        let (template, missing) = Template::compile_any(name, syntax, text, overrides, zone)?;
        if let Some(name) = missing.first() {
            let message = format!("the format has no variable \"{name}\"");
            return Err(FormatError { message, span: None });
        }
        check(&template.steps, text).map_err(|error| error.on_characters(text))?;
        Ok(template)
    }

    /// Compiles a format text that need not say when and what: of lines beside those about requests, or of lines whose
    /// envelope says when. Also names the overrides that it has no variable for.
    pub(super) fn compile_any(
        name: &str,
        syntax: Syntax,
        text: &str,
        overrides: &[Override],
        zone: Zone,
    ) -> Result<(Template, Vec<String>), FormatError> {
        Template::compile_pieces(name, syntax, text, overrides, zone).map_err(|error| error.on_characters(text))
    }

    fn compile_pieces(
        name: &str,
        syntax: Syntax,
        text: &str,
        overrides: &[Override],
        zone: Zone,
    ) -> Result<(Template, Vec<String>), FormatError> {
        if text.len() > TEXT_BYTES {
            let message = format!("the log format is {} bytes long; at most {TEXT_BYTES} are taken", text.len());
            return Err(FormatError::at(message, 0..0));
        }
        let dialect::Compiled { mut pieces, escape, mut warnings } = dialect::compile(text, syntax)?;
        let missing = override_roles(&mut pieces, overrides);
        let mut pieces = joining::join(pieces)?;
        keep_best_of_each_role(&mut pieces);
        let steps = build(pieces, escape, text, &mut warnings);
        let trim = !steps.first.starts_with(b" ");
        let (wall, straight) = (Wall::new(zone), Straight::of(&steps));
        let template =
            Template { name: name.to_owned(), steps, wall, warnings, trim, header_end: Vec::new(), straight };
        Ok((template, missing))
    }

    /// The same format, also behind a header that ends so: `]: ` of syslog.
    pub(super) fn behind_header(self, end: &str) -> Template {
        Template { header_end: end.as_bytes().to_vec(), straight: None, ..self }
    }

    /// What is not wrong but will make lines ambiguous or forgeable.
    pub fn warnings(&self) -> &[String] {
        &self.warnings
    }

    /// The same format for one source: its zone, its lines, its fields.
    pub(super) fn within(&self, context: &Context) -> Template {
        self.within_keeping(context, |name| context.fields.keeps(name))
    }

    /// The same, with a word of its own on which extra fields are kept.
    pub(super) fn within_keeping(&self, context: &Context, keeps: impl Fn(&str) -> bool) -> Template {
        let mut template = Template { wall: context.wall.clone(), ..self.clone() };
        template.warnings.extend(self.unmapped(&context.fields).into_iter().map(|(_, text)| text));
        template.take_fields(&context.fields, keeps);
        template.straight = Straight::of(&template.steps).filter(|_| template.header_end.is_empty());
        template
    }

    /// Fields that the source's configuration maps and that the format does not have: which, and a sentence about it.
    pub(super) fn unmapped(&self, fields: &Fields) -> Vec<(&'static str, String)> {
        let names: Vec<&str> = self.steps.fields.iter().map(|step| step.name.as_str()).collect();
        let absent = fields.mapped().filter(|(_, _, places)| places.iter().all(|p| p.best_of(&names).is_empty()));
        let tell = |places: &[FieldPlace]| {
            let wanted: Vec<String> = places.iter().map(|place| format!("\"{place}\"")).collect();
            let has: Vec<&str> = names.iter().copied().filter(|name| *name != "ident").collect();
            format!("{}: the log format has no such field; it has {}", wanted.join(", "), has.join(", "))
        };
        absent.map(|(target, _, places)| (target, format!("{target} = {}", tell(places)))).collect()
    }

    /// Gives fields the roles that the source's configuration says, and drops those that nobody asks for.
    fn take_fields(&mut self, fields: &Fields, keeps: impl Fn(&str) -> bool) {
        let names: Vec<&str> = self.steps.fields.iter().map(|step| step.name.as_str()).collect();
        let mut mapped = Vec::new();
        for (_, role, places) in fields.mapped() {
            let found = places.iter().flat_map(|place| place.best_of(&names)).map(|at| (at, role));
            // The worst first, so that the best that a line has stays.
            mapped.extend(found.collect::<Vec<_>>().into_iter().rev());
        }
        let also = (0..self.steps.fields.len())
            .filter(|&at| {
                let step = &self.steps.fields[at];
                step.known.role != Role::Extra && fields.asks_for(&step.name)
            })
            .collect();
        for step in &mut self.steps.fields {
            if step.known.role == Role::Extra && !keeps(&step.name) {
                step.known = Known::new(Role::Ignored, 0);
            }
        }
        self.steps.mapped = mapped;
        self.steps.also = also;
    }

    /// The names of the fields that are kept under them.
    pub(super) fn extras(&self) -> impl Iterator<Item = &str> {
        self.steps.fields.iter().filter(|step| step.known.role == Role::Extra).map(|step| step.name.as_str())
    }

    /// The fields in their order: name, and what it is read as (empty for one that is kept under its name).
    pub fn fields(&self) -> impl Iterator<Item = (&str, &'static str)> {
        self.steps.fields.iter().map(|step| (step.name.as_str(), step.known.role.name()))
    }

    /// A variant must say when and what, as any format; the time may come from elsewhere.
    pub(super) fn check_variant(&self, text: &str, timeless: bool) -> Result<(), FormatError> {
        let timed = self.steps.fields.iter().any(|step| step.known.role == Role::Time);
        if timeless && !timed { Ok(()) } else { check(&self.steps, text) }
    }

    /// Whether the last field takes whatever is left of a line.
    pub(super) fn is_open(&self) -> bool {
        let last = self.steps.fields.last();
        last.is_some_and(|step| step.shape == Shape::Any && step.known.role == Role::Extra && step.until.is_empty())
    }

    /// How much a line must look like this format to fit: of two that fit, the one that asks for more says more.
    pub(super) fn specificity(&self) -> u32 {
        let literal: usize =
            self.steps.first.len() + self.steps.fields.iter().map(|step| step.until.len()).sum::<usize>();
        let field = |step: &Step| match (&step.shape, step.known.role) {
            // A last field that takes whatever is left fits nearly everything.
            (Shape::Any, Role::Extra) if step.until.is_empty() => -15,
            (_, Role::Extra) => 8,
            (_, Role::Ignored) if step.shape != Shape::Ident => 1,
            // A lone dash can be a host that is not there, or an ident that never is: the latter is far more usual.
            (_, Role::Host) => 9,
            _ => 10,
        };
        let fields: i32 = self.steps.fields.iter().map(field).sum();
        u32::try_from(fields * 4).unwrap_or(0) + literal as u32
    }

    fn run<'a>(&'a self, line: &'a [u8], span: (usize, usize), reading: Reading) -> Result<Record<'a>, Reject> {
        self.steps.run(&self.name, line, span, &self.wall, reading)
    }

    /// Reads a line whatever is around it and in it.
    pub(super) fn read_with_care<'a>(&'a self, line: &'a [u8], reading: Reading) -> Result<Record<'a>, Reject> {
        // A byte order mark stands at the start of a file, and where files were put one behind another.
        let (mut from, mut to) = (if line.starts_with(BOM) { BOM.len() } else { 0 }, line.len());
        if self.trim {
            let blank = |b: &&u8| matches!(b, b' ' | b'\t' | b'\r' | b'\n');
            from += line[from..].iter().take_while(blank).count();
            to = line.len() - line[from..].iter().rev().take_while(blank).count();
        }
        if !self.header_end.is_empty() {
            let head = &line[from..to.min(from + HEADER_BYTES)];
            from += memchr::memmem::find(head, &self.header_end).map_or(0, |at| at + self.header_end.len());
        }
        // Some exports put the whole line in quotes.
        let quoted =
            to - from > 1 && line[from] == b'"' && line[to - 1] == b'"' && !self.steps.first.starts_with(b"\"");
        if !quoted {
            return self.run(line, (from, to), reading);
        }
        let as_it_stands = self.run(line, (from, to), reading);
        if as_it_stands.is_err() {
            // With its quotes doubled, a request would pass for an odd one: what was changed is undone first.
            if let Some(record) = self.read_enclosed(&line[from + 1..to - 1], reading) {
                return Ok(record);
            }
            return self.run(line, (from + 1, to - 1), reading).or(as_it_stands);
        }
        as_it_stands
    }

    /// Reads a line whose own quotes were changed when quotes were put around it.
    fn read_enclosed(&self, inner: &[u8], reading: Reading) -> Option<Record<'_>> {
        let plain = enclosed::undo(inner)?;
        let record = self.run(&plain, (0, plain.len()), reading).ok()?;
        let names = || self.steps.fields.iter().map(|step| step.name.as_str()).chain(MAPPABLE);
        Some(own::detach(record, &self.name, |name| names().find(|known| *known == name)))
    }
}

impl Format for Template {
    fn name(&self) -> &str {
        &self.name
    }

    fn parse<'a>(&'a self, line: &'a [u8]) -> Result<Record<'a>, Reject> {
        let mut record = Record::default();
        self.parse_into(line, &mut record).map(|()| record)
    }

    fn parse_into<'a>(&'a self, line: &'a [u8], record: &mut Record<'a>) -> Result<(), Reject> {
        if !self.straight.as_ref().is_some_and(|way| way.read(&self.name, line, &self.wall, record)) {
            *record = self.read_with_care(line, Reading::Strict)?;
        }
        Ok(())
    }

    fn parse_loosely<'a>(&'a self, line: &'a [u8]) -> Result<Record<'a>, Reject> {
        self.read_with_care(line, Reading::Loose)
    }
}

/// Roles that a format file gives to variables by name; the names that no variable has.
fn override_roles(pieces: &mut [Piece], overrides: &[Override]) -> Vec<String> {
    let mut missing = Vec::new();
    for wanted in overrides {
        let mut found = false;
        for piece in pieces.iter_mut() {
            if let Piece::Field { name, known, time, shape, .. } = piece
                && *name == wanted.name
            {
                found = true;
                *known = wanted.known;
                // How it looks is told by what it is now, but for lists of upstreams.
                *shape = shape.take().filter(|shape| *shape == Shape::List);
                *time = (known.role == Role::Time).then_some(TimePart::Whole(TimeShape::Any));
            }
        }
        if !found {
            missing.push(wanted.name.clone());
        }
    }
    missing
}

/// Of several fields with one role the best keeps it; the others are kept under their names.
fn keep_best_of_each_role(pieces: &mut [Piece]) {
    let roles: Vec<Option<Known>> = pieces
        .iter()
        .map(|piece| match piece {
            Piece::Field { known, .. } if !matches!(known.role, Role::Extra | Role::Ignored) => Some(*known),
            _ => None,
        })
        .collect();
    for (at, piece) in pieces.iter_mut().enumerate() {
        let Some(mine) = roles[at] else { continue };
        let beaten = roles
            .iter()
            .enumerate()
            .any(|(other, known)| known.is_some_and(|k| k.role == mine.role && (k.rank, other) < (mine.rank, at)));
        if beaten && let Piece::Field { known, time, .. } = piece {
            *known = Known::EXTRA;
            *time = None;
        }
    }
}

/// Pieces to steps; fields that nothing separates are warned about.
fn build(pieces: Vec<Piece>, escape: Escape, text: &str, warnings: &mut Vec<String>) -> Steps {
    let mut steps = Steps { first: Vec::new(), fields: Vec::new(), escape, mapped: Vec::new(), also: Vec::new() };
    let mut before: Vec<u8> = Vec::new();
    let mut written: Range<usize> = 0..0;
    for piece in pieces {
        match piece {
            Piece::Literal(text) => {
                match steps.fields.last_mut() {
                    Some(last) => last.until.clone_from(&text),
                    None => steps.first.clone_from(&text),
                }
                before = text;
            }
            Piece::Field { name, known, time, shape, span } => {
                let mut step = Step {
                    shape: shape_of(&name, known, time, shape),
                    name,
                    known,
                    until: Vec::new(),
                    stop: None,
                    quoted: before.ends_with(b"\""),
                };
                if let Some(last) = steps.fields.last_mut().filter(|last| last.until.is_empty()) {
                    last.stop = first_byte(known.role);
                    if last.stop.is_none() {
                        warnings.push(glued(&last.name, &step.name, text.get(written.clone()), text.get(span)));
                        continue;
                    }
                }
                before.clear();
                written = span;
                if step.known.role == Role::Time && step.quoted && step.shape == Shape::Time(TimeShape::Zoned) {
                    step.shape = Shape::Time(TimeShape::Any);
                }
                steps.fields.push(step);
            }
        }
    }
    // Blanks around the line are trimmed, so they are no part of the format either.
    if let Some(last) = steps.fields.last_mut() {
        let kept = last.until.trim_ascii_end().len();
        last.until.truncate(kept);
        // A quote that ends the line is the last one.
        last.quoted = last.quoted && last.until.starts_with(b"\"");
    }
    for step in &mut steps.fields {
        step.quoted = step.quoted && step.until.starts_with(b"\"");
    }
    steps
}

/// Two fields with nothing between them, as they are written and as they should be.
fn glued(first: &str, second: &str, written: Option<&str>, next: Option<&str>) -> String {
    let example = match (written, next) {
        (Some(a), Some(b)) if !a.is_empty() && !b.is_empty() => format!(", as in {a} {b}"),
        _ => String::new(),
    };
    format!(
        "nothing stands between {first} and {second} in the log format, so nobody can tell where one ends: {first} takes both values; put a blank or quotes between them{example}"
    )
}
