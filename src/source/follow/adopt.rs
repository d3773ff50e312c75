//! Which file is which: known ones under new names, new ones, copies of known ones.
//!
//! A new file under a rotated name is either a generation that was rotated before it was ever seen, and then all of it
//! is to be read, or a copy of one that was read, and then only what that one did not bring before it was truncated.
//! Content decides, and where content cannot (too little of it), the original's fate does.

use std::collections::{HashMap, HashSet};
use std::fs::File;
use std::io;

use super::likeness::{Likeness, likeness};
use super::whereabouts::Found;
use super::{EVIDENCE, FORGET, Follower, HOLD_DELETED, UNCONFIGURED, directory_of, unread};
use crate::source::Start;
use crate::source::archive::Packing;
use crate::source::file::{self, OpenFile};
use crate::source::generation::{Generation, Packed, State};
use crate::source::history::{Order, stems};
use crate::source::identity::{Facts, bytes_before, proves};
use crate::time::Span;

/// A match of content shorter than this needs evidence beside it.
const ENOUGH_BYTES: u64 = 4 << 10;

/// How many positions of files that are gone are kept, of one log and in all.
const MOST_GONE_OF_A_LOG: usize = 64;
const MOST_GONE: usize = 10_000;

/// Positions of files that are not there are handed out again after this long, with how long they were not seen.
const RETELL: Span = Span::HOUR;

impl Follower {
    /// Matches what was found with what is known, and meets what is new.
    pub(super) fn recognise(&mut self, found: Vec<Found>, now: Span) {
        if !self.scanned {
            self.place_saved_positions();
        }
        let established: HashSet<usize> = self.generations.values().map(|g| g.lineage).collect();
        let mut by_inode: HashMap<u64, Vec<u64>> = HashMap::new();
        for generation in self.generations.values_mut() {
            generation.named = false;
            let inode = generation.open.as_ref().map_or(generation.position.inode, |open| open.facts.inode);
            by_inode.entry(inode).or_default().push(generation.id);
        }
        let mut claimed = HashSet::new();
        let mut unknown = Vec::new();
        for file in found {
            // The first name counts: a second one of the same file is not read again.
            if !claimed.insert((file.facts.device, file.facts.inode)) {
                continue;
            }
            let known = by_inode.get(&file.facts.inode).cloned().unwrap_or_default();
            match self.known(&known, &file, now) {
                Ok(Some(id)) => self.see(id, &file, now),
                Ok(None) => unknown.push(file),
                Err(e) => {
                    self.refuse(&file.path, file.source, file.matched, &e, now);
                    if let Some(refused) = self.refused.get_mut(&file.path) {
                        refused.known = true;
                    }
                    // Not readable now, but known: its position stays as it is.
                    for id in known {
                        if let Some(generation) = self.generations.get_mut(&id)
                            && generation.position.device == file.facts.device
                            && !matches!(generation.state, State::Gone { .. })
                        {
                            generation.named = true;
                            generation.seen = now;
                        }
                    }
                }
            }
        }
        // Older ones first, so that their numbers are in order.
        for file in unknown.into_iter().rev() {
            let fresh = !self.scanned && !established.contains(&file.lineage);
            if let Err(e) = self.meet(&file, fresh, now) {
                self.refuse(&file.path, file.source, file.matched, &e, now);
            }
        }
    }

    /// Takes note of files without a name: open ones go on, closed ones are gone, and after a week forgotten.
    pub(super) fn account_for_the_unseen(&mut self, now: Span) {
        let mut forget = Vec::new();
        let mut retell = Vec::new();
        let unpacked: HashSet<u64> = self.generations.values().filter_map(Generation::unpacked).collect();
        for generation in self.generations.values_mut().filter(|g| !g.named) {
            if let Some(open) = generation.open.as_mut() {
                open.facts = Facts::of(open.file()).unwrap_or(open.facts);
                generation.seen = now;
                let since = *generation.nameless_since.get_or_insert(now);
                let waiting = matches!(generation.state, State::Undecided { .. } | State::CopyOf(_));
                if waiting && now - since >= HOLD_DELETED {
                    forget.push(generation.id);
                }
                continue;
            }
            match &mut generation.state {
                State::Undecided { .. } | State::CopyOf(_) | State::Packed(Packed::Waiting { .. }) => {
                    forget.push(generation.id);
                    continue;
                }
                State::Packed(_) => continue,
                State::Reading | State::Done => {
                    generation.state = State::Gone { shrank: false, since: now, partial: false };
                }
                State::Gone { since, partial, .. } => {
                    if *partial && now - *since >= EVIDENCE {
                        *partial = false;
                        generation.lost.partial_lines += 1;
                        retell.push(generation.id);
                    }
                }
            }
            let unseen = now - generation.seen;
            // Of what nothing was read there is nothing to remember, but that a link led there.
            let nothing = generation.position.offset == 0
                && generation.position.target.is_none()
                && !matches!(generation.state, State::Gone { partial: true, .. })
                && !unpacked.contains(&generation.id);
            if nothing || generation.position.unseen + unseen >= FORGET {
                forget.push(generation.id);
            } else if unseen >= RETELL {
                generation.position.unseen = generation.position.unseen + unseen;
                generation.seen = now;
                retell.push(generation.id);
            }
        }
        forget.extend(self.too_many_gone());
        for id in forget {
            self.forget(id);
        }
        for id in retell {
            self.note(id);
        }
    }

    /// The oldest positions of files that are gone, beyond what is kept: truncating in a loop fills no memory.
    fn too_many_gone(&self) -> Vec<u64> {
        let mut of_log: HashMap<usize, usize> = HashMap::new();
        let gone = self.generations.values().rev().filter(|g| matches!(g.state, State::Gone { .. }));
        let unpacked: HashSet<u64> = self.generations.values().filter_map(Generation::unpacked).collect();
        let surplus = gone.enumerate().filter(|(at, generation)| {
            let count = of_log.entry(generation.lineage).or_default();
            *count += 1;
            (*count > MOST_GONE_OF_A_LOG || *at >= MOST_GONE) && !unpacked.contains(&generation.id)
        });
        surplus.map(|(_, generation)| generation.id).collect()
    }

    /// Decides on new files under rotated names.
    pub(super) fn decide_copies(&mut self, now: Span) {
        let waiting = |g: &&Generation| matches!(g.state, State::Undecided { .. } | State::CopyOf(_));
        let ids: Vec<u64> = self.generations.values().filter(waiting).map(|g| g.id).collect();
        if ids.is_empty() {
            return;
        }
        // A truncation that was not noticed yet would make a copy look like a file of its own.
        let lineages: HashSet<usize> =
            ids.iter().filter_map(|id| self.generations.get(id)).map(|g| g.lineage).collect();
        self.notice_truncations(&lineages, now);
        for id in ids {
            if let Err(error) = self.decide_copy(id, now) {
                self.failed(id, now, &error);
            }
        }
    }

    /// Gives saved positions the logs they belong to, now that these are known.
    fn place_saved_positions(&mut self) {
        let ids: Vec<u64> = self.generations.keys().copied().collect();
        for id in ids {
            let Some(generation) = self.generations.get(&id) else { continue };
            let (source, path) = (generation.source, generation.position.path.clone());
            let directory = directory_of(&path);
            let above = directory_of(directory);
            let own = self.lineages.get(&(source, path.clone())).map(|&lineage| (lineage, Order::LIVE));
            let log = own
                .or_else(|| self.copied_log(source, &path, directory))
                .or_else(|| self.copied_log(source, &path, above))
                .or_else(|| self.log_by_name(source, &path));
            let (lineage, order) = log.unwrap_or_else(|| (self.lineage(source, &path), Order::LIVE));
            if let Some(generation) = self.generations.get_mut(&id) {
                generation.lineage = lineage;
                generation.order = order;
            }
        }
    }

    /// A log elsewhere whose name fits: rotated copies may lie in any directory.
    fn log_by_name(&self, source: crate::event::SourceId, path: &std::path::Path) -> Option<(usize, Order)> {
        let stems = stems(path.file_name()?);
        let fits = |base: &std::path::Path| stems.iter().find(|stem| base.file_name() == Some(&stem.base));
        self.lineages
            .iter()
            .filter(|((of, _), _)| *of == source)
            .find_map(|((_, base), &lineage)| Some((lineage, fits(base)?.order)))
    }

    /// Which known generation a file is, by device, inode and, unless it is open, by its content.
    fn known(&mut self, candidates: &[u64], found: &Found, now: Span) -> io::Result<Option<u64>> {
        let mut content: Option<(File, Facts)> = None;
        let mut over = Vec::new();
        let mut same = None;
        let mut best: Option<(u64, u64, bool)> = None;
        for &id in candidates {
            let Some(generation) = self.generations.get_mut(&id) else { continue };
            if let Some(open) = &generation.open {
                if (open.facts.device, open.facts.inode) == (found.facts.device, found.facts.inode) {
                    same = Some(id);
                    break;
                }
                continue;
            }
            let exact = generation.position.device == found.facts.device;
            match generation.state {
                State::Gone { shrank: true, .. } => continue,
                // Devices are numbered anew at a reboot: the inode and enough content are proof as well.
                _ if !exact && (generation.position.offset == 0 || self.scanned) => continue,
                _ if exact && self.scanned && found.facts.unchanged(&generation.facts) => {
                    same = Some(id);
                    break;
                }
                State::Packed(_) if exact => {
                    same = Some(id);
                    break;
                }
                _ => {}
            }
            if content.is_none() {
                content = Some(file::open(found.place())?);
            }
            let Some((file, facts)) = &content else { continue };
            if (facts.device, facts.inode) != (found.facts.device, found.facts.inode) {
                return Ok(None); // Swapped since it was found.
            }
            let packed = Packing::of(&bytes_before(file, 10.min(facts.size), 10)?) != Packing::Plain;
            // Nothing was read of it, so nothing proves that it is no copy of another one; where a link led lies none.
            let unproven = generation.position.offset == 0 && ![Order::LIVE, Order::LEFT].contains(&found.order);
            let whole = !packed || facts.size == generation.position.offset;
            if whole && !unproven && proves(file, facts.size, &generation.position)? {
                // Of several that it may be, the one that was read furthest: a shorter past proves less.
                let offset = generation.position.offset;
                if best.is_none_or(|(most, ..)| offset > most) {
                    best = Some((offset, id, packed));
                }
                continue;
            }
            if exact {
                over.push(id);
            }
        }
        if let (None, Some((_, id, packed))) = (same, best) {
            same = Some(id);
            if let Some(generation) = self.generations.get_mut(&id).filter(|_| packed) {
                generation.state = State::Done;
            }
        }
        for id in over {
            if let Some(generation) = self.generations.get_mut(&id)
                && !matches!(generation.state, State::Gone { .. })
            {
                tracing::info!(path = %generation.path().display(), "written anew since it was last read");
                generation.state = State::Gone { shrank: true, since: now, partial: false };
                self.counters.truncations += 1;
            }
        }
        Ok(same)
    }

    /// Notes where a known file is now.
    fn see(&mut self, id: u64, found: &Found, now: Span) {
        let Some(generation) = self.generations.get_mut(&id) else { return };
        if generation.source == UNCONFIGURED
            && let Some(source) = self.sources.iter().find(|s| s.id == found.source)
        {
            generation.source = found.source;
            generation.position.source.clone_from(&source.settings.name);
        }
        if let State::Gone { .. } = generation.state {
            generation.state = State::Reading;
            generation.closed = None;
        }
        let moved = generation.position.path != found.path || generation.position.target != found.target;
        generation.position.path.clone_from(&found.path);
        generation.position.target.clone_from(&found.target);
        generation.position.unseen = Span::ZERO;
        if generation.source == found.source && found.lineage != usize::MAX {
            generation.lineage = found.lineage;
        }
        generation.order = found.order;
        generation.facts = found.facts;
        generation.named = true;
        generation.nameless_since = None;
        generation.seen = now;
        // Of the others no position may be stored: what is in them is not known yet.
        if moved && matches!(generation.state, State::Reading | State::Done) {
            self.note(id);
        }
    }

    /// Meets a file for the first time. `fresh` if nothing of its log was ever read before this start.
    fn meet(&mut self, found: &Found, fresh: bool, now: Span) -> io::Result<()> {
        let (file, facts) = file::open(found.place())?;
        if (facts.device, facts.inode) != (found.facts.device, found.facts.inode) {
            return Ok(()); // Swapped since it was found: the next scan meets what is there then.
        }
        let Some(source) = self.sources.iter().find(|s| s.id == found.source) else { return Ok(()) };
        let (name, start) = (source.settings.name.clone(), source.settings.start);
        let limit = self.limits.line_bytes;
        let packing = Packing::of(&bytes_before(&file, 10.min(facts.size), 10)?);
        let mut position = unread(self.next_generation, name, found.path.clone());
        position.target.clone_from(&found.target);
        let mut generation = Generation::new(position, found.source, found.lineage, now);
        generation.order = found.order;
        generation.facts = facts;
        generation.named = true;
        let mut keep_open = true;
        let open = if packing != Packing::Plain {
            keep_open = false;
            generation.state =
                if fresh { State::Done } else { State::Packed(Packed::Waiting { since: now, size: facts.size }) };
            OpenFile::at(file, facts, facts.size, limit)?
        } else if fresh && !found.matched {
            // It was rotated before anybody asked for it: history, which a replay reads.
            keep_open = false;
            OpenFile::from_end(file, facts, limit)?
        } else if fresh && start == Start::End {
            OpenFile::from_end(file, facts, limit)?
        } else {
            // What a link led to is no copy, whatever became of it: waiting for evidence, it could be forgotten by a kill.
            if ![Order::LIVE, Order::LEFT].contains(&found.order) && !fresh {
                generation.state = State::Undecided { since: now, size: facts.size };
            }
            OpenFile::from_start(file, facts, limit)
        };
        open.mark(&mut generation.position);
        let waits = matches!(generation.state, State::Undecided { .. } | State::Packed(_));
        let id = generation.id;
        self.next_generation += 1;
        if keep_open && self.make_room() {
            generation.open = Some(open);
        }
        self.generations.insert(id, generation);
        if !waits {
            self.note(id);
        }
        Ok(())
    }

    fn notice_truncations(&mut self, lineages: &HashSet<usize>, now: Span) {
        let over: Vec<u64> = self
            .generations
            .values()
            .filter(|g| lineages.contains(&g.lineage) && matches!(g.state, State::Reading))
            .filter(|g| g.open.as_ref().is_some_and(|open| open.is_over().unwrap_or(false)))
            .map(|g| g.id)
            .collect();
        for id in over {
            self.over(id, false, now);
        }
    }

    fn decide_copy(&mut self, id: u64, now: Span) -> io::Result<()> {
        let limit = self.limits.line_bytes;
        let Some(generation) = self.generations.get_mut(&id) else { return Ok(()) };
        let lineage = generation.lineage;
        if generation.open.is_none() {
            let (file, facts) = file::open(generation.path())?;
            generation.open = Some(OpenFile::from_start(file, facts, limit));
        }
        let Some(open) = generation.open.as_ref() else { return Ok(()) };
        let file = open.file().try_clone()?;
        let facts = Facts::of(&file)?;
        if let State::CopyOf(original) = generation.state {
            return match self.generations.get(&original) {
                Some(known) if known.present() => Ok(()),
                Some(_) => self.inherit(id, original, &file, facts),
                // Its original went on elsewhere: everything in it was counted there.
                None => {
                    self.settle(id, OpenFile::at(file, facts, facts.size, limit)?, 0);
                    Ok(())
                }
            };
        }
        let State::Undecided { since, size } = generation.state else { return Ok(()) };
        let since = if size == facts.size { since } else { now };
        generation.state = State::Undecided { since, size: facts.size };
        if facts.size == 0 {
            return Ok(());
        }
        let mut best: Option<(u64, u64)> = None;
        let mut unclear = false;
        let mut begins = None;
        for known in self.generations.values().filter(|g| g.lineage == lineage && g.id != id) {
            match likeness(&file, facts.size, known)? {
                Likeness::Same(bytes) if best.is_none_or(|(most, _)| bytes > most) => best = Some((bytes, known.id)),
                Likeness::Unclear => unclear = true,
                Likeness::Begins => begins = Some(known.id),
                _ => {}
            }
        }
        let waited = now - since >= EVIDENCE;
        match best {
            Some((_, original)) if !self.generations.get(&original).is_some_and(Generation::present) => {
                self.inherit(id, original, &file, facts)
            }
            Some((bytes, original))
                if bytes >= ENOUGH_BYTES || self.generations.get(&original).is_some_and(|g| !g.named) =>
            {
                self.copy_of(id, original);
                Ok(())
            }
            Some(_) if !waited => Ok(()),
            None if (unclear || begins.is_some()) && !waited => Ok(()),
            // Nothing was added to it since, and its original shrank: it is all that was copied, and was read there.
            None if begins.is_some() => self.inherit(id, begins.unwrap_or_default(), &file, facts),
            _ => {
                self.settle(id, OpenFile::from_start(file, facts, limit), 0);
                Ok(())
            }
        }
    }

    fn copy_of(&mut self, id: u64, original: u64) {
        if let Some(generation) = self.generations.get_mut(&id) {
            generation.state = State::CopyOf(original);
        }
    }

    /// A copy goes on where its original, which is over, was left.
    fn inherit(&mut self, id: u64, original: u64, file: &File, facts: Facts) -> io::Result<()> {
        let limit = self.limits.line_bytes;
        let Some(known) = self.generations.get(&original) else { return Ok(()) };
        let position = known.position.clone();
        let open = match OpenFile::resume(file, facts, &position, limit)? {
            Some(open) => open,
            // More was read from the original than was copied.
            None => OpenFile::at(file.try_clone()?, facts, facts.size, limit)?,
        };
        tracing::info!(path = %position.path.display(), offset = position.offset, "its rotated copy is read on from there");
        self.counters.copies += 1;
        self.settle(id, open, position.lines);
        self.forget(original);
        Ok(())
    }

    /// Begins to read a file about which there was doubt.
    fn settle(&mut self, id: u64, open: OpenFile, lines: u64) {
        if let Some(generation) = self.generations.get_mut(&id) {
            open.mark(&mut generation.position);
            generation.position.lines = lines.max(generation.position.lines);
            generation.open = Some(open);
            generation.state = State::Reading;
            self.note(id);
        }
    }
}
