//! The extended log file format of the W3C (IIS, CloudFront, Tomcat): a line `#Fields: ...` says what the lines after it
//! hold, and another one may come at any time. Before the first, usual layouts are tried.

use std::borrow::Cow;
use std::collections::HashMap;
use std::ops::Range;
use std::sync::{Arc, PoisonError, RwLock};

use super::draft::Draft;
use super::field;
use super::fields::{Context, Fields};
use super::instant;
use super::names::Names;
use super::role::{self, Known, Role};
use super::wall::Wall;
use super::{Format, Reason, Record, Reject, Value};
use crate::time::{Timestamp, Zone};

/// Columns of one layout; a line with more is refused.
const COLUMNS: usize = 96;
/// The longest `#Fields` line that is taken.
const FIELDS_BYTES: usize = 4096;

/// A compiled W3C format.
#[derive(Debug)]
pub(super) struct W3c {
    name: String,
    /// Tried in this order as long as the log has not said its own.
    usual: Vec<Arc<Layout>>,
    /// Meanings by column name, before what names tell by themselves.
    mapping: HashMap<String, Known>,
    /// Columns that tell this format from its relatives.
    required: Vec<String>,
    wall: Wall,
    /// What the source's configuration says of columns.
    fields: Arc<Fields>,
    names: Names,
    stated: RwLock<Stated>,
}

/// What the log has said about itself.
#[derive(Clone, Debug, Default)]
struct Stated {
    /// `None` before the first `#Fields`.
    layout: Option<Arc<Layout>>,
    /// The day of `#Date`, for lines that state the time only.
    day: Option<[u8; 10]>,
}

/// The columns of a line.
#[derive(Debug)]
struct Layout {
    text: String,
    columns: Vec<Column>,
    /// All columns are there that the format requires, and enough for a request.
    usable: bool,
    /// Columns that the source's configuration gives a role, the one that goes before all others last; usually none.
    mapped: Vec<(usize, Role)>,
}

#[derive(Debug)]
struct Column {
    name: String,
    known: Known,
    part: Part,
    /// It has a role, and is asked for under its own name as well.
    also: bool,
}

/// What is special about a column.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Part {
    Nothing,
    Date,
    Clock,
    /// Blanks are written as `+` or `%20`.
    Agent,
}

impl W3c {
    /// A format from the layouts that are usual, and from what its file says of columns.
    pub(super) fn new(
        name: &str,
        usual: &[String],
        mapping: Vec<(String, Known)>,
        required: &[String],
        zone: Zone,
    ) -> W3c {
        let mut format = W3c {
            name: name.to_owned(),
            usual: Vec::new(),
            mapping: mapping.into_iter().collect(),
            required: required.to_vec(),
            wall: Wall::new(zone),
            fields: Arc::default(),
            names: Names::default(),
            stated: RwLock::default(),
        };
        format.usual = usual.iter().map(|text| Arc::new(format.columns(text))).collect();
        format
    }

    /// The same format for another log, of which nothing is known yet.
    pub(super) fn anew(&self) -> W3c {
        W3c {
            name: self.name.clone(),
            usual: self.usual.clone(),
            mapping: self.mapping.clone(),
            required: self.required.clone(),
            wall: self.wall.clone(),
            fields: self.fields.clone(),
            names: Names::default(),
            stated: RwLock::default(),
        }
    }

    /// The same for one source: its zone, its lines, its fields.
    pub(super) fn within(&self, context: &Context) -> W3c {
        let mut format = W3c { wall: context.wall.clone(), fields: context.fields.clone(), ..self.anew() };
        format.usual = self.usual.iter().map(|layout| Arc::new(format.columns(&layout.text))).collect();
        format
    }

    fn stated(&self) -> Stated {
        self.stated.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn columns(&self, text: &str) -> Layout {
        let columns: Vec<Column> = text.split_ascii_whitespace().take(COLUMNS).map(|name| self.column(name)).collect();
        let has = |roles: &[Role]| columns.iter().any(|c| roles.contains(&c.known.role));
        let required = self.required.iter().all(|wanted| columns.iter().any(|c| c.name == *wanted));
        let clock = columns.iter().any(|c| c.part == Part::Clock) || has(&[Role::Time]);
        let usable = required
            && clock
            && has(&[Role::Method, Role::Status])
            && has(&[Role::Path, Role::Target, Role::Query, Role::Request]);
        let names: Vec<&str> = columns.iter().map(|column| column.name.as_str()).collect();
        let mut mapped = Vec::new();
        for (_, role, places) in self.fields.mapped() {
            let found = places.iter().flat_map(|place| place.best_of(&names)).map(|at| (at, role));
            // The worst first, so that the best that a line has stays.
            mapped.extend(found.collect::<Vec<_>>().into_iter().rev());
        }
        Layout { text: text.trim().to_owned(), columns, usable, mapped }
    }

    fn column(&self, name: &str) -> Column {
        let (mut known, mut part) = (Known::EXTRA, Part::Nothing);
        let lower = name.to_ascii_lowercase();
        match lower.as_str() {
            "date" => part = Part::Date,
            "time" => part = Part::Clock,
            _ => known = self.mapping.get(lower.as_str()).copied().unwrap_or_else(|| by_itself(&lower)),
        }
        if known.role == Role::UserAgent {
            part = Part::Agent;
        }
        if part != Part::Nothing && part != Part::Agent {
            known = Known::new(Role::Ignored, 0);
        }
        if known.role == Role::Extra && !self.fields.keeps(name) {
            known = Known::new(Role::Ignored, 0);
        }
        let also = known.role != Role::Extra && self.fields.asks_for(name);
        Column { name: name.to_owned(), known, part, also }
    }

    /// `#Fields: ...`, `#Date: ...` and other lines about the log.
    fn directive(&self, line: &[u8]) -> Reason {
        let colon =
            memchr::memchr(b':', line).filter(|at| line[1..*at].iter().all(|b| b.is_ascii_alphabetic() || *b == b'-'));
        let Some(colon) = colon else { return Reason::NotAccess };
        let value = &line[colon + 1..];
        match line[1..colon].to_ascii_lowercase().as_slice() {
            b"fields" if value.len() <= FIELDS_BYTES => {
                let layout = Arc::new(self.columns(&String::from_utf8_lossy(value)));
                let usable = layout.usable;
                self.stated.write().unwrap_or_else(PoisonError::into_inner).layout = Some(layout);
                if !usable {
                    return Reason::NotAccess;
                }
            }
            b"date" | b"start-date" => {
                let day = value.trim_ascii().first_chunk::<10>().copied();
                self.stated.write().unwrap_or_else(PoisonError::into_inner).day = day;
            }
            b"software" | b"version" | b"remark" | b"end-date" | b"start" | b"end" | b"gmt-offset" => {}
            _ => return Reason::NotAccess,
        }
        Reason::Directive
    }

    fn read<'a>(&'a self, line: &'a [u8], layout: &Layout, day: Option<[u8; 10]>) -> Result<Record<'a>, Reject> {
        let reject = |at: usize, reason| Err(reject(at, reason));
        if !layout.usable {
            return reject(0, Reason::NotAccess);
        }
        let separator = if memchr::memchr(b'\t', line).is_some() { b'\t' } else { b' ' };
        let mut values = Values { line, separator, at: Some(0) };
        let mut draft = Draft::default();
        let mut mapped: Vec<(usize, Role, Value<'a>)> = Vec::new();
        let (mut date, mut clock) = (day, None);
        for (at, column) in layout.columns.iter().enumerate() {
            let Some(span) = values.next() else { return reject(line.len(), Reason::TooShort) };
            let start = span.start;
            let value = line.get(span).unwrap_or_default();
            if value == b"-" || value == b"\"-\"" {
                continue;
            }
            if column.also
                && let Some(name) = self.names.get(&column.name)
            {
                draft.extra(name, plain(value));
            }
            let roles = layout.mapped.iter().enumerate().filter(|(_, (column, _))| *column == at);
            mapped.extend(roles.map(|(rank, (_, role))| (rank, *role, plain(value))));
            match (column.part, column.known.role) {
                (Part::Date, _) => match value.first_chunk::<10>() {
                    Some(day) if value.len() == 10 => date = Some(*day),
                    _ => return reject(start, Reason::Time),
                },
                (Part::Clock, _) => clock = Some((start, value)),
                (_, Role::Ignored) => {}
                (_, Role::Time) => match instant::by_look(value, &self.wall) {
                    Some(time) => draft.time(time),
                    None => return reject(start, Reason::Time),
                },
                (_, Role::Extra) => {
                    if let Some(name) = self.names.get(&column.name) {
                        draft.extra(name, plain(value));
                    }
                }
                (_, Role::Client) if !field::is_client(value) => return reject(start, Reason::Address),
                (_, Role::Method) if !is_method(value) => return reject(start, Reason::NotHttp),
                (_, Role::Status) if field::whole(value).is_none() => return reject(start, Reason::Status),
                (part, role) => {
                    let value = if part == Part::Agent { agent(plain(value), separator) } else { plain(value) };
                    if let Err(reason) = draft.put(role, column.known.unit, value) {
                        return reject(start, reason);
                    }
                }
            }
        }
        if let Some(span) = values.next() {
            return reject(span.start, Reason::Trailing);
        }
        if let Some((start, clock)) = clock {
            match date.and_then(|date| join(date, clock, &self.wall)) {
                Some(time) => draft.time(time),
                None => return reject(start, Reason::Time),
            }
        }
        mapped.sort_by_key(|(rank, ..)| *rank);
        for (_, role, value) in mapped {
            // A value that is none of the role costs the field, not the line.
            let _ = draft.put(role, field::Unit::Guess, value);
        }
        if !draft.has_time {
            return reject(0, Reason::NoTime);
        }
        let mut record = draft.finish();
        record.format = &self.name;
        Ok(record)
    }
}

impl Format for W3c {
    fn name(&self) -> &str {
        &self.name
    }

    fn parse<'a>(&'a self, line: &'a [u8]) -> Result<Record<'a>, Reject> {
        // A tab at the end stands before an empty value.
        let kept = line.iter().rev().skip_while(|b| matches!(b, b' ' | b'\r' | b'\n')).count();
        let line = line.get(..kept).unwrap_or(line);
        if line.first() == Some(&b'#') {
            return Err(reject(0, self.directive(line)));
        }
        let stated = self.stated();
        if let Some(layout) = &stated.layout {
            return self.read(line, layout, stated.day);
        }
        let mut farthest: Option<Reject> = None;
        for layout in &self.usual {
            match self.read(line, layout, stated.day) {
                Ok(record) => return Ok(record),
                Err(reject) if farthest.is_none_or(|old| reject.column > old.column) => farthest = Some(reject),
                Err(_) => {}
            }
        }
        // What no request looks like was read with a layout that was only guessed.
        Err(farthest.filter(|r| r.reason != Reason::NotHttp).unwrap_or(reject(0, Reason::NoFormat)))
    }

    fn parse_loosely<'a>(&'a self, _: &'a [u8]) -> Result<Record<'a>, Reject> {
        Err(reject(0, Reason::NoFormat))
    }

    /// A line that states its own columns says much; see [`super::Template`].
    fn weight(&self) -> u32 {
        let columns = self.stated().layout.map_or(12, |layout| if layout.usable { layout.columns.len() } else { 0 });
        8 * columns as u32 + 40 * self.required.len() as u32
    }

    fn layout(&self) -> Option<String> {
        self.stated().layout.filter(|layout| layout.usable).map(|layout| layout.text.clone())
    }

    fn set_layout(&self, text: &str) {
        let layout = Arc::new(self.columns(text));
        self.stated.write().unwrap_or_else(PoisonError::into_inner).layout = Some(layout);
    }
}

fn reject(at: usize, reason: Reason) -> Reject {
    Reject { column: u32::try_from(at).unwrap_or(u32::MAX).saturating_add(1), reason }
}

/// What the name of a column says: `cs(User-Agent)` is a header of the request, `sc(...)` one of the response, `x-...`
/// and `s-...` are the server's own.
fn by_itself(name: &str) -> Known {
    if name == "cs-uri" {
        return Known::new(Role::Target, 0);
    }
    if let Some(header) = name.strip_prefix("cs(").and_then(|rest| rest.strip_suffix(')')) {
        return role::by_header(header.as_bytes()).filter(|known| known.role.is_header()).unwrap_or(Known::EXTRA);
    }
    if name.starts_with("sc(") || name.starts_with("rs(") || name.starts_with("s-") {
        return Known::EXTRA;
    }
    let known = role::by_name(name.as_bytes());
    let header =
        || name.strip_prefix("cs-").and_then(|rest| role::by_header(rest.as_bytes())).filter(|k| k.role.is_header());
    known.or_else(header).filter(|known| known.role != Role::Time).unwrap_or(Known::EXTRA)
}

/// The values of a line, one after the other; one in quotes may hold the separator.
struct Values<'l> {
    line: &'l [u8],
    separator: u8,
    /// Where the next one begins; `None` behind the last.
    at: Option<usize>,
}

impl Iterator for Values<'_> {
    type Item = Range<usize>;

    fn next(&mut self) -> Option<Range<usize>> {
        let mut start = self.at?;
        // Blanks may be padded, tabs are not: two of them enclose an empty value.
        if self.separator == b' ' {
            start += self.line.get(start..)?.iter().take_while(|b| **b == b' ').count();
        }
        let rest = self.line.get(start..).filter(|rest| !rest.is_empty() || self.separator == b'\t')?;
        let quoted = rest.first() == Some(&b'"');
        let skip = if quoted { end_of_quoted(rest, self.separator).unwrap_or(0) } else { 0 };
        let end = memchr::memchr(self.separator, &rest[skip..]).map_or(rest.len(), |at| at + skip);
        self.at = (end < rest.len()).then_some(start + end + 1);
        Some(start..start + end)
    }
}

/// Where a value in quotes ends, behind its closing quote; two quotes inside stand for one. `None` where the first quote
/// does not enclose the value.
fn end_of_quoted(text: &[u8], separator: u8) -> Option<usize> {
    let mut at = 1;
    loop {
        at += memchr::memchr(b'"', text.get(at..)?)?;
        match text.get(at + 1) {
            Some(b'"') => at += 2,
            None => return Some(at + 1),
            Some(next) => return (*next == separator).then_some(at + 1),
        }
    }
}

/// Without the quotes around it.
fn plain(value: &[u8]) -> Cow<'_, [u8]> {
    let Some(inner) = value.strip_prefix(b"\"").and_then(|v| v.strip_suffix(b"\"")) else {
        return Cow::Borrowed(value);
    };
    if memchr::memmem::find(inner, b"\"\"").is_none() {
        return Cow::Borrowed(inner);
    }
    let mut out = Vec::with_capacity(inner.len());
    let mut quotes = 0usize;
    for &byte in inner {
        quotes = if byte == b'"' { quotes + 1 } else { 0 };
        if quotes.is_multiple_of(2) {
            out.push(byte);
        }
    }
    Cow::Owned(out)
}

/// A user agent with its blanks: IIS writes `+`, CloudFront `%20`.
fn agent(value: Cow<'_, [u8]>, separator: u8) -> Cow<'_, [u8]> {
    if separator == b' ' {
        if value.contains(&b'+') && !value.contains(&b' ') {
            return Cow::Owned(value.iter().map(|b| if *b == b'+' { b' ' } else { *b }).collect());
        }
        return value;
    }
    if memchr::memchr(b'%', &value).is_none() {
        return value;
    }
    let hex = |b: u8| (b as char).to_digit(16).map(|n| n as u8);
    let mut out = Vec::with_capacity(value.len());
    let mut at = 0;
    while let Some(&byte) = value.get(at) {
        let digits = (value.get(at + 1).copied().and_then(hex), value.get(at + 2).copied().and_then(hex));
        if let (b'%', (Some(high), Some(low))) = (byte, digits) {
            out.push(high << 4 | low);
            at += 3;
        } else {
            out.push(byte);
            at += 1;
        }
    }
    Cow::Owned(out)
}

/// A method is a word of letters; FTP and SMTP services write other things into this column.
fn is_method(value: &[u8]) -> bool {
    value.len() <= 32 && value.iter().all(|b| b.is_ascii_alphabetic() || matches!(b, b'-' | b'_'))
}

fn join(date: [u8; 10], clock: &[u8], wall: &Wall) -> Option<Timestamp> {
    let mut text = [b' '; 32];
    let length = 11 + clock.len();
    text.get_mut(..10)?.copy_from_slice(&date);
    text.get_mut(11..length)?.copy_from_slice(clock);
    instant::iso(text.get(..length)?, wall)
}

#[cfg(test)]
mod tests;
