//! Runs a compiled template over a line: one search per field, the fields borrowed from the line.
//!
//! A field ends where the literal after it stands. Where that literal also occurs inside the value (a blank in an
//! unquoted request, a quote inside a quoted one), the first place is taken that lets the rest of the line fit; the
//! number of places tried is bounded, so a line costs linear time whatever it holds.

use nom::Parser;
use nom::bytes::complete::tag;
use nom::error::Error;
use smallvec::SmallVec;

use super::draft::Draft;
use super::effort;
use super::field::{self, Escape};
use super::instant::TimeShape;
use super::near::find;
use super::role::{Known, Role};
use super::wall::Wall;
use super::{Reason, Record, Reject};
use crate::time::Timestamp;

/// Second thoughts about where a field ends, per line.
const RETRIES: u32 = 96;

/// What a field's text must look like; cheap, since it is asked for every place where a field might end.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Shape {
    Any,
    /// No blanks outside quotes.
    Word,
    Address,
    /// The answer of an ident server: nearly always a dash, never an address or host name.
    Ident,
    /// A user name, which may hold blanks, but not the dash of a field before it.
    User,
    /// Digits, a dash, or a sign and digits.
    Number,
    /// Digits or a dash.
    Whole,
    /// Three digits or a dash.
    Status,
    /// Seconds with their fraction, as nginx writes them.
    Seconds,
    Time(TimeShape),
    /// Values of several upstreams, `0.1, 0.2 : 0.3`.
    List,
}

/// One field and the literal after it.
#[derive(Clone, Debug)]
pub(super) struct Step {
    pub(super) name: String,
    pub(super) known: Known,
    pub(super) shape: Shape,
    /// The literal after it; empty at the end of the line and before [`Step::stop`].
    pub(super) until: Vec<u8>,
    /// Without a literal between two fields: the byte with which the next one begins.
    pub(super) stop: Option<u8>,
    /// Stands between quotes, so a quote behind a backslash does not end it.
    pub(super) quoted: bool,
}

/// A template ready to run.
#[derive(Clone, Debug)]
pub(super) struct Steps {
    pub(super) first: Vec<u8>,
    pub(super) fields: Vec<Step>,
    pub(super) escape: Escape,
    /// Fields that the source's configuration gives a role, the one that goes before all others last; usually none.
    pub(super) mapped: Vec<(usize, Role)>,
    /// Fields with a role that are asked for under their own names as well; usually none.
    pub(super) also: Vec<usize>,
}

/// How much a line must look like the format.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Reading {
    /// Quotes inside quoted values (of servers that do not escape them) come in pairs, `x "quoted" y`; nginx's seconds
    /// have a fraction. Anything else belongs to another format with more or other fields.
    Strict,
    /// Anything goes, so that no client can hide its line behind a stray quote; the last separator between quotes counts.
    Loose,
}

impl Reading {
    fn allows_quotes(self, value: &[u8], escape: Escape, is_last: bool) -> bool {
        if self == Reading::Loose {
            return !is_last || memchr::memmem::find(value, b"\" \"").is_none();
        }
        let mut open = 0u32;
        for at in memchr::memchr_iter(b'"', value) {
            if escape != Escape::None && is_escaped(value, 0, at) {
                continue;
            }
            let blank_before = at == 0 || value[at - 1] == b' ';
            let blank_after = value.get(at + 1).is_none_or(|&b| b == b' ');
            match (blank_before, blank_after) {
                (false, true) if open == 0 => return false,
                (false, true) => open -= 1,
                (false, false) if open > 0 => open -= 1,
                _ => open += 1,
            }
        }
        open == 0
    }
}

/// What one run over a line carries along.
struct State<'l> {
    line: &'l [u8],
    escape: Escape,
    /// Nothing in the line is escaped, whatever the format allows.
    plain: bool,
    wall: &'l Wall,
    reading: Reading,
    time: Option<Timestamp>,
    retries: u32,
}

/// Where one field was cut out.
#[derive(Clone, Copy, Default)]
struct Cut {
    start: usize,
    end: usize,
    next: usize,
    /// It ends at the first quote in it or behind it.
    unquoted: bool,
}

/// Where reading stopped, byte offset from 0.
#[derive(Clone, Copy)]
struct Stop {
    at: usize,
    reason: Reason,
}

impl Stop {
    fn reject(self) -> Reject {
        Reject { column: u32::try_from(self.at).unwrap_or(u32::MAX).saturating_add(1), reason: self.reason }
    }
}

impl Steps {
    /// Reads `line[from..to]` for the format of this name; columns count from the start of `line`.
    pub(super) fn run<'a>(
        &'a self,
        name: &'a str,
        line: &'a [u8],
        (from, to): (usize, usize),
        wall: &'a Wall,
        reading: Reading,
    ) -> Result<Record<'a>, Reject> {
        let line = line.get(..to).unwrap_or(line);
        let start = self.open(line, from).map_err(Stop::reject)?;
        let mut cuts: SmallVec<[Cut; 24]> = SmallVec::new();
        // One look at the line saves one at each field.
        let plain = self.escape == Escape::None || memchr::memchr(b'\\', line).is_none();
        effort::spend(line.len());
        let mut state = State { line, escape: self.escape, plain, wall, reading, time: None, retries: RETRIES };
        // How many fields had been read, and where it stopped: what is told is the first place of those that got farthest.
        let mut farthest: Option<(usize, Stop)> = None;
        let (mut position, mut search) = (start, start);
        loop {
            effort::spend(1);
            let tried = match self.fields.get(cuts.len()) {
                Some(step) => step.cut(&mut state, position, search, cuts.len() + 1 == self.fields.len()),
                None if position == line.len() => break,
                None => Err(Stop { at: position, reason: Reason::Trailing }),
            };
            match tried {
                Ok(cut) => {
                    (position, search) = (cut.next, cut.next);
                    cuts.push(cut);
                }
                Err(stop) => {
                    if farthest.is_none_or(|(fields, _)| cuts.len() > fields) {
                        farthest = Some((cuts.len(), stop));
                    }
                    let (Some(last), Some(left)) = (cuts.pop(), state.retries.checked_sub(1)) else {
                        return Err(farthest.map_or(stop, |(_, first)| first).reject());
                    };
                    state.retries = left;
                    (position, search) = (last.start, last.end + 1);
                }
            }
        }
        let (time, escape) = (state.time, if plain { Escape::None } else { self.escape });
        self.fill(name, line, &cuts, (time, escape))
    }

    /// The literal before the first field.
    fn open(&self, line: &[u8], from: usize) -> Result<usize, Stop> {
        let rest = line.get(from..).unwrap_or_default();
        if behind(&self.first, rest).is_some() {
            return Ok(from + self.first.len());
        }
        let same = self.first.iter().zip(rest).take_while(|(a, b)| a == b).count();
        let reason = match self.first.get(same) {
            _ if same == rest.len() => Reason::TooShort,
            Some(&expected) => Reason::Literal(expected),
            None => Reason::TooShort,
        };
        Err(Stop { at: from + same, reason })
    }

    fn fill<'a>(
        &'a self,
        name: &'a str,
        line: &'a [u8],
        cuts: &[Cut],
        (time, escape): (Option<Timestamp>, Escape),
    ) -> Result<Record<'a>, Reject> {
        let mut draft = Draft::default();
        draft.record.format = name;
        for (step, cut) in self.fields.iter().zip(cuts) {
            let value = line.get(cut.start..cut.end).unwrap_or_default();
            effort::spend(value.len());
            match step.known.role {
                Role::Time | Role::Ignored => {}
                Role::Extra => draft.extra(&step.name, field::undo(value, escape)),
                role => draft
                    .put(role, step.known.unit, field::undo(value, escape))
                    .map_err(|reason| Stop { at: cut.start, reason }.reject())?,
            }
        }
        for &at in &self.also {
            if let (Some(step), Some(cut)) = (self.fields.get(at), cuts.get(at)) {
                draft.extra(&step.name, field::undo(line.get(cut.start..cut.end).unwrap_or_default(), escape));
            }
        }
        for &(at, role) in &self.mapped {
            if let (Some(step), Some(cut)) = (self.fields.get(at), cuts.get(at)) {
                let value = field::undo(line.get(cut.start..cut.end).unwrap_or_default(), escape);
                // A value that is none of the role (a word where a number should be) costs the field, not the line.
                let _ = draft.put(role, step.known.unit, value);
            }
        }
        draft.time(time.unwrap_or_default());
        Ok(draft.finish())
    }
}

impl Step {
    /// Cuts the field that begins at `start`, ending it at `search` or later.
    fn cut(&self, state: &mut State<'_>, start: usize, search: usize, is_last: bool) -> Result<Cut, Stop> {
        let line = state.line;
        let start = if self.may_be_padded() { skip_blanks(line, start) } else { start };
        let mut search = search.max(start);
        let mut stop = None;
        loop {
            let Some(cut) = self.find(line, start, search, state) else {
                return Err(stop.unwrap_or_else(|| self.why_not_found(line, start)));
            };
            let Err(reason) = self.fits(state, cut, is_last) else { return Ok(cut) };
            let failed = Stop { at: start, reason };
            stop = Some(failed);
            state.retries = state.retries.checked_sub(1).ok_or(failed)?;
            search = cut.end + 1;
        }
    }

    /// The next place at or after `search` where the field may end.
    fn find(&self, line: &[u8], start: usize, search: usize, state: &State<'_>) -> Option<Cut> {
        if search > line.len() {
            return None;
        }
        if let Some(stop) = self.stop {
            let found = memchr::memchr(stop, &line[search..]);
            effort::spend(found.unwrap_or(line.len() - search));
            let end = found? + search;
            return Some(Cut { start, end, next: end, unquoted: false });
        }
        let Some(&first) = self.until.first() else {
            // The last field takes the rest, once.
            return (search <= start || search == line.len()).then_some(Cut {
                start,
                end: line.len(),
                next: line.len(),
                unquoted: false,
            });
        };
        let honoured = self.quoted && !state.plain && state.reading == Reading::Strict;
        let mut from = search;
        let found = loop {
            let Some(at) = find(first, &line[from..]) else { break None };
            effort::spend(1);
            let end = from + at;
            if let Some(rest) = behind(&self.until, &line[end..])
                && !(honoured && is_escaped(line, start, end))
            {
                let unquoted = first == b'"' && from == start;
                break Some(Cut { start, end, next: line.len() - rest.len(), unquoted });
            }
            from = end + 1;
        };
        effort::spend(found.map_or(line.len(), |cut| cut.end) - search);
        found
    }

    fn fits(&self, state: &mut State<'_>, cut: Cut, is_last: bool) -> Result<(), Reason> {
        let (value, rest) = (&state.line[cut.start..cut.end], &state.line[cut.next..]);
        effort::spend(value.len());
        let good = |is_good: bool, reason| if is_good { Ok(()) } else { Err(reason) };
        if self.quoted && !cut.unquoted && !state.reading.allows_quotes(value, state.escape, is_last) {
            return Err(if rest.is_empty() { Reason::Trailing } else { Reason::Unquoted });
        }
        match &self.shape {
            Shape::Any => Ok(()),
            Shape::Word => good(self.quoted || !value.contains(&b' '), Reason::Literal(b' ')),
            Shape::Address => good(field::is_client(value), Reason::Address),
            Shape::Ident => good(!value.is_empty() && !value.iter().any(|b| b" .:".contains(b)), Reason::Literal(b'-')),
            Shape::User => {
                // What stands before the dash of the field before is no part of a name either: a header in front of the line.
                // A client may name itself so all the same: its line is read loosely.
                let dashes = value.ends_with(b" -") || memchr::memmem::find(value, b" - ").is_some();
                let dashes = dashes && state.reading == Reading::Strict;
                good(!value.starts_with(b"- ") && !dashes, Reason::Literal(b'-'))
            }
            Shape::Status => {
                let known = value.len() == 3 && value.iter().all(u8::is_ascii_digit);
                good(known || value == b"-" || value == b"-1", Reason::Status)
            }
            Shape::Seconds => {
                let decimal = value.contains(&b'.') || state.reading == Reading::Loose;
                let digits = value.iter().all(|b| b.is_ascii_digit() || *b == b'.');
                good(value == b"-" || (digits && decimal && !value.is_empty()), Reason::Number)
            }
            Shape::Whole => {
                let whole = !value.is_empty() && value.iter().all(u8::is_ascii_digit);
                good(whole || value == b"-", Reason::Number)
            }
            Shape::Number => {
                let digits = value.strip_prefix(b"+").or_else(|| value.strip_prefix(b"-")).unwrap_or(value);
                let unit = |b: &u8| b.is_ascii_digit() || *b == b'.' || matches!(b, b'm' | b's' | b'u' | b'n' | 0x80..);
                let first = digits.first().is_none_or(u8::is_ascii_digit);
                // Between quotes, or where a dash is not written for what is absent, nothing may stand there.
                let nothing = value.is_empty() && (self.quoted || state.escape != Escape::Backslash);
                let number = !digits.is_empty() && first && digits.iter().all(unit);
                good(number || value == b"-" || nothing, Reason::Number)
            }
            Shape::Time(shape) => {
                state.time = Some(shape.read(value, state.wall).ok_or(Reason::Time)?);
                Ok(())
            }
            Shape::List => {
                let goes_on = value.ends_with(b",") || value.ends_with(b" :") || rest.starts_with(b": ");
                good(!goes_on, Reason::Literal(b' '))
            }
        }
    }

    /// Columns are padded in some logs (squid, HAProxy); what cannot begin with a blank is read behind them.
    fn may_be_padded(&self) -> bool {
        !self.quoted && !matches!(self.shape, Shape::Any | Shape::User | Shape::Time(TimeShape::Pattern { .. }))
    }

    /// Names the place where the literal after the field should be: where most of it stands, or the line's end.
    fn why_not_found(&self, line: &[u8], start: usize) -> Stop {
        if self.quoted {
            let rest = &line[start..];
            // Cut off right behind the value.
            if self.until.len() > 1 && !rest.is_empty() && memchr::memchr(b'"', rest) == Some(rest.len() - 1) {
                return Stop { at: line.len(), reason: Reason::TooShort };
            }
            return Stop { at: start, reason: Reason::Unquoted };
        }
        for length in (1..self.until.len()).rev() {
            effort::spend(line.len() - start);
            if let Some(at) = memchr::memmem::find(&line[start..], &self.until[..length]) {
                let at = start + at + length;
                let reason = match self.until[length] {
                    _ if at == line.len() => Reason::TooShort,
                    b'"' => Reason::Unquoted,
                    expected => Reason::Literal(expected),
                };
                return Stop { at, reason };
            }
        }
        Stop { at: line.len(), reason: Reason::TooShort }
    }
}

/// What is behind a literal of the template at the beginning of `text`. The end of the line stands for a last blank that
/// was trimmed.
fn behind<'a>(expected: &[u8], text: &'a [u8]) -> Option<&'a [u8]> {
    match expected {
        [] => Some(text),
        [one] => text.split_first().filter(|(first, _)| *first == one).map(|(_, rest)| rest),
        more => tag::<_, _, Error<&[u8]>>(more).parse(text).ok().map(|(rest, _)| rest),
    }
}

/// Whether an odd number of backslashes stands before `at`.
fn is_escaped(line: &[u8], start: usize, at: usize) -> bool {
    let backslashes = line[start..at].iter().rev().take_while(|&&b| b == b'\\').count();
    effort::spend(backslashes + 1);
    backslashes % 2 == 1
}

fn skip_blanks(line: &[u8], start: usize) -> usize {
    let blanks = line.get(start..).unwrap_or_default().iter().take_while(|&&b| b == b' ').count();
    effort::spend(blanks);
    start + blanks
}
