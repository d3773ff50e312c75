//! The bulk state as one file: `state-<generation>.snap`.
//!
//! Measured, a database rewrites such state 4 to 160 times slower than one file is written, so cells and positions go
//! here, and the journal only says which generation is current. Written aside, synced, renamed, and the directory
//! synced: a generation exists wholly or not at all. Each also carries a copy of the journal's rows, so that a damaged
//! journal loses nothing that the last cut held.
//!
//! Layout, little-endian: magic (8), schema (4), zero (4), generation (8), taken at (8, Unix milliseconds), length of the
//! journal copy (8), length of the state (8), checksum of the copy (8), checksum of the state (8), checksum of the
//! header (8); then one lz4 frame with the copy and the state.

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufReader, BufWriter, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::thread;

use lz4_flex::frame::{BlockMode, BlockSize, FrameDecoder, FrameEncoder, FrameInfo};

use super::error::StoreError;
use super::{SCHEMA, directory, seal};
use crate::fault;
use crate::time::Timestamp;

const MAGIC: &[u8; 8] = b"LAPWSNAP";
const HEADER: usize = 72;
/// Bytes that are packed at a time: two of these at once, since messages wait for the file.
const PIECE: usize = 2 << 20;
/// What stands in front of the blocks of a frame, and what ends it.
const FRAME: (usize, [u8; 4]) = (7, [0; 4]);

/// One generation, read or about to be written.
#[derive(Clone, PartialEq, Debug)]
pub(super) struct Snapshot {
    pub(super) generation: u64,
    pub(super) taken_at: Timestamp,
    pub(super) journal: Vec<u8>,
    pub(super) state: Vec<u8>,
}

/// What stands at the front of a file whose checksum holds.
struct Header {
    schema: u32,
    generation: u64,
    taken_at: Timestamp,
    journal_len: u64,
    state_len: u64,
    journal_sum: u64,
    state_sum: u64,
}

/// The file of a generation.
pub(super) fn path(dir: &Path, generation: u64) -> PathBuf {
    dir.join(format!("state-{generation:012}.snap"))
}

/// The generations that have a file, oldest first.
pub(super) fn generations(dir: &Path) -> Vec<u64> {
    let Ok(entries) = fs::read_dir(dir) else { return Vec::new() };
    let mut found: Vec<u64> = entries
        .flatten()
        .filter_map(|entry| {
            let name = entry.file_name();
            name.to_str()?.strip_prefix("state-")?.strip_suffix(".snap")?.parse().ok()
        })
        .collect();
    found.sort_unstable();
    found
}

/// Writes a generation and returns its size on disk. After this returns it survives a loss of power.
pub(super) fn write(dir: &Path, snapshot: &Snapshot) -> Result<u64, StoreError> {
    let target = path(dir, snapshot.generation);
    let aside = target.with_extension("snap.tmp");
    let written = write_aside(&aside, snapshot);
    if written.is_err() {
        // What could not be finished only takes space; the error that matters is the first.
        let _ = fs::remove_file(&aside);
    }
    let bytes = written?;
    fault::point("cut.before-rename");
    fs::rename(&aside, &target).map_err(|e| StoreError::io("put in place", &target, e))?;
    fault::point("cut.before-sync");
    directory::sync(dir)?;
    Ok(bytes)
}

fn write_aside(aside: &Path, snapshot: &Snapshot) -> Result<u64, StoreError> {
    let failed = |e| StoreError::io("write", aside, e);
    let file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(aside).map_err(failed)?;
    let mut out = BufWriter::with_capacity(1 << 16, file);
    out.write_all(&header(snapshot)).map_err(failed)?;
    let head = packed(&[]).map_err(failed)?;
    out.write_all(head.get(..FRAME.0).unwrap_or_default()).map_err(failed)?;
    write_blocks(&mut out, &snapshot.journal).map_err(failed)?;
    fault::point("cut.in-snapshot");
    write_blocks(&mut out, &snapshot.state).map_err(failed)?;
    out.write_all(&FRAME.1).map_err(failed)?;
    out.flush().map_err(failed)?;
    let file = out.get_ref();
    file.sync_all().map_err(failed)?;
    Ok(file.metadata().map_err(failed)?.len())
}

/// Writes the blocks of a frame, packed by two threads.
fn write_blocks(out: &mut impl Write, bytes: &[u8]) -> io::Result<()> {
    let mut pieces = bytes.chunks(PIECE);
    while let Some(piece) = pieces.next() {
        let next = pieces.next();
        let (first, second) = thread::scope(|scope| {
            let second = next.map(|next| {
                let other = thread::Builder::new().name("packing".to_owned()).spawn_scoped(scope, move || packed(next));
                // Where the system gives no more threads, this one does it.
                other.map_err(|_| next)
            });
            let first = packed(piece);
            let second = second.map(|other| match other {
                Ok(thread) => thread.join().unwrap_or_else(|_| Err(io::Error::other("packing gave up"))),
                Err(next) => packed(next),
            });
            (first, second)
        });
        for frame in [Some(first), second].into_iter().flatten() {
            let frame = frame?;
            let end = frame.len().saturating_sub(FRAME.1.len());
            out.write_all(frame.get(FRAME.0..end).unwrap_or_default())?;
        }
    }
    Ok(())
}

/// A frame by itself. Its blocks stand alone, so those of several frames make one.
fn packed(bytes: &[u8]) -> io::Result<Vec<u8>> {
    let info = FrameInfo::new().block_mode(BlockMode::Independent).block_size(BlockSize::Max64KB);
    let mut frame = FrameEncoder::with_frame_info(info, Vec::with_capacity(bytes.len() / 2 + 64));
    frame.write_all(bytes)?;
    // A frame without bytes has its front only once it is asked for.
    frame.flush()?;
    Ok(frame.finish()?)
}

fn header(snapshot: &Snapshot) -> [u8; HEADER] {
    let mut bytes = [0u8; HEADER];
    let mut at = 0;
    let mut put = |field: &[u8]| {
        bytes[at..at + field.len()].copy_from_slice(field);
        at += field.len();
    };
    put(MAGIC);
    put(&SCHEMA.to_le_bytes());
    put(&0u32.to_le_bytes());
    put(&snapshot.generation.to_le_bytes());
    put(&snapshot.taken_at.millis().to_le_bytes());
    put(&(snapshot.journal.len() as u64).to_le_bytes());
    put(&(snapshot.state.len() as u64).to_le_bytes());
    put(&seal::checksum(&snapshot.journal).to_le_bytes());
    put(&seal::checksum(&snapshot.state).to_le_bytes());
    let sum = seal::checksum(&bytes[..HEADER - 8]);
    bytes[HEADER - 8..].copy_from_slice(&sum.to_le_bytes());
    bytes
}

fn read_header(bytes: &[u8; HEADER]) -> Result<Header, String> {
    let number = |at: usize| {
        let mut field = [0u8; 8];
        field.copy_from_slice(&bytes[at..at + 8]);
        u64::from_le_bytes(field)
    };
    if &bytes[..8] != MAGIC {
        return Err("it does not begin as a state file does".to_owned());
    }
    if number(HEADER - 8) != seal::checksum(&bytes[..HEADER - 8]) {
        return Err("the checksum of its header does not hold".to_owned());
    }
    Ok(Header {
        schema: number(8) as u32,
        generation: number(16),
        taken_at: Timestamp::from_millis(number(24) as i64),
        journal_len: number(32),
        state_len: number(40),
        journal_sum: number(48),
        state_sum: number(56),
    })
}

/// The schema of a file whose header is whole.
pub(super) fn schema(path: &Path) -> Option<u32> {
    let mut bytes = [0u8; HEADER];
    File::open(path).ok()?.read_exact(&mut bytes).ok()?;
    Some(read_header(&bytes).ok()?.schema)
}

/// Reads a generation; the error says in words what is wrong with the file.
pub(super) fn read(dir: &Path, generation: u64, limit: u64) -> Result<Snapshot, String> {
    let file = File::open(path(dir, generation)).map_err(|e| e.to_string())?;
    let mut file = BufReader::with_capacity(1 << 16, file);
    let mut bytes = [0u8; HEADER];
    file.read_exact(&mut bytes).map_err(|_| "it is shorter than its header".to_owned())?;
    let header = read_header(&bytes)?;
    if header.generation != generation {
        return Err(format!("it holds generation {} under another name", header.generation));
    }
    if header.journal_len.saturating_add(header.state_len) > limit {
        return Err("it is larger than the limit of the state directory".to_owned());
    }
    let mut frame = FrameDecoder::new(file);
    let journal = take(&mut frame, header.journal_len, header.journal_sum)?;
    let state = take(&mut frame, header.state_len, header.state_sum)?;
    Ok(Snapshot { generation, taken_at: header.taken_at, journal, state })
}

fn take(frame: &mut impl Read, length: u64, sum: u64) -> Result<Vec<u8>, String> {
    let mut bytes = Vec::new();
    frame.take(length).read_to_end(&mut bytes).map_err(|e| format!("it cannot be unpacked ({e})"))?;
    if bytes.len() as u64 != length {
        return Err("it ends too early".to_owned());
    }
    if seal::checksum(&bytes) == sum { Ok(bytes) } else { Err("its checksum does not hold".to_owned()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> Snapshot {
        Snapshot {
            generation: 7,
            taken_at: Timestamp::from_secs(1_790_000_000),
            journal: b"rows".to_vec(),
            state: (0..4000u32).flat_map(u32::to_le_bytes).collect(),
        }
    }

    #[test]
    fn comes_back_whole() {
        let dir = tempfile::tempdir().unwrap();
        let bytes = write(dir.path(), &sample()).unwrap();
        assert_eq!(bytes, fs::metadata(path(dir.path(), 7)).unwrap().len());
        assert_eq!(generations(dir.path()), [7]);
        assert_eq!(read(dir.path(), 7, 1 << 20).unwrap(), sample());
        assert_eq!(schema(&path(dir.path(), 7)), Some(SCHEMA));
        assert!(read(dir.path(), 7, 1000).unwrap_err().contains("limit"));
    }

    #[test]
    fn large_states_are_packed_in_pieces_that_make_one_frame() {
        let dir = tempfile::tempdir().unwrap();
        for pieces in [0, 1, 2, 3] {
            for more in [0, 1, 70_000] {
                let bytes = (pieces * PIECE + more) as u64;
                let state = (0..bytes).map(|n| ((n / 3) ^ (n >> 9)) as u8).collect();
                let whole = Snapshot { state, ..sample() };
                write(dir.path(), &whole).unwrap();
                assert!(read(dir.path(), 7, 1 << 30).is_ok_and(|read| read == whole), "{bytes} bytes");
                // Others read it as well, as one frame with nothing behind it.
                let file = fs::read(path(dir.path(), 7)).unwrap();
                let mut frame = FrameDecoder::new(&file[HEADER..]);
                let read = io::copy(&mut frame, &mut io::sink()).unwrap();
                assert_eq!((read, frame.into_inner().len()), (bytes + 4, 0));
            }
        }
    }

    #[test]
    fn any_damage_is_an_error_in_words_and_never_other_state() {
        let dir = tempfile::tempdir().unwrap();
        write(dir.path(), &sample()).unwrap();
        let file = path(dir.path(), 7);
        let whole = fs::read(&file).unwrap();
        let step = (whole.len() / 200).max(1);
        for at in (0..whole.len()).step_by(step) {
            let mut damaged = whole.clone();
            damaged[at] ^= 0x10;
            fs::write(&file, &damaged).unwrap();
            match read(dir.path(), 7, 1 << 20) {
                Ok(read) => assert_eq!(read, sample(), "byte {at}"),
                Err(words) => assert!(!words.is_empty()),
            }
            fs::write(&file, &whole[..at]).unwrap();
            assert!(read(dir.path(), 7, 1 << 20).is_err(), "cut at {at}");
        }
    }
}
