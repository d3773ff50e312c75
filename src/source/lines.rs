//! Bytes to whole lines: partial lines are kept back, long ones passed over without being buffered.

use memchr::{memchr, memchr_iter, memrchr};

use super::Skipped;

/// UTF-8 byte order mark, dropped at the start of a file.
const BOM: &[u8] = b"\xef\xbb\xbf";

/// Memory a buffer keeps after a long unfinished line is done, in bytes.
const KEEP_BYTES: usize = 64 << 10;

/// The lines of a chunk: without line feed, without one carriage return before it, empty lines left out.
///
/// A [`super::Chunk`] itself is left as it stands in the file, so this is where CRLF and blank lines are dealt with.
pub fn lines(bytes: &[u8]) -> impl Iterator<Item = &[u8]> {
    Lines { rest: bytes }
}

struct Lines<'a> {
    rest: &'a [u8],
}

impl<'a> Iterator for Lines<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        while !self.rest.is_empty() {
            let end = memchr(b'\n', self.rest).unwrap_or(self.rest.len());
            let (line, rest) = self.rest.split_at(end);
            self.rest = rest.get(1..).unwrap_or_default();
            let line = line.strip_suffix(b"\r").unwrap_or(line);
            if !line.is_empty() {
                return Some(line);
            }
        }
        None
    }
}

/// What one [`LineBuffer::push`] finished.
#[derive(Clone, Copy, Default, Debug, PartialEq, Eq)]
pub struct Cut {
    /// Bytes of the file taken in, from the end of the last whole line before to the end of the last one now.
    pub taken: u64,
    /// How many of the bytes just pushed belong to it.
    pub taken_fresh: usize,
    /// Line feeds among the bytes taken in: what `wc -l` counts.
    pub lines: u64,
    /// What was passed over among the bytes taken in.
    pub skipped: Skipped,
}

/// Cuts a stream of bytes into whole lines. Holds at most one line, never more than the limit.
#[derive(Debug)]
pub struct LineBuffer {
    limit_bytes: usize,
    /// The start of the unfinished line, without leading NULs.
    partial: Vec<u8>,
    /// Bytes of the file since the last whole line, whether kept or not.
    held: u64,
    /// Leading NULs among those.
    nuls: u64,
    /// The unfinished line is over the limit already.
    passing: bool,
    /// No line of the file was finished yet, so a byte order mark may come.
    at_start: bool,
}

impl LineBuffer {
    /// A buffer for lines of up to `limit_bytes` without their line feed; `at_start` if the first byte pushed is the
    /// first of its file.
    pub fn new(limit_bytes: usize, at_start: bool) -> Self {
        LineBuffer { limit_bytes, partial: Vec::new(), held: 0, nuls: 0, passing: false, at_start }
    }

    /// Takes in `fresh` bytes and appends to `out` the lines that are whole now, each with its line feed.
    pub fn push(&mut self, fresh: &[u8], out: &mut Vec<u8>) -> Cut {
        let mut cut = Cut::default();
        let Some(last) = memrchr(b'\n', fresh) else {
            self.hold(fresh);
            return cut;
        };
        let (whole, rest) = fresh.split_at(last + 1);
        cut.taken = self.held + whole.len() as u64;
        cut.taken_fresh = whole.len();
        let mut more = whole;
        if self.held > 0 || self.at_start {
            let first = memchr(b'\n', whole).map_or(whole.len(), |at| at + 1);
            let (end, others) = whole.split_at(first);
            self.finish(end, out, &mut cut);
            more = others;
        }
        if more.len() <= self.limit_bytes && memchr(0, more).is_none() {
            cut.lines += memchr_iter(b'\n', more).count() as u64;
            out.extend_from_slice(more);
        } else {
            for line in more.split_inclusive(|&b| b == b'\n') {
                self.finish(line, out, &mut cut);
            }
        }
        self.held = 0;
        self.hold(rest);
        cut
    }

    /// Passes over `n` NUL bytes of a hole that were not read.
    pub fn pass_hole(&mut self, n: u64) {
        self.held += n;
        if !self.passing {
            self.nuls += n;
        }
    }

    /// The longest line, in bytes.
    pub fn limit_bytes(&self) -> usize {
        self.limit_bytes
    }

    /// Bytes of the file since the end of the last whole line.
    pub fn held(&self) -> u64 {
        self.held
    }

    /// Memory the unfinished line takes, in bytes.
    pub fn buffered(&self) -> usize {
        self.partial.len()
    }

    /// Whether what is held so far, if anything, are NULs before a line.
    pub fn only_nuls(&self) -> bool {
        self.partial.is_empty() && !self.passing
    }

    /// Whether the unfinished line is over the limit.
    pub fn passing(&self) -> bool {
        self.passing
    }

    /// Lets the rest of a line whose start was never seen go by.
    pub fn pass_rest(&mut self) {
        self.passing = true;
        self.at_start = false;
    }

    /// Forgets the unfinished line, because it will be read again.
    pub fn retract(&mut self) {
        *self = LineBuffer::new(self.limit_bytes, self.at_start);
    }

    /// The unfinished line at the end of a file that is over, appended to `out` as it stands.
    pub fn finish_unfinished(&mut self, out: &mut Vec<u8>) -> Cut {
        let mut cut = Cut { taken: self.held, ..Cut::default() };
        if self.partial.is_empty() && !self.passing {
            cut.skipped.nul_bytes = self.nuls;
        } else {
            self.finish(&[], out, &mut cut);
        }
        self.held = 0;
        self.nuls = 0;
        cut
    }

    /// Ends the line that is held with its last bytes.
    fn finish(&mut self, end: &[u8], out: &mut Vec<u8>, cut: &mut Cut) {
        let end = self.without_leading_nuls(end);
        let content = self.partial.len() + end.strip_suffix(b"\n").unwrap_or(end).len();
        if self.passing || content > self.limit_bytes {
            cut.skipped.oversize_lines += 1;
        } else {
            let start = out.len();
            out.extend_from_slice(&self.partial);
            out.extend_from_slice(end);
            if self.at_start && out.get(start..).is_some_and(|line| line.starts_with(BOM)) {
                out.drain(start..start + BOM.len());
            }
        }
        cut.lines += 1;
        cut.skipped.nul_bytes += self.nuls;
        self.nuls = 0;
        self.forget_partial();
        self.passing = false;
        self.at_start = false;
    }

    /// Keeps back the start of a line.
    fn hold(&mut self, start: &[u8]) {
        self.held += start.len() as u64;
        if self.passing {
            return;
        }
        let start = self.without_leading_nuls(start);
        if self.partial.len() + start.len() > self.limit_bytes {
            self.passing = true;
            self.forget_partial();
        } else {
            self.partial.extend_from_slice(start);
        }
    }

    fn without_leading_nuls<'a>(&mut self, bytes: &'a [u8]) -> &'a [u8] {
        if self.passing || !self.partial.is_empty() {
            return bytes;
        }
        let nuls = bytes.iter().take_while(|&&b| b == 0).count();
        self.nuls += nuls as u64;
        bytes.get(nuls..).unwrap_or_default()
    }

    fn forget_partial(&mut self) {
        self.partial.clear();
        self.partial.shrink_to(KEEP_BYTES);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn cut_in(pieces: &[&[u8]], limit: usize) -> (Vec<u8>, u64, u64, Skipped, u64) {
        let mut buffer = LineBuffer::new(limit, true);
        let (mut out, mut taken, mut lines, mut skipped) = (Vec::new(), 0, 0, Skipped::default());
        for piece in pieces {
            let cut = buffer.push(piece, &mut out);
            taken += cut.taken;
            lines += cut.lines;
            skipped.oversize_lines += cut.skipped.oversize_lines;
            skipped.nul_bytes += cut.skipped.nul_bytes;
            assert!(buffer.buffered() <= limit);
        }
        (out, taken, lines, skipped, buffer.held())
    }

    #[test]
    fn a_line_is_whole_when_its_line_feed_came() {
        let (out, taken, lines, _, held) = cut_in(&[b"one\ntw", b"o", b"\nthr"], 100);
        assert_eq!((out.as_slice(), taken, lines, held), (&b"one\ntwo\n"[..], 8, 2, 3));
    }

    #[test]
    fn long_lines_pass_by_and_their_neighbours_stay() {
        let (out, taken, lines, skipped, _) = cut_in(&[b"a\n12345678\nb\n1234", b"5678", b"9\nc\n1234567\n"], 7);
        assert_eq!(out, b"a\nb\nc\n1234567\n");
        assert_eq!((taken, lines, skipped.oversize_lines), (33, 6, 2));
    }

    #[test]
    fn byte_order_mark_nuls_carriage_returns_and_blank_lines() {
        let (out, _, count, skipped, _) = cut_in(&[b"\xef\xbb", b"\xbfa\r\n\r\n\n", b"\0\0b\0\n\0", b"c\n"], 100);
        assert_eq!(out, b"a\r\n\r\n\nb\0\nc\n");
        assert_eq!((count, skipped.nul_bytes), (5, 3));
        assert_eq!(lines(&out).collect::<Vec<_>>(), [&b"a"[..], b"b\0", b"c"]);
    }

    proptest! {
        /// Whatever the chunking, the same lines, counts and bytes taken in.
        #[test]
        fn any_chunking_gives_the_same_lines(
            text in proptest::collection::vec(prop_oneof![Just(b'\n'), Just(0), Just(b'x'), Just(0xef), Just(0xbb)], 0..200),
            cuts in proptest::collection::vec(0usize..200, 0..8),
            limit in 1usize..20,
        ) {
            let mut cuts: Vec<usize> = cuts.into_iter().map(|c| c.min(text.len())).collect();
            cuts.extend([0, text.len()]);
            cuts.sort_unstable();
            let pieces: Vec<&[u8]> = cuts.windows(2).map(|w| &text[w[0]..w[1]]).collect();
            prop_assert_eq!(cut_in(&pieces, limit), cut_in(&[&text], limit));
        }
    }
}
