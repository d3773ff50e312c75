//! One physical file as the follower knows it, open or not, and what is known of its whereabouts.

use std::path::PathBuf;

use super::archive::Archive;
use super::file::OpenFile;
use super::history::Order;
use super::identity::Facts;
use super::lines::LineBuffer;
use super::{Position, Skipped};
use crate::event::SourceId;
use crate::time::Span;

/// What is to be done with a file.
pub(super) enum State {
    /// Its lines are read.
    Reading,
    /// It may be a copy of a file that is known: wait for evidence, at most until some time after it last grew.
    Undecided { since: Span, size: u64 },
    /// It is a copy of that generation, which still exists: nothing of it is read while that lasts.
    CopyOf(u64),
    /// It is compressed.
    Packed(Packed),
    /// It was there before us, or its lines were all counted elsewhere, or it cannot be read: left alone.
    Done,
    /// Its content is nowhere to be seen; its position waits for a copy, an archive, or its return.
    Gone {
        /// It was truncated: this inode will not bring it back.
        shrank: bool,
        /// Since when, for the unfinished line that may be lost with it.
        since: Span,
        /// Whether an unfinished line went with it.
        partial: bool,
    },
}

/// A compressed file on its way to being read.
pub(super) enum Packed {
    /// Its size may still grow.
    Waiting { since: Span, size: u64 },
    /// It is being read to find out which known generation is inside.
    Looking(Box<Looking>),
    /// The rest of that generation is being read.
    Unpacking(Box<Unpacking>),
}

/// The rest of a generation, read from its archive.
pub(super) struct Unpacking {
    pub(super) archive: Archive,
    /// Which generation it is that goes on here.
    pub(super) generation: u64,
    /// Bytes to pass by: taken in from the file before it was packed.
    pub(super) ahead: u64,
    pub(super) lines: LineBuffer,
    /// The first bytes, for the proof.
    pub(super) head: Vec<u8>,
    /// The last bytes unpacked.
    pub(super) recent: Vec<u8>,
}

/// The search for a known generation inside an archive.
pub(super) struct Looking {
    pub(super) archive: Archive,
    /// Bytes unpacked so far.
    pub(super) at: u64,
    /// The last bytes before that.
    pub(super) recent: Vec<u8>,
    /// Generations that may be inside.
    pub(super) candidates: Vec<u64>,
    /// The one found with the largest offset so far.
    pub(super) best: Option<u64>,
}

/// One physical file.
pub(super) struct Generation {
    pub(super) id: u64,
    pub(super) source: SourceId,
    /// The log it is or was: rotated copies share it.
    pub(super) lineage: usize,
    pub(super) order: Order,
    pub(super) position: Position,
    pub(super) open: Option<OpenFile>,
    pub(super) state: State,
    /// What it looked like when last seen.
    pub(super) facts: Facts,
    /// Whether the scan found it under some name.
    pub(super) named: bool,
    /// Set while it has no name and is held open: since when.
    pub(super) nameless_since: Option<Span>,
    /// What it looked like when it was closed at its end: nothing to do while it still does.
    pub(super) closed: Option<Facts>,
    /// Whether a younger file of the same log exists.
    pub(super) superseded: bool,
    /// When it last brought something, or was first met.
    pub(super) active: Span,
    /// Not before this, after an error.
    pub(super) retry_at: Span,
    /// How often in a row it failed.
    pub(super) failures: u32,
    pub(super) error: Option<String>,
    /// When the first of these failures was.
    pub(super) failing_since: Span,
    /// It was said that it has a hole.
    pub(super) hole_told: bool,
    /// When it was last seen, or its absence last accounted for.
    pub(super) seen: Span,
    /// Lost since the last chunk.
    pub(super) lost: Skipped,
}

impl Generation {
    pub(super) fn new(position: Position, source: SourceId, lineage: usize, now: Span) -> Generation {
        Generation {
            id: position.generation,
            source,
            lineage,
            order: Order::LIVE,
            position,
            open: None,
            state: State::Reading,
            facts: Facts::default(),
            named: false,
            nameless_since: None,
            closed: None,
            superseded: false,
            active: now,
            retry_at: Span::from_millis(i64::MIN),
            failures: 0,
            error: None,
            failing_since: now,
            hole_told: false,
            seen: now,
            lost: Skipped::default(),
        }
    }

    /// Whether its content can be read now.
    pub(super) fn present(&self) -> bool {
        !matches!(self.state, State::Gone { .. }) && (self.open.is_some() || self.named)
    }

    /// Whether lines may be waiting in it.
    pub(super) fn wants_reading(&self) -> bool {
        matches!(self.state, State::Reading)
            && (self.open.is_some()
                || (self.named
                    && self.facts.size != self.position.offset
                    && self.closed.is_none_or(|closed| !closed.unchanged(&self.facts))))
    }

    /// Whether it is an archive being read.
    pub(super) fn is_unpacking(&self) -> bool {
        matches!(self.state, State::Packed(Packed::Looking(_) | Packed::Unpacking(_)))
    }

    /// The generation that is read from this archive.
    pub(super) fn unpacked(&self) -> Option<u64> {
        match &self.state {
            State::Packed(Packed::Unpacking(unpacking)) => Some(unpacking.generation),
            _ => None,
        }
    }

    /// Bytes not taken in yet.
    pub(super) fn behind(&self) -> u64 {
        match self.state {
            State::Reading if self.present() => self.size().saturating_sub(self.position.offset),
            _ => 0,
        }
    }

    /// Its size when last looked at.
    pub(super) fn size(&self) -> u64 {
        self.open.as_ref().map_or(self.facts.size, |open| open.facts.size)
    }

    /// Gives its descriptor back.
    pub(super) fn close(&mut self) {
        if let Some(open) = self.open.take() {
            // It may have grown since the last look.
            self.facts = Facts::of(open.file()).unwrap_or(open.facts);
            self.closed = (open.at_end() && self.facts.unchanged(&open.facts)).then_some(open.facts);
        }
    }

    /// Where it is or was; what a link leads to, not the link.
    pub(super) fn path(&self) -> &PathBuf {
        self.position.target.as_ref().unwrap_or(&self.position.path)
    }
}
