//! What a line says: formats compiled from data, and the record of one line.
//!
//! A [`Format`] is made from a description (an nginx `log_format`, an Apache `LogFormat`, a JSON field mapping) that
//! lies in `parsers/` or in the configuration; no format is coded one by one. Parsing borrows from the line and never
//! fails on more than that line: what cannot be read is a [`Reject`] with the column where reading stopped.

mod role;

mod field;

mod wall;

mod instant;

mod words;

mod strftime;

mod java_time;

mod draft;

mod fields;

mod near;

mod steps;

mod straight;

mod pasted;

mod nginx;

mod nginx_variables;

mod apache;

mod apache_directives;

mod haproxy;

mod squid;

mod envoy;

mod python;

mod dialect;

mod extend;

mod joining;

mod template;

mod repair;

mod enclosed;

mod effort;

mod names;

mod own;

mod json;

mod w3c;

mod family;

mod envelope;

mod pieces;

mod file;

mod registry;

mod guess;

mod turns;

mod choice;
mod complete;

mod parser;

use std::borrow::Cow;
use std::fmt;

use serde::{Serialize, Serializer};
use smallvec::SmallVec;

use crate::time::Timestamp;

pub use choice::{Choice, ChoiceError, MOST_FORMATS};
pub use dialect::Syntax;
pub use envelope::Envelope;
pub use extend::{Extended, Lacking, extend};
pub use fields::{Context, FieldPlace, Fields, MAPPABLE, alike};
pub use file::{FileError, Sample};
pub use guess::{Guess, Lack, SAMPLE_LINES, Vote, guess};
pub use json::Json;
pub use near::find;
pub use parser::{Decision, PASTED, SourceParser};
pub use registry::{Entry, Registry};
pub use template::{FormatError, Template};
pub use turns::Turn;

/// A value of a line: borrowed where the line holds it as it is, owned where escapes were undone. Bytes, since logs
/// hold whatever a client sent.
pub type Value<'a> = Cow<'a, [u8]>;

/// What one line says, before anything is made of it. Absent values and a lone `-` are `None`.
#[derive(Clone, Debug, Default)]
pub struct Record<'a> {
    /// The name of the format that read the line.
    pub format: &'a str,
    /// When the request was made or logged.
    pub time: Timestamp,
    /// The peer's address (or host name) as the server saw it.
    pub client: Option<Value<'a>>,
    /// The forwarded-for chain, as it stands in the log.
    pub forwarded_for: Option<Value<'a>>,
    /// The authenticated user.
    pub user: Option<Value<'a>>,
    /// A consumer or client id: a name, not a secret.
    pub consumer: Option<Value<'a>>,
    /// An API key or Authorization value: a secret.
    pub api_key: Option<Value<'a>>,
    /// The method token.
    pub method: Option<Value<'a>>,
    /// The request target: path with query.
    pub target: Option<Value<'a>>,
    /// `HTTP/1.1` and the like.
    pub protocol: Option<Value<'a>>,
    /// A request line that is not METHOD TARGET PROTOCOL: binary noise, `-`, an empty string.
    pub odd_request: Option<Value<'a>>,
    /// The status.
    pub status: Option<u16>,
    /// Bytes sent to the client.
    pub bytes_out: Option<u64>,
    /// Bytes received from the client.
    pub bytes_in: Option<u64>,
    /// How long the request took, in seconds.
    pub duration: Option<f64>,
    /// The Referer header.
    pub referer: Option<Value<'a>>,
    /// The User-Agent header.
    pub user_agent: Option<Value<'a>>,
    /// The Host header or virtual host.
    pub host: Option<Value<'a>>,
    /// The request id.
    pub request_id: Option<Value<'a>>,
    /// A digest of the body or an idempotency key.
    pub body_digest: Option<Value<'a>>,
    /// Tokens read by a model.
    pub tokens_in: Option<u64>,
    /// Tokens written by a model.
    pub tokens_out: Option<u64>,
    /// What the call cost.
    pub cost: Option<f64>,
    /// The model that was called.
    pub model: Option<Value<'a>>,
    /// Country code of the client.
    pub country: Option<Value<'a>>,
    /// Every other field by the name the format gives it: nginx variable without `$`, JSON path with dots.
    pub extra: SmallVec<[(&'a str, Value<'a>); 4]>,
}

impl Record<'_> {
    /// As if it were new. Nothing is allocated for values that are borrowed, so nothing is given back either.
    pub fn clear(&mut self) {
        let Record {
            format,
            time,
            client,
            forwarded_for,
            user,
            consumer,
            api_key,
            method,
            target,
            protocol,
            odd_request,
            status,
            bytes_out,
            bytes_in,
            duration,
            referer,
            user_agent,
            host,
            request_id,
            body_digest,
            tokens_in,
            tokens_out,
            cost,
            model,
            country,
            extra,
        } = self;
        (*format, *time) = ("", Timestamp::default());
        for value in [
            client,
            forwarded_for,
            user,
            consumer,
            api_key,
            method,
            target,
            protocol,
            odd_request,
            referer,
            user_agent,
            host,
            request_id,
            body_digest,
            model,
            country,
        ] {
            *value = None;
        }
        *status = None;
        for count in [bytes_out, bytes_in, tokens_in, tokens_out] {
            *count = None;
        }
        (*duration, *cost) = (None, None);
        extra.clear();
    }
}

/// Why a line could not be read, in one word for counting and a few for people.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Reason {
    /// The line ends before the format does.
    TooShort,
    /// Something is left after the format's end.
    Trailing,
    /// A literal character of the format is not there.
    Literal(u8),
    /// A quoted value does not end.
    Unquoted,
    /// Not a time in any known form.
    Time,
    /// Not a number where the format has one.
    Number,
    /// Not an address or host name.
    Address,
    /// Not a status.
    Status,
    /// Not JSON, or not an object.
    Json,
    /// JSON without a time field.
    NoTime,
    /// No field that an access log has.
    NotAccess,
    /// Longer than the limit.
    TooLong,
    /// No known format fits the source.
    NoFormat,
    /// A piece of a line that a container runtime has cut; the line is read with its last piece.
    Piece,
    /// A line about the log itself: `#Fields: ...`.
    Directive,
    /// A line that the server writes to the same log, but not about an HTTP request.
    NotHttp,
}

impl Reason {
    /// A short name for scripts and metric labels.
    pub const fn as_str(self) -> &'static str {
        match self {
            Reason::TooShort => "line too short",
            Reason::Trailing => "text after the end",
            Reason::Literal(_) => "separator missing",
            Reason::Unquoted => "unquoted request",
            Reason::Time => "not a time",
            Reason::Number => "not a number",
            Reason::Address => "not an address",
            Reason::Status => "not a status",
            Reason::Json => "not JSON",
            Reason::NoTime => "no time field",
            Reason::NotAccess => "not an access log line",
            Reason::TooLong => "line too long",
            Reason::NoFormat => "no format fits",
            Reason::Piece => "piece of a line",
            Reason::Directive => "directive",
            Reason::NotHttp => "not an HTTP request",
        }
    }

    /// Whether the line was understood: it is just no request. Such lines are no reason to doubt the format.
    pub const fn is_understood(self) -> bool {
        matches!(self, Reason::Piece | Reason::Directive | Reason::NotHttp)
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Reason::Literal(c) => write!(f, "expected '{}'", (*c as char).escape_default()),
            other => f.write_str(other.as_str()),
        }
    }
}

/// For scripts: the short name.
impl Serialize for Reason {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

/// A line that could not be read: small and `Copy`, since hostile logs are full of them.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
pub struct Reject {
    /// Where reading stopped: byte column, counted from 1.
    pub column: u32,
    /// What was wrong there.
    pub reason: Reason,
}

/// A compiled line format.
pub trait Format: Send + Sync + fmt::Debug {
    /// Its name in `parsers/`, or `log_format` for one from the configuration.
    fn name(&self) -> &str;

    /// Reads one line (without its line end).
    ///
    /// # Errors
    /// [`Reject`] with the column where reading stopped; the caller counts it and goes on with the next line.
    fn parse<'a>(&'a self, line: &'a [u8]) -> Result<Record<'a>, Reject>;

    /// As [`Format::parse`], into a record that is at hand. What it holds after a reject means nothing.
    ///
    /// # Errors
    /// As [`Format::parse`].
    fn parse_into<'a>(&'a self, line: &'a [u8], record: &mut Record<'a>) -> Result<(), Reject> {
        *record = self.parse(line)?;
        Ok(())
    }

    /// Reads a line that no format takes strictly: stray quotes inside quoted values are put up with, so that no client
    /// can hide its line behind one, and seconds without fraction where nginx would write one.
    ///
    /// # Errors
    /// [`Reject`] as for [`Format::parse`].
    fn parse_loosely<'a>(&'a self, line: &'a [u8]) -> Result<Record<'a>, Reject> {
        self.parse(line)
    }

    /// Whether its lines do not say when: the time comes from the envelope around them, and [`Record::time`] is to be
    /// set by the caller.
    fn is_timeless(&self) -> bool {
        false
    }

    /// How much a line must look like this format, where that depends on what its log said.
    fn weight(&self) -> u32 {
        0
    }

    /// What the log said about its own columns, where a format listens to that: to be kept over a restart.
    fn layout(&self) -> Option<String> {
        None
    }

    /// Takes up what [`Format::layout`] said.
    fn set_layout(&self, _: &str) {}
}

#[cfg(test)]
mod tests;

#[cfg(test)]
mod pasting_tests;

#[cfg(test)]
mod effort_tests;
