//! One file held open: reading whole lines from it, and noticing when it is not the same file any more.
//!
//! Before and after every read the size, the first bytes and the bytes before the offset are looked at. A batch after
//! which they do not fit is thrown away: it may be a mixture of two files.

use std::fs::File;
use std::io;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};

use rustix::fs::{Mode, OFlags, SeekFrom};

use super::identity::{Facts, PROOF_BYTES, bytes_before, ends_with, proves, slide};
use super::lines::LineBuffer;
use super::{Position, Proof, Skipped};
use crate::time::Span;

/// Zero bytes at the end of a file are read again later up to this length (a writer may have set space aside), above it
/// they count as read.
const NUL_RUN_BYTES: u64 = 16 << 20;

/// How long a file must have looked the same before its time stamps are trusted alone: longer than the kernel's tick.
const TRUST_STAMPS_AFTER: Span = Span::SECOND;

/// Opens a regular file for reading, without ever blocking and without touching devices.
///
/// # Errors
/// What the system said, or [`io::ErrorKind::InvalidInput`] with words for people if it is not a regular file.
pub(super) fn open(path: &Path) -> io::Result<(File, Facts)> {
    regular(&std::fs::metadata(path)?)?;
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::CLOEXEC | OFlags::NOCTTY;
    let file = File::from(rustix::fs::open(path, flags, Mode::empty())?);
    // Looked at once more: the name may have been swapped in between.
    let data = file.metadata()?;
    regular(&data)?;
    Ok((file, Facts::from(&data)))
}

/// Refuses everything that is not a regular file, in words.
pub(super) fn regular(data: &std::fs::Metadata) -> io::Result<()> {
    use std::os::unix::fs::FileTypeExt;
    let kind = data.file_type();
    if kind.is_file() {
        return Ok(());
    }
    let what = if kind.is_dir() {
        "a directory; name the files in it, for example with /*.log"
    } else if kind.is_fifo() {
        "a named pipe"
    } else if kind.is_socket() {
        "a socket"
    } else {
        "a device"
    };
    Err(io::Error::new(io::ErrorKind::InvalidInput, format!("expected a regular file, found {what}")))
}

/// What is wrong with a file, in words: for permissions the file or directory that lacks them, its mode and its owner.
pub(super) fn what(path: &Path, error: &io::Error) -> String {
    let place = if error.kind() == io::ErrorKind::PermissionDenied { closed(path) } else { None };
    let Some((closed, data)) = place else { return error.to_string() };
    let place = if closed == path { "it".to_owned() } else { format!("the directory {}", closed.display()) };
    let (mode, owner, group) = (data.mode() & 0o7777, data.uid(), data.gid());
    format!("permission denied: {place} has mode {mode:04o}, owner {owner} and group {group}")
}

/// The command that lets a file be read, to be run by root.
pub fn remedy(path: &Path) -> String {
    let closed = closed(path).map_or_else(|| path.to_owned(), |(closed, _)| closed);
    let (name, right) = (closed.display(), if closed.is_dir() { "g+rx" } else { "g+r" });
    let lasting = if closed.is_dir() { "" } else { ", and `create 0640 root adm` in its logrotate file" };
    format!("as root: chgrp adm {name} && chmod {right} {name}{lasting}")
}

/// The topmost part of a path that may not be used: a directory that may not be searched, or the file itself.
fn closed(path: &Path) -> Option<(PathBuf, std::fs::Metadata)> {
    let mut parts: Vec<&Path> = path.ancestors().filter(|part| !part.as_os_str().is_empty()).collect();
    parts.reverse();
    let mut above: Option<(PathBuf, std::fs::Metadata)> = None;
    for part in parts {
        match std::fs::metadata(part) {
            Ok(data) => above = Some((part.to_owned(), data)),
            Err(_) => return above,
        }
    }
    above
}

/// What one step brought.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// Whole lines were appended, or some were passed over.
    Taken(Skipped),
    /// Bytes were read, but no line is whole yet.
    Moved,
    /// Nothing new.
    AtEnd,
    /// This content is over: truncated, or written anew. Whether an unfinished line was lost with it.
    Over { partial: bool },
}

/// A file held open, and how far it has been read.
#[derive(Debug)]
pub(super) struct OpenFile {
    file: File,
    pub(super) facts: Facts,
    /// Just after the last whole line.
    offset: u64,
    /// Line feeds before the offset.
    line_count: u64,
    lines: LineBuffer,
    /// The first bytes, up to what was read.
    head: Vec<u8>,
    /// The last bytes before the offset.
    settled: Vec<u8>,
    /// The last bytes before what was read.
    recent: Vec<u8>,
    /// Nothing to do while the file looks like this.
    parked: Option<Facts>,
    /// The length of the last hole that was met, in bytes.
    hole: u64,
    /// What the file looked like when its end was seen, since when, and whether that is long enough.
    quiet: (Facts, Span, bool),
}

impl OpenFile {
    /// From the first byte.
    pub(super) fn from_start(file: File, facts: Facts, limit_bytes: usize) -> OpenFile {
        OpenFile {
            file,
            facts,
            offset: 0,
            line_count: 0,
            lines: LineBuffer::new(limit_bytes, true),
            head: Vec::new(),
            settled: Vec::new(),
            recent: Vec::new(),
            parked: None,
            hole: 0,
            quiet: Default::default(),
        }
    }

    /// From a known position; `None` if the content does not prove that it is that file.
    pub(super) fn resume(file: &File, facts: Facts, position: &Position, limit: usize) -> io::Result<Option<OpenFile>> {
        if !proves(file, facts.size, position)? {
            return Ok(None);
        }
        let mut open = OpenFile::from_start(file.try_clone()?, facts, limit);
        open.go_to(position.offset)?;
        open.line_count = position.lines;
        Ok(Some(open))
    }

    /// After the last whole line that is there already.
    pub(super) fn from_end(file: File, facts: Facts, limit_bytes: usize) -> io::Result<OpenFile> {
        let mut open = OpenFile::from_start(file, facts, limit_bytes);
        let back = bytes_before(&open.file, facts.size, limit_bytes)?;
        match memchr::memrchr(b'\n', &back) {
            Some(at) => open.go_to(facts.size - (back.len() - at - 1) as u64)?,
            None if (back.len() as u64) < facts.size => {
                open.go_to(facts.size)?;
                open.lines.pass_rest();
            }
            None => {}
        }
        Ok(open)
    }

    /// From an offset that is known to be right, such as the end of a file that was read elsewhere.
    pub(super) fn at(file: File, facts: Facts, offset: u64, limit_bytes: usize) -> io::Result<OpenFile> {
        let mut open = OpenFile::from_start(file, facts, limit_bytes);
        open.go_to(offset)?;
        Ok(open)
    }

    /// The same file from its first byte: what follows after [`Step::Over`].
    pub(super) fn anew(self, limit_bytes: usize) -> OpenFile {
        OpenFile::from_start(self.file, self.facts, limit_bytes)
    }

    /// Reads at most `chunk_bytes` and appends the lines that became whole to `out`.
    pub(super) fn step(&mut self, now: Span, chunk: &mut [u8], out: &mut Vec<u8>) -> io::Result<Step> {
        self.facts = Facts::of(&self.file)?;
        let size = self.facts.size;
        let stamps = self.facts.unchanged(&self.quiet.0);
        if self.parked.is_some_and(|p| p.unchanged(&self.facts)) || (stamps && self.quiet.2 && size == self.read_at()) {
            return Ok(Step::AtEnd);
        }
        self.parked = None;
        let partial = self.lines.buffered() > 0 || self.lines.passing();
        if !self.same(size)? {
            // An unfinished line, or zeros set aside, may be written over: only what was taken in proves anything.
            self.retract();
            if !self.same(size)? {
                return Ok(Step::Over { partial });
            }
        }
        if size == self.read_at() {
            if !stamps {
                self.quiet = (self.facts, now, false);
            }
            self.quiet.2 = now - self.quiet.1 >= TRUST_STAMPS_AFTER;
            return Ok(Step::AtEnd);
        }
        let n = self.file.read_at(chunk, self.read_at())?;
        let fresh = chunk.get(..n).unwrap_or_default();
        if fresh.first() == Some(&0) && (self.lines.only_nuls() || self.lines.passing()) && self.pass_hole() {
            return Ok(if self.parked.is_some() { Step::AtEnd } else { Step::Moved });
        }
        if fresh.is_empty() || !self.same(Facts::of(&self.file)?.size)? {
            // Changed under our hands: the next look decides what it is now.
            return Ok(if fresh.is_empty() { Step::AtEnd } else { Step::Moved });
        }
        let cut = self.lines.push(fresh, out);
        self.remember(fresh, cut.taken_fresh, cut.taken);
        self.line_count += cut.lines;
        self.park_at_trailing_nuls(size);
        Ok(if cut.taken > 0 { Step::Taken(cut.skipped) } else { Step::Moved })
    }

    /// Gives out the unfinished last line of a file that is over.
    pub(super) fn finish(&mut self, out: &mut Vec<u8>) -> Skipped {
        let cut = self.lines.finish_unfinished(out);
        self.offset += cut.taken;
        self.settled.clone_from(&self.recent);
        self.line_count += cut.lines;
        cut.skipped
    }

    /// Forgets the unfinished line and rests until the file changes, because memory is short.
    pub(super) fn park(&mut self) {
        self.retract();
        self.parked = Some(self.facts);
    }

    /// Brings a position up to date.
    pub(super) fn mark(&self, position: &mut Position) {
        let head = self.head.get(..PROOF_BYTES.min(self.offset as usize).min(self.head.len())).unwrap_or_default();
        position.device = self.facts.device;
        position.inode = self.facts.inode;
        position.head = Proof::of(head);
        position.tail = Proof::of(&self.settled);
        position.offset = self.offset;
        position.lines = self.line_count;
    }

    /// How far it was read, unfinished lines included.
    pub(super) fn progress(&self) -> u64 {
        self.read_at()
    }

    /// Whether an unfinished line is held back.
    pub(super) fn unfinished(&self) -> bool {
        self.lines.held() > 0
    }

    /// Memory held for the unfinished line, in bytes.
    pub(super) fn buffered(&self) -> usize {
        self.lines.buffered()
    }

    /// The length of the last hole that was met, in bytes.
    pub(super) fn hole(&self) -> u64 {
        self.hole
    }

    /// Whether the unfinished line is over the limit already.
    pub(super) fn passing(&self) -> bool {
        self.lines.passing()
    }

    /// Whether everything that was there at the last look was read.
    pub(super) fn at_end(&self) -> bool {
        self.read_at() >= self.facts.size || self.parked.is_some()
    }

    /// Whether the content that was read is gone, or something else stands in its place.
    pub(super) fn is_over(&self) -> io::Result<bool> {
        let size = Facts::of(&self.file)?.size;
        Ok(size < self.offset || !ends_with(&self.file, self.offset, &self.settled)?)
    }

    /// Its descriptor.
    pub(super) fn file(&self) -> &File {
        &self.file
    }

    fn read_at(&self) -> u64 {
        self.offset + self.lines.held()
    }

    fn go_to(&mut self, offset: u64) -> io::Result<()> {
        self.offset = offset;
        self.head = bytes_before(&self.file, offset.min(PROOF_BYTES as u64), PROOF_BYTES)?;
        self.settled = bytes_before(&self.file, offset, PROOF_BYTES)?;
        self.recent.clone_from(&self.settled);
        self.lines = LineBuffer::new(self.lines.limit_bytes(), offset == 0);
        Ok(())
    }

    /// The look: is the content up to where we read still what we read?
    fn same(&self, size: u64) -> io::Result<bool> {
        let read_at = self.read_at();
        Ok(size >= read_at
            && ends_with(&self.file, read_at, &self.recent)?
            && (read_at <= PROOF_BYTES as u64 || ends_with(&self.file, self.head.len() as u64, &self.head)?))
    }

    fn retract(&mut self) {
        self.lines.retract();
        self.recent.clone_from(&self.settled);
        self.head.truncate(self.offset as usize);
    }

    fn remember(&mut self, fresh: &[u8], taken_fresh: usize, taken: u64) {
        if self.head.len() < PROOF_BYTES {
            let more = fresh.len().min(PROOF_BYTES - self.head.len());
            self.head.extend_from_slice(fresh.get(..more).unwrap_or_default());
        }
        let (whole, rest) = fresh.split_at(taken_fresh.min(fresh.len()));
        slide(&mut self.recent, whole);
        if taken > 0 {
            self.offset += taken;
            self.settled.clone_from(&self.recent);
        }
        slide(&mut self.recent, rest);
    }

    /// Passes over a hole at the place to read without reading it. False if there is none.
    fn pass_hole(&mut self) -> bool {
        let at = self.read_at();
        let hole = match rustix::fs::seek(&self.file, SeekFrom::Data(at)) {
            Ok(data) => data.saturating_sub(at),
            // Nothing but hole up to the end: wait for what comes after it, unless it is inside a line that is lost anyway.
            Err(rustix::io::Errno::NXIO) if self.lines.passing() => self.facts.size.saturating_sub(at),
            Err(rustix::io::Errno::NXIO) => {
                self.hole = self.facts.size.saturating_sub(at);
                self.park();
                return true;
            }
            Err(_) => 0,
        };
        if hole == 0 {
            return false;
        }
        self.hole = hole;
        let zeros = [0; PROOF_BYTES];
        let seen = zeros.get(..hole.min(PROOF_BYTES as u64) as usize).unwrap_or_default();
        self.lines.pass_hole(hole);
        self.remember(seen, 0, 0);
        true
    }

    /// Zeros at the end may be space that a writer set aside and will fill: they are looked at again when it grew.
    fn park_at_trailing_nuls(&mut self, size: u64) {
        let nuls = self.lines.held();
        if nuls > 0 && self.lines.only_nuls() && self.read_at() >= size && nuls < NUL_RUN_BYTES {
            self.park();
        }
    }
}
