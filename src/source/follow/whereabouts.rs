//! Where the files of all sources are now: what the patterns match, and the rotated copies beside it.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::ffi::OsString;
use std::path::{Path, PathBuf};

use super::{Follower, UNCONFIGURED, directory_of};
use crate::event::SourceId;
use crate::source::file::regular;
use crate::source::generation::{Generation, State};
use crate::source::history::{ASIDE_DIRECTORIES, Order, says_compressed, stems};
use crate::source::identity::Facts;
use crate::time::Span;

/// So many files that one link led to before are looked at.
const LED_TO: usize = 8;

/// A file that was found under a name.
pub(super) struct Found {
    pub(super) path: PathBuf,
    pub(super) source: SourceId,
    pub(super) lineage: usize,
    pub(super) order: Order,
    pub(super) facts: Facts,
    /// What it leads to, if it is a link; what it led to once, if it does no more.
    pub(super) target: Option<PathBuf>,
    /// Whether a path pattern names it; else it is a rotated copy beside such a file.
    pub(super) matched: bool,
}

impl Found {
    /// Where the file itself lies.
    pub(super) fn place(&self) -> &Path {
        self.target.as_deref().unwrap_or(&self.path)
    }
}

impl Follower {
    /// Everything there is, the source that stands first and the log itself before its rotated copies.
    pub(super) fn look_around(&mut self, now: Span) -> Vec<Found> {
        let mut found = Vec::new();
        let mut directories = BTreeSet::new();
        self.refused_before = std::mem::take(&mut self.refused);
        self.know_what_links_led_to();
        for at in 0..self.sources.len() {
            self.look_for(at, &mut found, &mut directories, now);
        }
        self.look_where_links_led(&mut found);
        self.directories = directories;
        found
    }

    /// Copies of what a link led to are copies of its log.
    fn know_what_links_led_to(&mut self) {
        let led = |g: &Generation| Some((g.source, g.position.path.clone(), g.position.target.clone()?));
        let led: Vec<_> = self.generations.values().filter(|g| g.source != UNCONFIGURED).filter_map(led).collect();
        for (source, link, target) in led {
            let lineage = self.lineage(source, &link);
            self.lineages.entry((source, target)).or_insert(lineage);
        }
    }

    /// What a link led to before it was turned elsewhere is still there, and may not be read to its end.
    fn look_where_links_led(&self, found: &mut Vec<Found>) {
        let seen: HashSet<(u64, u64)> = found.iter().map(|f| (f.facts.device, f.facts.inode)).collect();
        let mut of_log: HashMap<usize, usize> = HashMap::new();
        for generation in self.generations.values().rev() {
            let Some(target) = &generation.position.target else { continue };
            let readable = matches!(generation.state, State::Reading | State::Done | State::Gone { shrank: false, .. });
            if generation.source == UNCONFIGURED || !readable {
                continue;
            }
            let Ok(data) = std::fs::metadata(target) else { continue };
            let facts = Facts::from(&data);
            let same = (facts.device, facts.inode) == (generation.position.device, generation.position.inode);
            if !same || regular(&data).is_err() || seen.contains(&(facts.device, facts.inode)) {
                continue;
            }
            let count = of_log.entry(generation.lineage).or_default();
            *count += 1;
            if *count <= LED_TO {
                let (path, source) = (generation.position.path.clone(), generation.source);
                let lineage = self.lineages.get(&(source, path.clone())).copied().unwrap_or(generation.lineage);
                let (order, target) = (Order::LEFT, Some(target.clone()));
                found.push(Found { path, source, lineage, order, facts, target, matched: false });
            }
        }
    }

    /// Every file that the patterns name now.
    pub fn names(&mut self) -> BTreeSet<PathBuf> {
        let mut directories = BTreeSet::new();
        self.sources.iter().flat_map(|s| &s.patterns).flat_map(|p| p.walk(&mut directories)).collect()
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

    fn look_for(&mut self, at: usize, found: &mut Vec<Found>, directories: &mut BTreeSet<PathBuf>, now: Span) {
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
            self.look_at((path, true), id, (lineage, order), now, found);
        }

        let targets = self.generations.values().filter(|g| g.source == id).filter_map(|g| g.position.target.as_ref());
        beside.extend(targets.map(|target| directory_of(target).to_owned()));

        let mut seen: HashSet<PathBuf> = matched.into_iter().collect();
        for directory in &beside {
            for aside in std::iter::once(None).chain(ASIDE_DIRECTORIES.iter().map(Some)) {
                let place = aside.map_or_else(|| directory.clone(), |name| directory.join(name));
                for name in names_in(&place) {
                    let path = place.join(&name);
                    if let Some(log) = self.copied_log(id, &path, directory)
                        && seen.insert(path.clone())
                    {
                        self.look_at((&path, false), id, log, now, found);
                    }
                }
            }
        }
        for path in rotated {
            let log = beside.iter().find_map(|directory| self.copied_log(id, &path, directory));
            if let Some(log) = log
                && seen.insert(path.clone())
            {
                self.look_at((&path, false), id, log, now, found);
            }
        }
        if let Some(new) = found.get_mut(first..) {
            new.sort_by(|a, b| a.lineage.cmp(&b.lineage).then(b.order.cmp(&a.order)).then(a.path.cmp(&b.path)));
        }
    }

    /// The log that a matched file belongs to: one that is there, was there, that the same patterns would name (it may
    /// have been renamed a moment ago), or that a date in the name speaks of.
    fn base_of(&self, source: SourceId, path: &Path, matched: &BTreeSet<PathBuf>) -> (PathBuf, Order) {
        let patterns = self.sources.iter().filter(|s| s.id == source).flat_map(|s| &s.patterns);
        let named = |base: &Path| patterns.clone().any(|pattern| pattern.matches(base));
        let (mut dated, mut gone) = (None, None);
        for stem in path.file_name().map(stems).unwrap_or_default() {
            let base = directory_of(path).join(&stem.base);
            if matched.contains(&base) || self.lineages.contains_key(&(source, base.clone())) {
                return (base, stem.order);
            }
            // The shortest name wins: `a.log` for `a.log.1.gz`, though `a.log*` would name `a.log.1` as well.
            let shorter =
                gone.as_ref().is_none_or(|(known, _): &(PathBuf, Order)| base.as_os_str() < known.as_os_str());
            if named(&base) && shorter {
                gone = Some((base.clone(), stem.order));
            }
            if stem.dated() {
                dated = Some((base, stem.order));
            }
        }
        gone.or(dated).unwrap_or_else(|| (path.to_owned(), Order::LIVE))
    }

    fn look_at(
        &mut self,
        (path, matched): (&Path, bool),
        source: SourceId,
        (lineage, order): (usize, Order),
        now: Span,
        found: &mut Vec<Found>,
    ) {
        let data = match std::fs::metadata(path) {
            Ok(data) => data,
            // Gone again, or a link to nowhere: nothing to read yet.
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => return,
            Err(e) => return self.refuse(path, source, matched, &e, now),
        };
        match regular(&data) {
            Ok(()) => {
                let facts = Facts::from(&data);
                let link = path.symlink_metadata().is_ok_and(|data| data.is_symlink());
                let target = link.then(|| path.canonicalize().ok()).flatten();
                // A compressed file that is only just being made says nothing yet.
                if !says_compressed(path) || facts.size > 0 {
                    found.push(Found { path: path.to_owned(), source, lineage, order, facts, target, matched });
                }
            }
            Err(e) if matched => self.refuse(path, source, false, &e, now),
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
