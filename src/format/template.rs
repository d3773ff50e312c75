//! Formats that are described by a line with holes: nginx `log_format` and Apache `LogFormat`.

use std::ops::Range;

use super::field::{Escape, Unit};
use super::instant::TimeShape;
use super::role::{Known, Role};
use super::steps::{Reading, Shape, Step, Steps};
use super::{Format, Record, Reject, apache, nginx};
use crate::time::Zone;

/// The longest format text, in bytes: what people paste is a few hundred.
const TEXT_BYTES: usize = 16 << 10;
/// The most fields of one format.
const FIELDS: usize = 160;

/// Whose way of writing formats it is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Syntax {
    /// `$remote_addr - $remote_user`
    Nginx,
    /// `%h %l %u`
    Apache,
}

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
    Field { name: String, known: Known, time: Option<TimePart>, ident: bool, span: Range<usize> },
}

/// A time may be written in one piece or, by Apache, in several with text between.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum TimePart {
    Whole(TimeShape),
    Pattern(String),
}

impl Piece {
    pub(super) fn field(name: &str, known: Known, span: Range<usize>) -> Piece {
        let time = (known.role == Role::Time).then_some(TimePart::Whole(TimeShape::Zoned));
        Piece::Field { name: name.to_owned(), known, time, ident: false, span }
    }

    pub(super) fn time(part: TimePart, span: Range<usize>) -> Piece {
        Piece::Field { name: "time".to_owned(), known: Known::new(Role::Time, 0), time: Some(part), ident: false, span }
    }

    pub(super) fn ident(span: Range<usize>) -> Piece {
        let known = Known::new(Role::Ignored, 0);
        Piece::Field { name: "ident".to_owned(), known, time: None, ident: true, span }
    }
}

/// A compiled nginx or Apache format.
#[derive(Clone, Debug)]
pub struct Template {
    name: String,
    steps: Steps,
    zone: Zone,
    warnings: Vec<String>,
    /// Blanks around the line are no part of the format.
    trim: bool,
    /// What ends a header that syslog or a container runtime may have put before the line.
    header_end: Vec<u8>,
}

/// A header before the line is looked for in so many bytes.
const HEADER_BYTES: usize = 256;

impl Template {
    /// Compiles a format text in whichever of the two syntaxes it is written. `zone` is for times without one.
    ///
    /// # Errors
    /// [`FormatError`] with the place in the text.
    pub fn new(name: &str, text: &str, zone: Zone) -> Result<Template, FormatError> {
        let syntax = if nginx::is_nginx(text) { Syntax::Nginx } else { Syntax::Apache };
        Template::compile(name, syntax, text, &[], zone)
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
        check(&template.steps, text)?;
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
        if text.len() > TEXT_BYTES {
            let message = format!("the log format is {} bytes long; at most {TEXT_BYTES} are taken", text.len());
            return Err(FormatError { message, span: None });
        }
        let (mut pieces, escape) = match syntax {
            Syntax::Nginx => nginx::pieces(text)?,
            Syntax::Apache => apache::pieces(text)?,
        };
        let missing = override_roles(&mut pieces, overrides);
        let mut pieces = join_times(join_literals(join_targets(pieces)));
        keep_best_of_each_role(&mut pieces);
        let mut warnings = Vec::new();
        if escape == Escape::None {
            warnings.push("escape=none lets a client write line ends and quotes into the log, and so forge lines; use escape=default or escape=json".to_owned());
        }
        let steps = build(pieces, escape, &mut warnings);
        let trim = !steps.first.starts_with(b" ");
        Ok((Template { name: name.to_owned(), steps, zone, warnings, trim, header_end: Vec::new() }, missing))
    }

    /// The same format, also behind a header that ends so: `]: ` of syslog.
    pub(super) fn behind_header(self, end: &str) -> Template {
        Template { header_end: end.as_bytes().to_vec(), ..self }
    }

    /// What is not wrong but will make lines ambiguous or forgeable.
    pub fn warnings(&self) -> &[String] {
        &self.warnings
    }

    /// The same format with another zone for times that state none.
    pub(super) fn in_zone(&self, zone: Zone) -> Template {
        Template { zone, ..self.clone() }
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
        let mut record = self.steps.run(line, span, self.zone, reading)?;
        record.format = &self.name;
        Ok(record)
    }

    fn read<'a>(&'a self, line: &'a [u8], reading: Reading) -> Result<Record<'a>, Reject> {
        let (mut from, mut to) = (0, line.len());
        if self.trim {
            let blank = |b: &&u8| matches!(b, b' ' | b'\t' | b'\r' | b'\n');
            from = line.iter().take_while(blank).count();
            to = line.len() - line[from..].iter().rev().take_while(blank).count();
        }
        if !self.header_end.is_empty() {
            let head = &line[from..to.min(from + HEADER_BYTES)];
            from += memchr::memmem::find(head, &self.header_end).map_or(0, |at| at + self.header_end.len());
        }
        let as_it_stands = self.run(line, (from, to), reading);
        // Some exports put the whole line in quotes.
        let quoted =
            to - from > 1 && line[from] == b'"' && line[to - 1] == b'"' && !self.steps.first.starts_with(b"\"");
        if as_it_stands.is_err() && quoted {
            return self.run(line, (from + 1, to - 1), reading).or(as_it_stands);
        }
        as_it_stands
    }
}

impl Format for Template {
    fn name(&self) -> &str {
        &self.name
    }

    fn parse<'a>(&'a self, line: &'a [u8]) -> Result<Record<'a>, Reject> {
        self.read(line, Reading::Strict)
    }

    fn parse_loosely<'a>(&'a self, line: &'a [u8]) -> Result<Record<'a>, Reject> {
        self.read(line, Reading::Loose)
    }
}

/// Roles that a format file gives to variables by name; the names that no variable has.
fn override_roles(pieces: &mut [Piece], overrides: &[Override]) -> Vec<String> {
    let mut missing = Vec::new();
    for wanted in overrides {
        let mut found = false;
        for piece in pieces.iter_mut() {
            if let Piece::Field { name, known, time, .. } = piece
                && *name == wanted.name
            {
                found = true;
                *known = wanted.known;
                *time = (known.role == Role::Time).then_some(TimePart::Whole(TimeShape::Any));
            }
        }
        if !found {
            missing.push(wanted.name.clone());
        }
    }
    missing
}

/// `$uri$is_args$args` and `%U%q` are one target.
fn join_targets(pieces: Vec<Piece>) -> Vec<Piece> {
    let mut out: Vec<Piece> = Vec::with_capacity(pieces.len());
    for piece in pieces {
        let is_path =
            |p: &Piece| matches!(p, Piece::Field { known, .. } if matches!(known.role, Role::Path | Role::Target));
        let joins = match &piece {
            Piece::Field { name, known, .. } => name == "is_args" || known.role == Role::Query,
            Piece::Literal(_) => false,
        };
        match out.last_mut() {
            Some(Piece::Field { known, .. }) if joins && known.role == Role::Path => {
                *known = Known::new(Role::Target, 0);
            }
            Some(last) if joins && is_path(last) => {}
            _ => out.push(piece),
        }
    }
    out
}

fn join_literals(pieces: Vec<Piece>) -> Vec<Piece> {
    let mut out: Vec<Piece> = Vec::with_capacity(pieces.len());
    for piece in pieces {
        match (out.last_mut(), piece) {
            (Some(Piece::Literal(before)), Piece::Literal(text)) => before.extend_from_slice(&text),
            (_, piece) => out.push(piece),
        }
    }
    out
}

/// `%{%d/%b/%Y %T}t.%{msec_frac}t %{%z}t` is one time: the patterns with the text between them.
fn join_times(pieces: Vec<Piece>) -> Vec<Piece> {
    let mut out: Vec<Piece> = Vec::with_capacity(pieces.len());
    for piece in pieces {
        if let Piece::Field { time: Some(TimePart::Pattern(more)), span, .. } = &piece {
            let between = match out.as_slice() {
                [.., Piece::Field { time: Some(TimePart::Pattern(_)), .. }] => Some(String::new()),
                [.., Piece::Field { time: Some(TimePart::Pattern(_)), .. }, Piece::Literal(text)] => {
                    Some(String::from_utf8_lossy(text).replace('%', "%%"))
                }
                _ => None,
            };
            if let Some(between) = between {
                if matches!(out.last(), Some(Piece::Literal(_))) {
                    out.pop();
                }
                if let Some(Piece::Field { time: Some(TimePart::Pattern(pattern)), span: whole, .. }) = out.last_mut() {
                    pattern.push_str(&between);
                    pattern.push_str(more);
                    whole.end = span.end;
                }
                continue;
            }
        }
        out.push(piece);
    }
    out
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
fn build(pieces: Vec<Piece>, escape: Escape, warnings: &mut Vec<String>) -> Steps {
    let mut steps = Steps { first: Vec::new(), fields: Vec::new(), escape };
    let mut before: Vec<u8> = Vec::new();
    for piece in pieces {
        match piece {
            Piece::Literal(text) => {
                match steps.fields.last_mut() {
                    Some(last) => last.until.clone_from(&text),
                    None => steps.first.clone_from(&text),
                }
                before = text;
            }
            Piece::Field { name, known, time, ident, .. } => {
                let mut step = Step {
                    shape: shape(&name, known, time, ident),
                    name,
                    known,
                    until: Vec::new(),
                    stop: None,
                    quoted: before.ends_with(b"\""),
                };
                if let Some(last) = steps.fields.last_mut().filter(|last| last.until.is_empty()) {
                    last.stop = first_byte(known.role);
                    if last.stop.is_none() {
                        warnings.push(format!(
                            "nothing stands between {} and {} in the format, so the first takes both values; put a blank between them",
                            last.name, step.name
                        ));
                        continue;
                    }
                }
                before.clear();
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

fn shape(name: &str, known: Known, time: Option<TimePart>, ident: bool) -> Shape {
    match (known.role, time) {
        _ if ident => Shape::Ident,
        (_, Some(TimePart::Whole(shape))) => Shape::Time(shape),
        (_, Some(TimePart::Pattern(pattern))) => Shape::Time(TimeShape::Pattern(pattern)),
        // Apache's counts, which are whole: a time with a fraction in their place belongs to another format.
        _ if matches!(name, "I" | "O" | "B") => Shape::Whole,
        (Role::Client, _) => Shape::Address,
        (Role::User, _) => Shape::User,
        (Role::Host | Role::Method | Role::Protocol | Role::RequestId | Role::Country, _) => Shape::Word,
        (Role::Status, _) => Shape::Status,
        (Role::Duration, _) if known.unit == Unit::Seconds && name == "request_time" => Shape::Seconds,
        (Role::Duration, _) if known.unit == Unit::Seconds && known.rank > 0 => Shape::List,
        (Role::BytesOut | Role::BytesIn | Role::Duration | Role::TokensIn | Role::TokensOut, _) => Shape::Number,
        (Role::ForwardedFor, _) => Shape::List,
        _ if name.starts_with("upstream_") => Shape::List,
        _ if name.ends_with("_port") || name.ends_with("_queue") => Shape::Number,
        _ if matches!(name, "pid" | "p" | "bytes_sent" | "request_length") => Shape::Number,
        _ => Shape::Any,
    }
}

/// The byte with which every value of this role begins.
fn first_byte(role: Role) -> Option<u8> {
    match role {
        Role::Target | Role::Path => Some(b'/'),
        Role::Query => Some(b'?'),
        _ => None,
    }
}

/// A format must say when and what, or nothing can be learned from it.
fn check(steps: &Steps, text: &str) -> Result<(), FormatError> {
    let has = |roles: &[Role]| steps.fields.iter().any(|step| roles.contains(&step.known.role));
    let whole = Some(0..text.len());
    if steps.fields.len() > FIELDS {
        let message = format!("the format has {} fields; at most {FIELDS} are taken", steps.fields.len());
        return Err(FormatError { message, span: whole });
    }
    if !has(&[Role::Time]) {
        let message =
            "the format has no time: add $time_iso8601, $time_local or $msec (nginx), or %t (Apache)".to_owned();
        return Err(FormatError { message, span: whole });
    }
    if !has(&[Role::Request, Role::Target, Role::Path, Role::Status, Role::Method]) {
        let message =
            "the format says nothing about the request: add \"$request\" $status (nginx), or \"%r\" %>s (Apache)"
                .to_owned();
        return Err(FormatError { message, span: whole });
    }
    Ok(())
}
