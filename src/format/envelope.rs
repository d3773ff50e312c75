//! What stands around a line because of the way it took: syslog, a container runtime, the journal, a log shipper. It is
//! taken off before the line is read, so that every format works inside every envelope.
//!
//! [`open`] looks at the first bytes only, before it does any work: a line without an envelope costs next to nothing.

mod header;

mod object;

use std::borrow::Cow;

use crate::time::Timestamp;

/// Envelopes inside each other that are taken off.
pub(super) const DEEPEST: usize = 3;

/// What a line was wrapped in.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Envelope {
    /// `Mar  2 14:31:07 host nginx[31]: `, with or without `<190>`; also with an ISO time, as rsyslog writes it to files.
    Syslog,
    /// `<190>1 2026-03-02T14:31:07Z host nginx 31 - - `, with or without `<190>`.
    Syslog5424,
    /// `{"log":"...\n","stream":"stdout","time":"..."}`.
    Docker,
    /// `2026-03-02T14:31:07.1Z stdout F `, as containerd and CRI-O write it.
    Cri,
    /// `{"MESSAGE":"...","_PID":"31",...}` of `journalctl -o json`; the message may be a list of bytes.
    Journald,
    /// Another JSON object with the line as its `message` or `log`: Filebeat, Fluent Bit, Vector.
    Message,
}

impl Envelope {
    /// A short name for people and scripts.
    pub const fn as_str(self) -> &'static str {
        match self {
            Envelope::Syslog => "syslog (RFC 3164)",
            Envelope::Syslog5424 => "syslog (RFC 5424)",
            Envelope::Docker => "Docker json-file",
            Envelope::Cri => "CRI",
            Envelope::Journald => "journald JSON",
            Envelope::Message => "JSON message",
        }
    }
}

/// A line that was split because it was too long for its carrier.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Piece {
    /// The line, or its last piece.
    Last,
    /// More follows.
    More,
}

/// How the text stands in its envelope.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Coding {
    /// As it is.
    Plain,
    /// As a JSON string.
    Text,
    /// As a JSON list of bytes.
    Bytes,
}

/// What was inside an envelope.
#[derive(Clone, Debug)]
pub(super) struct Opened<'a> {
    /// The line: borrowed where it stands there as it is.
    pub(super) text: Cow<'a, [u8]>,
    pub(super) kind: Envelope,
    /// When the carrier took it over, where that is said.
    pub(super) time: Option<Timestamp>,
    pub(super) piece: Piece,
    /// Which stream of a container it is: 0 for stdout, 1 for stderr.
    pub(super) stream: usize,
    /// Where the text begins in the envelope.
    start: usize,
    coding: Coding,
}

impl Opened<'_> {
    /// The place in the envelope, in bytes from 0, of a place in the text.
    pub(super) fn place(&self, envelope: &[u8], inner: usize) -> usize {
        let rest = envelope.get(self.start..).unwrap_or_default();
        self.start
            + match self.coding {
                Coding::Plain => inner,
                Coding::Text => object::raw_length(rest, inner),
                Coding::Bytes => object::raw_bytes_length(rest, inner),
            }
    }
}

/// Takes one envelope off; `None` for a line that has none.
pub(super) fn open(line: &[u8]) -> Option<Opened<'_>> {
    match *line.first()? {
        b'{' => object::open(line),
        b'<' | b'0'..=b'9' | b'A'..=b'Z' => header::open(line),
        b' ' | b'\t' => {
            let blanks = line.iter().take_while(|b| matches!(b, b' ' | b'\t')).count();
            let mut opened = open(line.get(blanks..)?)?;
            opened.start += blanks;
            Some(opened)
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests;
