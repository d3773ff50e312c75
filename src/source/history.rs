//! Rotated copies: which names belong to one log, and which of them is older.
//!
//! Names are all that is looked at here; whether two files share content is [`super::follow`]'s question.

use std::collections::BTreeSet;
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

use super::identity::Facts;

/// Endings of compressed files.
const COMPRESSED: [&str; 5] = [".gz", ".zst", ".xz", ".bz2", ".Z"];

/// Endings that people and tools give to a copy set aside.
const ASIDE: [&str; 7] = [".old", ".bak", ".orig", ".save", ".tmp", ".rotated", "~"];

/// Directories beside a log where rotated copies are commonly put.
pub(super) const ASIDE_DIRECTORIES: [&str; 6] = ["old", "archive", "archived", "rotated", "backup", "olddir"];

/// How many rotation suffixes one name can have (`access.log-20261121.1.gz` has two).
const MOST_SUFFIXES: usize = 3;

/// The age of a rotated copy by its name: the smaller, the older. The log itself is the greatest.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Order {
    live: bool,
    /// Digits of its date read as one number, 0 without date.
    date: u64,
    /// Its rotation number, negated.
    number: i64,
}

impl Order {
    /// The log itself.
    pub const LIVE: Order = Order { live: true, date: 0, number: 0 };
    /// What a link led to before it was turned to the log itself.
    pub const LEFT: Order = Order { live: false, date: 0, number: 0 };
}

/// A name read as that of a rotated copy.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Stem {
    /// The name of the log that it may be a copy of.
    pub base: OsString,
    /// Its age among the copies.
    pub order: Order,
    /// Whether it says that date or word, not just a number, set it apart.
    pub certain: bool,
}

impl Stem {
    /// Whether the name carries a date.
    pub fn dated(&self) -> bool {
        self.order.date > 0
    }
}

/// All logs that this file name may be a rotated copy of, the longest name first. A compressed file named like a log
/// (`access.log.gz`) is a copy of it; a name that is no copy gives nothing.
pub fn stems(name: &OsStr) -> Vec<Stem> {
    let mut found = Vec::new();
    let mut rest = name.as_bytes();
    let mut order = Order { live: false, date: 0, number: 0 };
    let mut certain = true;
    if let Some(base) = COMPRESSED.iter().find_map(|end| rest.strip_suffix(end.as_bytes())).filter(|b| !b.is_empty()) {
        rest = base;
        found.push(Stem { base: OsString::from_vec(base.to_vec()), order, certain });
    }
    for _ in 0..MOST_SUFFIXES {
        let (base, suffix) = if let Some((base, suffix)) = suffix_of(rest) {
            (base.to_vec(), suffix)
        } else if let Some((base, suffix)) = suffix_before_extension(rest) {
            found.push(stem(base, suffix, &mut order, &mut certain));
            break;
        } else {
            break;
        };
        found.push(stem(base, suffix, &mut order, &mut certain));
        rest = rest.get(..found.last().map_or(0, |s| s.base.len())).unwrap_or_default();
    }
    found
}

/// Whether a name says that the file is compressed.
pub fn says_compressed(name: &Path) -> bool {
    COMPRESSED.iter().any(|end| name.as_os_str().as_bytes().ends_with(end.as_bytes()))
}

/// A log's rotated copies that exist beside it, oldest first, and itself last (whether it exists or not).
pub fn siblings(log: &Path) -> Vec<PathBuf> {
    let (Some(name), Some(directory)) = (log.file_name(), log.parent()) else { return vec![log.to_owned()] };
    let directory = if directory.as_os_str().is_empty() { Path::new(".") } else { directory };
    let mut copies: Vec<(Order, PathBuf)> = std::fs::read_dir(directory)
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| {
            let found = entry.file_name();
            let order = stems(&found).into_iter().find(|stem| stem.base == name)?.order;
            std::fs::metadata(entry.path()).ok().filter(std::fs::Metadata::is_file)?;
            Some((order, log.with_file_name(found)))
        })
        .collect();
    copies.sort();
    copies.into_iter().map(|(_, path)| path).chain([log.to_owned()]).collect()
}

/// The files of a replay in the order to read them: each named log with its rotated copies, oldest first; no file
/// twice, even under two names. A copy named by itself (`access.log.1`) stands for itself. `-` stays.
pub fn expand(named: &[PathBuf]) -> Vec<PathBuf> {
    let mut seen = BTreeSet::new();
    let mut groups: Vec<(PathBuf, Vec<(Order, PathBuf)>)> = Vec::new();
    let chosen: BTreeSet<&Path> = named.iter().map(PathBuf::as_path).collect();
    for path in named {
        let base = base_among(path, &chosen);
        let order = base.as_ref().map_or(Order::LIVE, |(_, order)| *order);
        let group = base.map_or_else(|| path.clone(), |(base, _)| base);
        let is_copy = order != Order::LIVE || path.file_name().is_some_and(|n| stems(n).iter().any(|s| s.certain));
        let mut files: Vec<(Order, PathBuf)> = if path == Path::new("-") || is_copy {
            vec![(order, path.clone())]
        } else {
            siblings(path).into_iter().map(|file| (order_of(&file, path), file)).collect()
        };
        match groups.iter_mut().find(|(name, _)| *name == group) {
            Some((_, known)) => known.append(&mut files),
            None => groups.push((group, files)),
        }
    }
    for (_, files) in &mut groups {
        files.sort();
    }
    let files = groups.into_iter().flat_map(|(_, files)| files).map(|(_, path)| path);
    files.filter(|path| seen.insert(same_file_key(path))).collect()
}

/// What two names of one file have in common.
fn same_file_key(path: &Path) -> (u64, u64, Option<PathBuf>) {
    match std::fs::metadata(path) {
        Ok(data) => {
            let facts = Facts::from(&data);
            (facts.device, facts.inode, None)
        }
        Err(_) => (0, 0, Some(path.to_owned())),
    }
}

/// The log that a named file is a copy of: one that was named as well, exists, or must be by the copy's name.
fn base_among(path: &Path, chosen: &BTreeSet<&Path>) -> Option<(PathBuf, Order)> {
    let name = path.file_name()?;
    let candidates = stems(name).into_iter().map(|stem| (path.with_file_name(&stem.base), stem));
    let mut weaker = None;
    for (base, stem) in candidates {
        if chosen.contains(base.as_path()) || base.is_file() {
            return Some((base, stem.order));
        }
        weaker = Some((base, stem.order));
    }
    weaker
}

fn order_of(file: &Path, log: &Path) -> Order {
    let (Some(name), Some(base)) = (file.file_name(), log.file_name()) else { return Order::LIVE };
    stems(name).into_iter().find(|stem| stem.base == base).map_or(Order::LIVE, |stem| stem.order)
}

/// What a suffix says.
#[derive(Clone, Copy)]
enum Suffix {
    Date(u64),
    Number(i64),
    Aside,
}

fn stem(base: Vec<u8>, suffix: Suffix, order: &mut Order, certain: &mut bool) -> Stem {
    match suffix {
        Suffix::Date(date) => order.date = date,
        Suffix::Number(number) => {
            order.number = -number;
            *certain = false;
        }
        Suffix::Aside => {}
    }
    Stem { base: OsString::from_vec(base), order: *order, certain: *certain || order.date > 0 }
}

/// `access.log-20261121` is `access.log` and a date, `access.log.1` is `access.log` and a number.
fn suffix_of(name: &[u8]) -> Option<(&[u8], Suffix)> {
    for word in ASIDE {
        if let Some(base) = name.strip_suffix(word.as_bytes()).filter(|base| !base.is_empty()) {
            return Some((base, Suffix::Aside));
        }
    }
    let run = name.iter().rev().take_while(|b| matches!(b, b'0'..=b'9' | b'-' | b'_' | b':' | b'T')).count();
    let start = name.len() - run;
    let text = name.get(start..)?;
    // The separator is in the run (`-2026-11-21`) or before it (`.2026-11-21`).
    let (base, text) = match text.first() {
        Some(b'-' | b'_') => (name.get(..start)?, text.get(1..)?),
        _ => (name.get(..start)?.strip_suffix(b".")?, text),
    };
    (!base.is_empty()).then_some(())?;
    Some((base, number_or_date(text)?))
}

/// `access-20261121.log` and `access.1.log`, as logrotate's `extension` makes them, are copies of `access.log`.
fn suffix_before_extension(name: &[u8]) -> Option<(Vec<u8>, Suffix)> {
    let dot = name.iter().rposition(|&b| b == b'.')?;
    let (front, extension) = name.split_at_checked(dot)?;
    if extension.len() < 2 || extension.iter().skip(1).all(u8::is_ascii_digit) {
        return None;
    }
    let (base, suffix) = suffix_of(front)?;
    let dotted = front.get(base.len()) == Some(&b'.');
    match suffix {
        // `server-1.log` is the log of a first server, not a rotated `server.log`.
        Suffix::Number(_) if !dotted => None,
        Suffix::Aside => None,
        other => Some(([base, extension].concat(), other)),
    }
}

/// Up to five digits number a copy; six and more are a date, or seconds since the epoch.
fn number_or_date(text: &[u8]) -> Option<Suffix> {
    let mut value: u64 = 0;
    let mut digits = 0;
    for byte in text.iter().filter(|b| b.is_ascii_digit()) {
        value = value.checked_mul(10)?.checked_add(u64::from(byte - b'0'))?;
        digits += 1;
    }
    match digits {
        1..=5 if digits == text.len() => Some(Suffix::Number(value as i64)),
        0..=5 => None,
        // Dates of different precision compare by their first digits: all are brought to 14.
        6..=14 if digits != 10 || text.len() > 10 || text.starts_with(b"20") => {
            Some(Suffix::Date(value.saturating_mul(10u64.pow(14 - digits as u32))))
        }
        _ => Some(Suffix::Date(value)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bases(name: &str) -> Vec<String> {
        stems(OsStr::new(name)).into_iter().map(|s| s.base.into_string().unwrap()).collect()
    }

    #[test]
    fn names_of_rotated_copies_lead_to_their_log() {
        for copy in [
            "access.log.1",
            "access.log.12.gz",
            "access.log-20261121",
            "access.log-20261121.gz",
            "access.log-2026-11-21.1.zst",
            "access.log.2026-11-21T10",
            "access.log-1763700000",
            "access.log.bak",
            "access.log~",
            "access.log.gz",
            "access-20261121.log",
            "access.1.log",
            "access.log.20261121-120000",
        ] {
            assert!(bases(copy).contains(&"access.log".to_owned()), "{copy}: {:?}", bases(copy));
        }
        for log in ["access.log", "server-1.log", "error", "2026", ".1", "u_ex261121.log", "", "-20261121"] {
            assert_eq!(bases(log), Vec::<String>::new(), "{log}");
        }
    }

    #[test]
    fn copies_stand_oldest_first() {
        let directory = tempfile::tempdir().unwrap();
        let names = ["a.log.10.gz", "a.log.2.gz", "a.log.1", "a.log", "b.log", "b.log.1", "a.log.1.swp"];
        for name in names {
            std::fs::write(directory.path().join(name), name).unwrap();
        }
        let log = directory.path().join("a.log");
        let found: Vec<_> = siblings(&log).iter().map(|p| p.file_name().unwrap().to_owned()).collect();
        assert_eq!(found, ["a.log.10.gz", "a.log.2.gz", "a.log.1", "a.log"]);

        std::fs::hard_link(&log, directory.path().join("c.log")).unwrap();
        let named = ["a.log.1", "c.log", "b.log", "a.log"].map(|name| directory.path().join(name));
        let found: Vec<_> = expand(&named).iter().map(|p| p.file_name().unwrap().to_owned()).collect();
        assert_eq!(found, ["a.log.10.gz", "a.log.2.gz", "a.log.1", "a.log", "b.log.1", "b.log"]);
    }

    #[test]
    fn dates_of_any_precision_are_in_order() {
        let order = |name: &str| stems(OsStr::new(name)).into_iter().find(|s| s.base == "a.log").unwrap().order;
        let names = ["a.log-20261119", "a.log-20261120.gz", "a.log-2026112012", "a.log-20261121", "a.log.2", "a.log.1"];
        // A date and a number do not meet in one rotation; among themselves each kind is in order.
        assert!(names[..4].windows(2).all(|pair| order(pair[0]) < order(pair[1])), "{:?}", names.map(order));
        assert!(order("a.log.2") < order("a.log.1") && order("a.log.1") < Order::LIVE);
        assert!(order("a.log-20261121.2") < order("a.log-20261121.1"));
    }

    #[test]
    fn a_copy_named_alone_stands_for_itself_and_standard_input_stays() {
        let directory = tempfile::tempdir().unwrap();
        for name in ["a.log.1", "a.log.2", "a.log"] {
            std::fs::write(directory.path().join(name), name).unwrap();
        }
        let one = directory.path().join("a.log.1");
        assert_eq!(expand(std::slice::from_ref(&one)), [one]);
        assert_eq!(expand(&["-".into()]), [PathBuf::from("-")]);
    }
}
