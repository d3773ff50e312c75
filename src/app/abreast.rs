//! Reading and judging abreast: where there is much to read, one thread makes events of the next lines while another
//! judges the last ones. Pieces are judged in the order in which they were read, so the result is that of one thread.

use std::sync::mpsc::{SyncSender, sync_channel};
use std::thread::Builder;

use super::front::Front;
use crate::event::Batch;
use crate::source::Skipped;

/// Pieces on their way at a time.
const PIECES: usize = 8;

/// Events on their way from reading to detection.
#[derive(Debug, Default)]
pub(super) struct Piece {
    /// The events.
    pub(super) batch: Batch,
    /// Bytes read before them, where that is counted.
    pub(super) consumed: u64,
}

/// Takes a piece over and leaves an empty one; false when no more are wanted.
pub(super) type On<'a> = &'a mut dyn FnMut(&mut Piece) -> bool;

/// Reading panicked, which is a defect.
#[derive(Debug, thiserror::Error)]
#[error("reading the logs died: this is a defect")]
pub struct Died;

/// Runs reading on a thread of its own, so that two processors share the work; in turns where there is only one.
///
/// # Errors
/// Reading panicked.
pub(super) fn abreast<R: FnOnce(On<'_>) + Send>(
    read: R,
    mut judge: impl FnMut(&mut Piece) -> bool,
) -> Result<(), Died> {
    if std::thread::available_parallelism().is_ok_and(|n| n.get() == 1) {
        read(&mut judge);
        return Ok(());
    }
    std::thread::scope(|scope| {
        let (full, pieces) = sync_channel::<Piece>(PIECES);
        let (empty, spare) = sync_channel::<Piece>(PIECES + 2);
        let (give, take) = sync_channel(1);
        let reader = Builder::new().name("parsing".to_owned()).spawn_scoped(scope, move || {
            let Ok((read, full)) = take.recv() else { return };
            let read: R = read;
            let full: SyncSender<Piece> = full;
            read(&mut |piece| {
                let sent = full.send(std::mem::take(piece)).is_ok();
                // Memory that comes back is used again.
                *piece = spare.try_recv().unwrap_or_default();
                sent
            });
        });
        let Ok(reader) = reader else {
            // Where the system gives no thread, this one does both.
            read(&mut judge);
            return Ok(());
        };
        let given = give.send((read, full));
        for mut piece in pieces {
            if !judge(&mut piece) {
                break;
            }
            piece.batch.clear();
            let _ = empty.try_send(piece);
        }
        given.map_err(|_| Died).and(reader.join().map_err(|_| Died))
    })
}

/// Makes events of whole lines of a stream and hands them on; `wanted` turns false when no more are.
pub(super) fn hand_on(
    front: &mut Front<'_>,
    (stream, bytes, skipped): (usize, &[u8], Skipped),
    piece: &mut Piece,
    wanted: &mut bool,
    on: On<'_>,
) {
    let consumed = piece.consumed;
    front.take(stream, bytes, skipped, &mut piece.batch, &mut |batch| {
        let mut full = Piece { batch: std::mem::take(batch), consumed };
        *wanted = *wanted && on(&mut full);
        *batch = full.batch;
    });
}

#[cfg(test)]
mod tests {
    use std::fmt::Write;
    use std::panic::{AssertUnwindSafe, catch_unwind};
    use std::path::PathBuf;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU64, Ordering};

    use super::*;
    use crate::app::pipeline::{Pipeline, Secrets};
    use crate::config::Config;
    use crate::event::SourceId;
    use crate::format::Registry;
    use crate::incident::ChangeKind;
    use crate::source::{Chunk, Position, Proof};
    use crate::time::Span;

    /// Reads so many pieces, told apart by the bytes before them; how many were handed on.
    fn count_up(to: u64, read: &AtomicU64) -> impl FnOnce(On<'_>) + Send {
        move |on| {
            for consumed in 0..to {
                read.fetch_add(1, Ordering::SeqCst);
                if !on(&mut Piece { consumed, ..Piece::default() }) {
                    return;
                }
            }
        }
    }

    #[test]
    fn pieces_are_judged_in_the_order_in_which_they_were_read() {
        let (mut judged, read) = (Vec::new(), AtomicU64::new(0));
        let done = abreast(count_up(1000, &read), |piece| {
            judged.push(piece.consumed);
            true
        });
        assert!(done.is_ok() && judged == (0..1000).collect::<Vec<_>>());
    }

    #[test]
    fn nothing_is_read_for_nobody() {
        let read = AtomicU64::new(0);
        let done = abreast(count_up(1_000_000, &read), |piece| piece.consumed < 3);
        let most = 4 + PIECES as u64 + 2;
        assert!(done.is_ok() && read.load(Ordering::SeqCst) <= most, "{read:?} of at most {most}");
    }

    #[test]
    fn a_panic_while_reading_is_no_end_of_the_log() {
        let mut judged = 0;
        let done = catch_unwind(AssertUnwindSafe(|| {
            let read = |on: On<'_>| {
                on(&mut Piece::default());
                panic!("a defect")
            };
            abreast(read, |_| {
                judged += 1;
                true
            })
        }));
        // On one processor it goes its own way.
        assert!(
            done.is_ok_and(|done| done.is_err()) || std::thread::available_parallelism().is_ok_and(|n| n.get() == 1)
        );
        assert_eq!(judged, 1, "what was read before is judged");
    }

    /// Three hours of two keys, the last half hour of which one of them is refused.
    fn log() -> String {
        let mut log = String::new();
        for second in 0..3 * 3600u32 {
            let (hour, minute, of) = (second / 3600, second / 60 % 60, second % 60);
            let failed = if second > 9000 { 500 } else { 200 };
            for (key, status) in [("acme", failed), ("initech", 200)] {
                writeln!(
                    log,
                    "10.0.0.{} - {key} [02/Mar/2026:{hour:02}:{minute:02}:{of:02} +0000] \
                     \"GET /v1/orders/{} HTTP/1.1\" {status} 312 \"-\" \"okhttp/4\"",
                    key.len(),
                    second % 900
                )
                .unwrap();
            }
        }
        log
    }

    #[test]
    fn much_at_once_comes_to_what_it_comes_to_chunk_by_chunk() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("lapwing.toml");
        std::fs::write(&path, "state_dir = \"state\"\n[source.api]\npath = \"none.log\"\n").unwrap();
        let config = Config::load(&path).unwrap().config;
        let registry = Arc::new(Registry::with_dir(&config.parsers_dir).unwrap());
        let start = || Pipeline::new(&config, registry.clone(), &Secrets::for_replay(), None).unwrap().0;
        let (mut whole, mut parts) = (start(), start());

        let log = log();
        let lines: Vec<&str> = log.split_inclusive('\n').collect();
        let chunk = |source: SourceId, lines: &[&str]| Chunk {
            source,
            bytes: lines.concat().into_bytes(),
            position: Position {
                generation: 1,
                source: "api".to_owned(),
                path: PathBuf::from("none.log"),
                device: 0,
                inode: 0,
                head: Proof::of(b""),
                tail: Proof::of(b""),
                offset: 0,
                lines: 0,
                unseen: Span::ZERO,
                target: None,
            },
            skipped: Skipped::default(),
        };
        let source = whole.source_ids()[0];
        let chunks: Vec<Chunk> = lines.chunks(700).map(|lines| chunk(source, lines)).collect();
        assert!(chunks.len() > 16 && log.len() > 1 << 20);

        let (mut found, mut expected) = (Vec::new(), Vec::new());
        for chunks in chunks.chunks(16) {
            whole.take_chunks(chunks, &mut found);
        }
        for chunk in &chunks {
            parts.take_chunks(std::slice::from_ref(chunk), &mut expected);
        }
        whole.finish(&mut found);
        parts.finish(&mut expected);
        assert!(expected.iter().any(|change| matches!(change.kind, ChangeKind::Opened)), "{expected:?}");
        assert_eq!(found, expected);
        assert_eq!(whole.lines(), lines.len() as u64);
        let status = |pipeline: &Pipeline| serde_json::to_string(&pipeline.status()).unwrap();
        assert_eq!(status(&whole), status(&parts));
    }
}
