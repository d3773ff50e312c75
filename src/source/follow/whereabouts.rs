//! Where the files of all sources are now: what the patterns match, and the rotated copies beside it.

use std::collections::{BTreeSet, HashSet};
use std::ffi::OsString;
use std::path::{Path, PathBuf};

use super::{Follower, directory_of};
use crate::event::SourceId;
use crate::source::file::regular;
use crate::source::history::{ASIDE_DIRECTORIES, Order, says_compressed, stems};
use crate::source::identity::Facts;

/// A file that was found under a name.
pub(super) struct Found {
    pub(super) path: PathBuf,
    pub(super) source: SourceId,
    pub(super) lineage: usize,
    pub(super) order: Order,
    pub(super) facts: Facts,
    /// Whether a path pattern names it; else it is a rotated copy beside such a file.
    pub(super) matched: bool,
}

impl Follower {
    /// Everything there is, the source that stands first and the log itself before its rotated copies.
    pub(super) fn look_around(&mut self) -> Vec<Found> {
        let mut found = Vec::new();
        let mut directories = BTreeSet::new();
        self.refused.clear();
        for at in 0..self.sources.len() {
            self.look_for(at, &mut found, &mut directories);
        }
        self.directories = directories;
        found
    }

    /// The number of a log.
    pub(super) fn lineage(&mut self, source: SourceId, base: &Path) -> usize {
        if let Some(&known) = self.lineages.get(&(source, base.to_owned())) {
            return known;
        }
        let new = self.lineage_count;
        self.lineage_count += 1;
        self.lineages.insert((source, base.to_owned()), new);
        new
    }

    /// The log that a file, by its name, is a rotated copy of, if that log is known.
    pub(super) fn copied_log(&self, source: SourceId, path: &Path, beside: &Path) -> Option<(usize, Order)> {
        let name = path.file_name()?;
        stems(name)
            .into_iter()
            .find_map(|stem| Some((*self.lineages.get(&(source, beside.join(stem.base)))?, stem.order)))
    }

    fn look_for(&mut self, at: usize, found: &mut Vec<Found>, directories: &mut BTreeSet<PathBuf>) {
        let Some(source) = self.sources.get(at) else { return };
        let id = source.id;
        let literals: BTreeSet<PathBuf> =
            source.patterns.iter().filter_map(|p| p.literal()).map(Path::to_owned).collect();
        let matched: BTreeSet<PathBuf> = source.patterns.iter().flat_map(|p| p.walk(directories)).collect();
        let rotated: Vec<PathBuf> = source.rotated.iter().flat_map(|p| p.walk(directories)).collect();
        let first = found.len();

        // Logs first, so that copies find them.
        let mut beside: BTreeSet<PathBuf> = BTreeSet::new();
        for log in &literals {
            self.lineage(id, log);
            beside.insert(directory_of(log).to_owned());
        }
        for path in &matched {
            let (base, order) =
                if literals.contains(path) { (path.clone(), Order::LIVE) } else { self.base_of(id, path, &matched) };
            let lineage = self.lineage(id, &base);
            beside.insert(directory_of(path).to_owned());
            // What a link points to is rotated where it lies.
            if path.symlink_metadata().is_ok_and(|data| data.is_symlink())
                && let Ok(target) = path.canonicalize()
            {
                beside.insert(directory_of(&target).to_owned());
                directories.insert(directory_of(&target).to_owned());
                self.lineages.entry((id, target)).or_insert(lineage);
            }
            self.look_at(path, id, (lineage, order), true, found);
        }

        let mut seen: HashSet<PathBuf> = matched.into_iter().collect();
        for directory in &beside {
            for aside in std::iter::once(None).chain(ASIDE_DIRECTORIES.iter().map(Some)) {
                let place = aside.map_or_else(|| directory.clone(), |name| directory.join(name));
                for name in names_in(&place) {
                    let path = place.join(&name);
                    if let Some(log) = self.copied_log(id, &path, directory)
                        && seen.insert(path.clone())
                    {
                        self.look_at(&path, id, log, false, found);
                    }
                }
            }
        }
        for path in rotated {
            let log = beside.iter().find_map(|directory| self.copied_log(id, &path, directory));
            if let Some(log) = log
                && seen.insert(path.clone())
            {
                self.look_at(&path, id, log, false, found);
            }
        }
        if let Some(new) = found.get_mut(first..) {
            new.sort_by(|a, b| a.lineage.cmp(&b.lineage).then(b.order.cmp(&a.order)).then(a.path.cmp(&b.path)));
        }
    }

    /// The log that a matched file belongs to: one that is there, was there, or that a date in the name speaks of.
    fn base_of(&self, source: SourceId, path: &Path, matched: &BTreeSet<PathBuf>) -> (PathBuf, Order) {
        let mut dated = None;
        for stem in path.file_name().map(stems).unwrap_or_default() {
            let base = directory_of(path).join(&stem.base);
            if matched.contains(&base) || self.lineages.contains_key(&(source, base.clone())) {
                return (base, stem.order);
            }
            if stem.dated() {
                dated = Some((base, stem.order));
            }
        }
        dated.unwrap_or_else(|| (path.to_owned(), Order::LIVE))
    }

    fn look_at(
        &mut self,
        path: &Path,
        source: SourceId,
        (lineage, order): (usize, Order),
        matched: bool,
        found: &mut Vec<Found>,
    ) {
        let data = match std::fs::metadata(path) {
            Ok(data) => data,
            // Gone again, or a link to nowhere: nothing to read yet.
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => return,
            Err(e) => {
                self.refused.insert(path.to_owned(), (source, e.to_string()));
                return;
            }
        };
        match regular(&data) {
            Ok(()) => {
                let facts = Facts::from(&data);
                // A compressed file that is only just being made says nothing yet.
                if !says_compressed(path) || facts.size > 0 {
                    found.push(Found { path: path.to_owned(), source, lineage, order, facts, matched });
                }
            }
            Err(e) if matched => {
                self.refused.insert(path.to_owned(), (source, e.to_string()));
            }
            Err(_) => {}
        }
    }
}

/// The names in a directory, in order; none if it cannot be read.
fn names_in(directory: &Path) -> Vec<OsString> {
    let directory = if directory.as_os_str().is_empty() { Path::new(".") } else { directory };
    let mut names: Vec<OsString> =
        std::fs::read_dir(directory).into_iter().flatten().flatten().map(|entry| entry.file_name()).collect();
    names.sort();
    names
}
