//! Rotated files that were compressed before they were read to their end.
//!
//! An archive is read once to find out which known generation is inside, and then on from where that one was left; one
//! that holds no known generation was rotated unseen and is read whole. One archive at a time, within the budget of
//! each call, and never while something is still to be read from a deleted file of the same log.

use std::io::{self, BufRead};

use super::{Follower, unread};
use crate::source::archive::{self, Packing};
use crate::source::file;
use crate::source::generation::{Generation, Looking, Packed, State, Unpacking};
use crate::source::identity::{PROOF_BYTES, bytes_before, slide};
use crate::source::lines::LineBuffer;
use crate::source::{Chunk, Position, Proof, Skipped};
use crate::time::Span;

/// An archive is left alone until its size has not changed for this long.
const SETTLED: Span = Span::from_secs(5);

impl Follower {
    /// Whether a file that was met empty turns out to be an archive: it is left to be read as one.
    pub(super) fn turned_out_packed(&mut self, id: u64, now: Span) -> io::Result<bool> {
        let Some(generation) = self.generations.get_mut(&id) else { return Ok(false) };
        let Some(open) = generation.open.as_ref().filter(|_| generation.position.offset == 0) else { return Ok(false) };
        let first = bytes_before(open.file(), 10, 10)?;
        if Packing::of(&first) == Packing::Plain {
            return Ok(false);
        }
        generation.state = State::Packed(Packed::Waiting { since: now, size: open.facts.size });
        generation.close();
        Ok(true)
    }

    /// Begins with the next archive that is ready.
    pub(super) fn start_archives(&mut self, now: Span) {
        let mut ready = None;
        for generation in self.generations.values_mut() {
            let facts = generation.facts;
            if let State::Packed(Packed::Waiting { since, size }) = &mut generation.state {
                if *size != facts.size {
                    (*since, *size) = (now, facts.size);
                } else if now - *since >= SETTLED && generation.retry_at <= now {
                    ready = Some(generation.id);
                    break;
                }
            }
        }
        let Some(id) = ready else { return };
        let Some(lineage) = self.generations.get(&id).map(|g| g.lineage) else { return };
        // What is still read from a deleted file is not looked for in an archive.
        let busy = self.generations.values().any(|g| {
            let open = g.open.is_some() && !g.named && matches!(g.state, State::Reading);
            g.is_unpacking() || (g.lineage == lineage && open && g.behind() > 0)
        });
        if busy {
            return;
        }
        let candidates = self.generations.values().filter(|g| {
            let position = &g.position;
            g.lineage == lineage && position.offset > 0 && matches!(g.state, State::Reading | State::Gone { .. })
        });
        let candidates = candidates.map(|g| g.id).collect();
        let Some(generation) = self.generations.get_mut(&id) else { return };
        match archive::open(generation.path()) {
            Ok(archive) => {
                let looking = Looking { archive, at: 0, recent: Vec::new(), candidates, best: None };
                generation.state = State::Packed(Packed::Looking(Box::new(looking)));
            }
            Err(e) => self.give_up(id, &e),
        }
    }

    /// One step through an archive. Says how many bytes it brought and whether there is more.
    pub(super) fn advance_archive(&mut self, id: u64, sink: &mut dyn FnMut(Chunk)) -> (u64, bool) {
        let Some(generation) = self.generations.get_mut(&id) else { return (0, false) };
        match std::mem::replace(&mut generation.state, State::Done) {
            State::Packed(Packed::Looking(looking)) => match self.look(id, looking) {
                Ok(bytes) => (bytes, true),
                Err(e) => {
                    self.give_up(id, &e);
                    (0, false)
                }
            },
            State::Packed(Packed::Unpacking(unpacking)) => match self.unpack(id, unpacking, sink) {
                Ok(step) => step,
                Err(e) => {
                    self.give_up(id, &e);
                    (0, false)
                }
            },
            other => {
                generation.state = other;
                (0, false)
            }
        }
    }

    /// Looks for known generations in the next piece.
    fn look(&mut self, id: u64, mut looking: Box<Looking>) -> io::Result<u64> {
        let marks = |position: &Position| [u64::from(position.head.len), position.offset];
        let known = |candidate: &u64| self.generations.get(candidate).map(|g| &g.position);
        let fresh = looking.archive.fill_buf()?;
        let ended = fresh.is_empty();
        let next = looking.candidates.iter().filter_map(known).flat_map(marks).filter(|&mark| mark > looking.at).min();
        let piece = next.map_or(0, |mark| (mark - looking.at).min(fresh.len() as u64)) as usize;
        slide(&mut looking.recent, fresh.get(..piece).unwrap_or_default());
        looking.archive.consume(piece);
        looking.at += piece as u64;

        let (at, recent) = (looking.at, &looking.recent);
        let mut best = looking.best;
        looking.candidates.retain(|candidate| {
            let Some(position) = known(candidate) else { return false };
            let proof =
                |len: u16| Proof::of(recent.get(recent.len().saturating_sub(usize::from(len))..).unwrap_or_default());
            if at == u64::from(position.head.len) && proof(position.head.len) != position.head {
                return false;
            }
            if at == position.offset {
                if proof(position.tail.len) == position.tail {
                    best = Some(*candidate);
                }
                return false;
            }
            true
        });
        if ended && best.is_none() {
            // It ends before what was read of a file that begins alike and was truncated: all of it was read there.
            let shrank = |g: &Generation| matches!(g.state, State::Gone { shrank: true, .. });
            best =
                looking.candidates.iter().copied().find(|c| {
                    self.generations.get(c).is_some_and(|g| shrank(g) && at >= u64::from(g.position.head.len))
                });
        }
        looking.best = best;
        if !ended && !looking.candidates.is_empty() {
            self.set(id, Packed::Looking(looking));
            return Ok(piece as u64);
        }
        self.found_inside(id, looking.best)?;
        Ok(piece as u64)
    }

    /// Goes on from where the generation inside was left, or reads the whole if none is known.
    fn found_inside(&mut self, id: u64, inside: Option<u64>) -> io::Result<()> {
        self.counters.copies += u64::from(inside.is_some());
        if let Some(known) = inside.and_then(|inside| self.generations.get(&inside))
            && known.present()
        {
            // The file itself is still there as well, and is read there.
            return self.archive_done(id);
        }
        let Some(archive) = self.generations.get(&id) else { return Ok(()) };
        let (path, source, lineage, seen) = (archive.path().clone(), archive.source, archive.lineage, archive.seen);
        let name = archive.position.source.clone();
        let inside = inside.unwrap_or_else(|| {
            let new = self.next_generation;
            self.next_generation += 1;
            let position = unread(new, name, path.clone());
            let mut generation = Generation::new(position, source, lineage, seen);
            generation.state = State::Gone { shrank: true, since: seen, partial: false };
            self.generations.insert(new, generation);
            new
        });
        let ahead = self.generations.get(&inside).map_or(0, |g| g.position.offset);
        let unpacking = Unpacking {
            archive: archive::open(&path)?,
            generation: inside,
            ahead,
            lines: LineBuffer::new(self.limits.line_bytes, ahead == 0),
            head: Vec::new(),
            recent: Vec::new(),
        };
        tracing::info!(path = %path.display(), from = ahead, "reading on inside the archive");
        self.set(id, Packed::Unpacking(Box::new(unpacking)));
        Ok(())
    }

    /// Reads the next piece.
    fn unpack(&mut self, id: u64, mut un: Box<Unpacking>, sink: &mut dyn FnMut(Chunk)) -> io::Result<(u64, bool)> {
        let limit = self.limits.chunk_bytes.max(1);
        if un.ahead > 0 {
            let fresh = un.archive.fill_buf()?;
            let n = fresh.len().min(usize::try_from(un.ahead).unwrap_or(usize::MAX));
            let passed = fresh.get(..n).unwrap_or_default();
            if un.head.len() < PROOF_BYTES {
                un.head.extend(passed.iter().take(PROOF_BYTES - un.head.len()));
            }
            slide(&mut un.recent, passed);
            un.archive.consume(n);
            un.ahead = if n == 0 { 0 } else { un.ahead - n as u64 };
            self.set(id, Packed::Unpacking(un));
            return Ok((n as u64, true));
        }
        let mut bytes = Vec::new();
        let fresh = un.archive.fill_buf()?;
        let fresh = fresh.get(..fresh.len().min(limit)).unwrap_or_default();
        let n = fresh.len();
        let ended = n == 0;
        let cut = if ended { un.lines.finish_unfinished(&mut bytes) } else { un.lines.push(fresh, &mut bytes) };
        if un.head.len() < PROOF_BYTES {
            un.head.extend(fresh.iter().take(PROOF_BYTES - un.head.len()));
        }
        let (whole, rest) = fresh.split_at(cut.taken_fresh.min(n));
        slide(&mut un.recent, whole);
        if cut.taken > 0
            && let Some(generation) = self.generations.get_mut(&un.generation)
        {
            let position = &mut generation.position;
            position.offset += cut.taken;
            position.lines += cut.lines;
            *self.old_lines.entry(un.generation).or_default() += cut.lines;
            let head = un.head.get(..un.head.len().min(position.offset as usize)).unwrap_or_default();
            position.head = Proof::of(head);
            position.tail = Proof::of(&un.recent);
            sink(Chunk { source: generation.source, bytes, position: position.clone(), skipped: cut.skipped });
        }
        slide(&mut un.recent, rest);
        un.archive.consume(n);
        if !ended {
            self.set(id, Packed::Unpacking(un));
            return Ok((n as u64, true));
        }
        let inside = un.generation;
        self.archive_done(id)?;
        self.forget(inside);
        Ok((0, false))
    }

    /// From now on the archive is known to hold nothing new.
    fn archive_done(&mut self, id: u64) -> io::Result<()> {
        let limit = self.limits.line_bytes;
        let Some(generation) = self.generations.get_mut(&id) else { return Ok(()) };
        generation.state = State::Done;
        // If it was renamed meanwhile, the position it was met with names the same bytes.
        if let Ok((file, facts)) = file::open(generation.path())
            && facts.inode == generation.position.inode
        {
            file::OpenFile::at(file, facts, facts.size, limit)?.mark(&mut generation.position);
        }
        self.note(id);
        Ok(())
    }

    /// Leaves an archive alone that cannot be read.
    fn give_up(&mut self, id: u64, error: &io::Error) {
        if let Some(generation) = self.generations.get_mut(&id) {
            tracing::warn!(path = %generation.path().display(), %error, "this archive is left unread");
            generation.state = State::Done;
            generation.error = Some(error.to_string());
            generation.lost = Skipped::default();
        }
    }

    fn set(&mut self, id: u64, state: Packed) {
        if let Some(generation) = self.generations.get_mut(&id) {
            generation.state = State::Packed(state);
        }
    }
}
