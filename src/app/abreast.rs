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
