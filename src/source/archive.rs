//! Files read once from start to end: plain, gzip, Zstandard, xz, bzip2, or standard input.
//!
//! What a file is, its first bytes say, not its name. A small file that unpacks to an absurd amount of text is stopped:
//! rotated logs come from wherever the user points.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bzip2::bufread::MultiBzDecoder;
use flate2::bufread::MultiGzDecoder;
use lzma_rust2::XzReader;
use ruzstd::decoding::errors::{FrameDecoderError, ReadFrameHeaderError};
use ruzstd::decoding::{BlockDecodingStrategy, FrameDecoder};

use super::Skipped;
use super::lines::LineBuffer;

/// How many times larger than its archive a text may be. Logs reach 20 to 40.
const MOST_RATIO: u64 = 200;
/// The ratio counts from this much output, in bytes.
const RATIO_FROM_BYTES: u64 = 16 << 20;
/// The largest Zstandard window accepted, in bytes: it is memory.
const ZSTD_WINDOW_BYTES: u64 = 32 << 20;
/// The most memory that unpacking xz may take, in KiB: dictionaries of up to 32 MiB and what goes with them.
const XZ_MEMORY_KIB: u32 = 33 << 10;
/// How much is read from the disk at once, in bytes.
const READ_BYTES: usize = 64 << 10;

/// How a file is packed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Packing {
    /// Not at all.
    Plain,
    /// gzip, one or many members.
    Gzip,
    /// Zstandard, one or many frames.
    Zstd,
    /// xz, one or many streams.
    Xz,
    /// bzip2, one or many streams.
    Bzip2,
    /// A format that is recognised so that it can be refused by name.
    Unreadable(&'static str),
}

impl Packing {
    /// By the first bytes of a file.
    pub fn of(first: &[u8]) -> Packing {
        match first {
            [0x1f, 0x8b, ..] => Packing::Gzip,
            // A frame, or a skippable frame.
            [0x28, 0xb5, 0x2f, 0xfd, ..] | [0x50..=0x5f, 0x2a, 0x4d, 0x18, ..] => Packing::Zstd,
            [0xfd, b'7', b'z', b'X', b'Z', 0, ..] => Packing::Xz,
            [b'B', b'Z', b'h', b'1'..=b'9', 0x31, 0x41, 0x59, 0x26, ..] => Packing::Bzip2,
            [0x1f, 0x9d, ..] => Packing::Unreadable("compress (.Z)"),
            _ => Packing::Plain,
        }
    }
}

/// A file being read from start to end, unpacked.
pub struct Archive {
    reader: Box<dyn BufRead + Send>,
    packing: Packing,
    size: Option<u64>,
    consumed: Arc<AtomicU64>,
}

/// Opens a file, or standard input for `-`.
///
/// # Errors
/// What the system said; [`io::ErrorKind::InvalidInput`] for what is no regular file (a named pipe is read);
/// [`io::ErrorKind::Unsupported`] for packings that cannot be read.
pub fn open(path: &Path) -> io::Result<Archive> {
    if path == Path::new("-") {
        return Archive::new(io::stdin(), None);
    }
    let data = std::fs::metadata(path)?;
    let pipe = std::os::unix::fs::FileTypeExt::is_fifo(&data.file_type());
    // `replay <(zcat …)` is a pipe that the user named: waiting for it is what is wanted.
    let file = if pipe { File::open(path)? } else { super::file::open(path)?.0 };
    Archive::new(file, (!pipe).then_some(data.len()))
}

impl Archive {
    /// From any stream of bytes of which `size` bytes are expected.
    pub fn new(source: impl Read + Send + 'static, size: Option<u64>) -> io::Result<Archive> {
        let consumed = Arc::new(AtomicU64::new(0));
        let mut source = BufReader::with_capacity(READ_BYTES, Counted { inner: source, count: Arc::clone(&consumed) });
        let mut first = [0; 10];
        let n = fill(&mut source, &mut first)?;
        let first = first.get(..n).unwrap_or_default().to_vec();
        let packing = Packing::of(&first);
        let source = BufReader::with_capacity(READ_BYTES, io::Cursor::new(first).chain(source));
        let limit = Arc::clone(&consumed);
        let reader: Box<dyn BufRead + Send> = match packing {
            Packing::Plain => Box::new(source),
            Packing::Gzip => Box::new(bounded(MultiGzDecoder::new(source), limit)),
            Packing::Zstd => Box::new(bounded(Zstd::new(source), limit)),
            Packing::Xz => Box::new(bounded(XzReader::new_mem_limit(source, true, XZ_MEMORY_KIB), limit)),
            Packing::Bzip2 => Box::new(bounded(MultiBzDecoder::new(source), limit)),
            Packing::Unreadable(name) => {
                return Err(io::Error::new(
                    io::ErrorKind::Unsupported,
                    format!(
                        "expected plain text, .gz, .zst, .xz or .bz2, found {name}; unpack it first (zcat FILE | lapwing replay -)"
                    ),
                ));
            }
        };
        Ok(Archive { reader, packing, size, consumed })
    }

    /// How it is packed.
    pub fn packing(&self) -> Packing {
        self.packing
    }

    /// Its size as it lies on the disk, in bytes; `None` for a stream.
    pub fn size(&self) -> Option<u64> {
        self.size
    }

    /// A counter of the bytes read from the disk, packed as they are: for progress.
    pub fn consumed(&self) -> Arc<AtomicU64> {
        Arc::clone(&self.consumed)
    }
}

impl Read for Archive {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        self.reader.read(buf)
    }
}

impl BufRead for Archive {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        self.reader.fill_buf()
    }

    fn consume(&mut self, amount: usize) {
        self.reader.consume(amount);
    }
}

impl std::fmt::Debug for Archive {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Archive").field("packing", &self.packing).field("size", &self.size).finish_non_exhaustive()
    }
}

/// Cuts what a reader gives into blocks of whole lines.
#[derive(Debug)]
pub struct LineReader<R> {
    reader: R,
    lines: LineBuffer,
    skipped: Skipped,
    line_count: u64,
    done: bool,
    /// Told after the lines before it were given out.
    error: Option<io::Error>,
}

impl<R: BufRead> LineReader<R> {
    /// Lines of up to `limit_bytes`.
    pub fn new(reader: R, limit_bytes: usize) -> Self {
        let lines = LineBuffer::new(limit_bytes, true);
        LineReader { reader, lines, skipped: Skipped::default(), line_count: 0, done: false, error: None }
    }

    /// Replaces `block` with the next whole lines, each with its line feed; the last one of the input may have none.
    /// False at the end. Walk them with [`super::lines()`].
    ///
    /// # Errors
    /// What the reader said, after everything that could be read before.
    pub fn next_block(&mut self, block: &mut Vec<u8>) -> io::Result<bool> {
        block.clear();
        while block.is_empty() && !self.done {
            let cut = match self.reader.fill_buf() {
                Ok([]) => {
                    self.done = true;
                    let unfinished = self.lines.buffered() > 0 || self.lines.passing();
                    let cut = self.lines.finish_unfinished(block);
                    self.line_count += u64::from(unfinished && cut.lines > 0);
                    self.add(cut.skipped);
                    continue;
                }
                Ok(fresh) => {
                    let cut = self.lines.push(fresh, block);
                    let n = fresh.len();
                    self.reader.consume(n);
                    cut
                }
                Err(e) if e.kind() == io::ErrorKind::Interrupted => continue,
                Err(e) => {
                    self.done = true;
                    self.error = Some(e);
                    continue;
                }
            };
            self.line_count += cut.lines;
            self.add(cut.skipped);
        }
        match self.error.take() {
            Some(e) if block.is_empty() => Err(e),
            kept => {
                self.error = kept;
                Ok(!block.is_empty())
            }
        }
    }

    /// What was passed over so far.
    pub fn skipped(&self) -> Skipped {
        self.skipped
    }

    /// Lines so far, blank and passed-over ones included.
    pub fn line_count(&self) -> u64 {
        self.line_count
    }

    fn add(&mut self, more: Skipped) {
        self.skipped.oversize_lines += more.oversize_lines;
        self.skipped.nul_bytes += more.nul_bytes;
    }
}

fn fill(source: &mut impl Read, buf: &mut [u8]) -> io::Result<usize> {
    let mut filled = 0;
    while let Some(rest) = buf.get_mut(filled..).filter(|rest| !rest.is_empty()) {
        match source.read(rest) {
            Ok(0) => break,
            Ok(n) => filled += n,
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(e) => return Err(e),
        }
    }
    Ok(filled)
}

struct Counted<R> {
    inner: R,
    count: Arc<AtomicU64>,
}

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let n = self.inner.read(buf)?;
        self.count.fetch_add(n as u64, Ordering::Relaxed);
        Ok(n)
    }
}

/// Stops where the output is out of all proportion to the input.
struct Bounded<R> {
    inner: R,
    consumed: Arc<AtomicU64>,
    produced: u64,
}

fn bounded<R: Read>(inner: R, consumed: Arc<AtomicU64>) -> BufReader<Bounded<R>> {
    BufReader::with_capacity(READ_BYTES, Bounded { inner, consumed, produced: 0 })
}

impl<R: Read> Read for Bounded<R> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let consumed = self.consumed.load(Ordering::Relaxed);
        if self.produced > RATIO_FROM_BYTES && self.produced / MOST_RATIO > consumed {
            return Err(io::Error::new(
                io::ErrorKind::InvalidData,
                format!("unpacks to more than {MOST_RATIO} times its size: stopped, this is not a log"),
            ));
        }
        let n = self.inner.read(buf)?;
        self.produced += n as u64;
        Ok(n)
    }
}

/// Zstandard frames one after the other.
struct Zstd<R> {
    source: R,
    decoder: FrameDecoder,
    in_frame: bool,
}

impl<R: BufRead> Zstd<R> {
    fn new(source: R) -> Self {
        let mut decoder = FrameDecoder::new();
        decoder.set_max_window_size(ZSTD_WINDOW_BYTES);
        Zstd { source, decoder, in_frame: false }
    }
}

impl<R: BufRead> Read for Zstd<R> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        loop {
            if !self.in_frame {
                if self.source.fill_buf()?.is_empty() {
                    return Ok(0);
                }
                match self.decoder.reset(&mut self.source) {
                    Ok(()) => self.in_frame = true,
                    Err(FrameDecoderError::ReadFrameHeaderError(ReadFrameHeaderError::SkipFrame {
                        length, ..
                    })) => {
                        io::copy(&mut (&mut self.source).take(u64::from(length)), &mut io::sink())?;
                    }
                    Err(e) => return Err(io::Error::new(io::ErrorKind::InvalidData, e.to_string())),
                }
            } else if self.decoder.can_collect() > 0 {
                return self.decoder.read(buf);
            } else if self.decoder.is_finished() {
                self.in_frame = false;
            } else {
                self.decoder
                    .decode_blocks(&mut self.source, BlockDecodingStrategy::UptoBlocks(1))
                    .map_err(|e| io::Error::new(io::ErrorKind::InvalidData, e.to_string()))?;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use flate2::Compression;
    use flate2::write::GzEncoder;
    use ruzstd::encoding::{CompressionLevel, compress_to_vec};

    use super::*;

    fn gzip(text: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
        encoder.write_all(text).unwrap();
        encoder.finish().unwrap()
    }

    fn xz(text: &[u8], dictionary_bytes: u32) -> Vec<u8> {
        let mut options = lzma_rust2::XzOptions::with_preset(1);
        options.lzma_options.dict_size = dictionary_bytes;
        let mut encoder = lzma_rust2::XzWriter::new(Vec::new(), options).unwrap();
        encoder.write_all(text).unwrap();
        encoder.finish().unwrap()
    }

    fn bzip2(text: &[u8]) -> Vec<u8> {
        let mut encoder = bzip2::write::BzEncoder::new(Vec::new(), bzip2::Compression::fast());
        encoder.write_all(text).unwrap();
        encoder.finish().unwrap()
    }

    fn all(bytes: Vec<u8>) -> (Vec<u8>, io::Result<()>) {
        let size = bytes.len() as u64;
        let mut reader = LineReader::new(Archive::new(io::Cursor::new(bytes), Some(size)).unwrap(), 1 << 20);
        let (mut out, mut block) = (Vec::new(), Vec::new());
        loop {
            match reader.next_block(&mut block) {
                Ok(true) => out.extend_from_slice(&block),
                Ok(false) => return (out, Ok(())),
                Err(e) => return (out, Err(e)),
            }
        }
    }

    #[test]
    fn each_packing_gives_the_same_lines_and_the_last_needs_no_line_feed() {
        let text: Vec<u8> = (0..50_000).flat_map(|n| format!("line {n}\n").into_bytes()).chain(*b"last").collect();
        let (front, back) = text.split_at(300_000);
        let zstd = |text: &[u8]| compress_to_vec(text, CompressionLevel::Fastest);
        let skippable = [&[0x50, 0x2a, 0x4d, 0x18, 3, 0, 0, 0][..], b"abc"].concat();
        for packed in [
            text.clone(),
            gzip(&text),
            [gzip(front), gzip(back)].concat(),
            zstd(&text),
            [skippable, zstd(front), zstd(back)].concat(),
            xz(&text, 8 << 20),
            [xz(front, 1 << 20), xz(back, 1 << 20)].concat(),
            bzip2(&text),
            [bzip2(front), bzip2(back)].concat(),
        ] {
            let (out, end) = all(packed);
            end.unwrap();
            assert!(out == text);
        }
    }

    #[test]
    fn a_damaged_archive_gives_what_is_before_the_damage_then_says_so() {
        let text: Vec<u8> = (0..200_000).flat_map(|n| format!("{n} {}\n", n * 7919 % 10007).into_bytes()).collect();
        let mut packed = gzip(&text);
        packed.truncate(packed.len() / 2);
        let (out, end) = all(packed);
        assert!(end.is_err());
        assert!(out.len() > 100_000 && text.starts_with(&out) && out.ends_with(b"\n"));
    }

    #[test]
    fn a_bomb_is_stopped() {
        let text = vec![b'\n'; 64 << 20];
        for packed in [gzip(&text), xz(&text, 1 << 20), bzip2(&text)] {
            let (out, end) = all(packed);
            assert!(end.unwrap_err().to_string().contains("200 times"));
            assert!(out.len() < 20 << 20);
        }
        // An archive that wants more memory than a log is worth.
        let (out, end) = all(xz(b"line\n", 512 << 20));
        assert!(end.is_err() && out.is_empty());
    }

    #[test]
    fn what_cannot_be_read_is_named() {
        let refused = Archive::new(&b"\x1f\x9d\x90abc"[..], None).unwrap_err();
        assert!(refused.to_string().contains("compress (.Z)"));
        let directory = tempfile::tempdir().unwrap();
        assert!(open(directory.path()).unwrap_err().to_string().contains("directory"));
        assert_eq!(all(Vec::new()).0, b"");
    }
}
