//! What `check` says of the machine and of sources together: file events, descriptors, file systems, files named twice.

use std::collections::{BTreeMap, BTreeSet};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use super::descriptors;
use crate::config::Config;
use crate::diag::Diagnostic;
use crate::event::SourceId;
use crate::source::{Follower, watch};
use crate::time::Span;

/// Everything that is found.
pub(super) fn check(config: &Config) -> Vec<Diagnostic> {
    let sources: Vec<_> =
        config.sources.iter().enumerate().map(|(n, s)| (SourceId(n as u16), s.files.clone())).collect();
    let Ok(mut follower) = Follower::new(sources, config.limits, Vec::new()) else { return Vec::new() };
    follower.scan(Span::ZERO);
    let mut found = named_twice(config);
    let files: usize = follower.status().iter().map(|source| source.files.len()).sum();
    found.extend(descriptor_limit(config, files));
    found.extend(events(follower.directories()));
    found
}

/// Files that several sources name, or that have several names: they count once, for the first source.
fn named_twice(config: &Config) -> Vec<Diagnostic> {
    let mut names: BTreeMap<(u64, u64), Vec<(String, PathBuf)>> = BTreeMap::new();
    for source in &config.sources {
        let own = vec![(SourceId(0), source.files.clone())];
        let Ok(mut follower) = Follower::new(own, config.limits, Vec::new()) else { continue };
        for path in follower.names() {
            if let Ok(data) = std::fs::metadata(&path) {
                let known = names.entry((data.dev(), data.ino())).or_default();
                if known.iter().all(|(name, other)| (name, other) != (&source.files.name, &path)) {
                    known.push((source.files.name.clone(), path));
                }
            }
        }
    }
    let mut found = Vec::new();
    for named in names.values() {
        let [(first, path), others @ ..] = named.as_slice() else { continue };
        // A link to a rotated copy's place and the like is no mistake; the same file under two names of one pattern may be.
        if let Some((other, name)) = others.first() {
            let words = if other == first {
                format!(
                    "source \"{first}\": {} and {} are one file: its lines count once",
                    path.display(),
                    name.display()
                )
            } else {
                format!(
                    "sources \"{first}\" and \"{other}\" both name {}: its lines count for \"{first}\" alone",
                    name.display()
                )
            };
            found.push(Diagnostic::warning(words).help("leave it out of one of the patterns"));
        }
    }
    found
}

/// Whether all files can be held open.
fn descriptor_limit(config: &Config, files: usize) -> Option<Diagnostic> {
    let most = descriptors::allowed(&config.limits);
    (files > most).then(|| {
        Diagnostic::warning(format!("{files} files are followed and {most} may be held open: they are read in turn"))
            .help("raise LimitNOFILE in the unit (or `ulimit -n`) and \"open_files\" under [limits]")
    })
}

/// Whether file events can be had for all directories.
fn events(directories: &BTreeSet<PathBuf>) -> Vec<Diagnostic> {
    let mut found = Vec::new();
    let limit = |name: &str| -> Option<u64> {
        std::fs::read_to_string(Path::new("/proc/sys/fs/inotify").join(name)).ok()?.trim().parse().ok()
    };
    if limit("max_user_instances") == Some(0) {
        found.push(
            Diagnostic::warning("no file events: files are looked at every two seconds")
                .help("as root: sysctl fs.inotify.max_user_instances=128"),
        );
    }
    let needed = directories.len() as u64;
    if let Some(most) = limit("max_user_watches").filter(|most| *most < needed) {
        found.push(
            Diagnostic::warning(format!(
                "{needed} directories are followed and {most} may be watched: the others are looked at every two seconds"
            ))
            .help(format!("as root: sysctl fs.inotify.max_user_watches={}", (needed * 4).next_power_of_two())),
        );
    }
    for directory in directories {
        if let Some(kind) = watch::silent(directory) {
            found.push(Diagnostic::warning(format!(
                "{} lies on {kind}, which does not report what other hosts write: it is looked at every two seconds",
                directory.display()
            )));
        }
    }
    found
}
