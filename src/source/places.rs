//! Where to look: globs of paths, and the directories they live in.

use std::collections::{BTreeSet, HashSet};
use std::path::{Component, Path, PathBuf};

use globset::{GlobBuilder, GlobMatcher};

/// How deep `**` goes.
const DEEPEST: usize = 16;

/// How many files one pattern can match; more are left out and reported.
const MOST_MATCHES: usize = 100_000;

/// How many directories and files one walk may look at.
const MOST_LOOKS: usize = 1_000_000;

/// Why a path pattern cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("expected a path or glob such as \"/var/log/nginx/*.log\", found \"{pattern}\": {reason}")]
pub struct PatternError {
    pattern: String,
    reason: String,
}

/// A path in which the last parts may be a glob: `*` and `?` stay within one name, `**` crosses directories, `[…]` and
/// `{a,b}` choose.
#[derive(Clone, Debug)]
pub struct Pattern {
    /// The directory, or the whole path if nothing in it is a glob.
    fixed: PathBuf,
    /// Set if it is a glob.
    glob: Option<GlobMatcher>,
    /// How many names follow the fixed directory at most.
    depth: usize,
}

impl Pattern {
    /// Reads a pattern.
    ///
    /// # Errors
    /// If it is no valid glob.
    pub fn new(text: &str) -> Result<Pattern, PatternError> {
        let error = |reason: String| PatternError { pattern: text.to_owned(), reason };
        if text.is_empty() {
            return Err(error("it is empty".to_owned()));
        }
        let special = |text: &str| text.contains(['*', '?', '[', '{', '\\']);
        if !special(text) {
            return Ok(Pattern { fixed: PathBuf::from(text), glob: None, depth: 0 });
        }
        // An existing file wins over a glob that happens to look like its name.
        let glob = GlobBuilder::new(text).literal_separator(true).build().map_err(|e| error(e.kind().to_string()))?;
        let parts: Vec<Component<'_>> = Path::new(text).components().collect();
        let fixed: PathBuf =
            parts.iter().take_while(|part| !special(&part.as_os_str().to_string_lossy())).copied().collect();
        let rest = parts.len() - fixed.components().count();
        let deep = text.contains("**") || text.contains('{');
        Ok(Pattern { fixed, glob: Some(glob.compile_matcher()), depth: if deep { DEEPEST } else { rest } })
    }

    /// The path, if it is no glob.
    pub fn literal(&self) -> Option<&Path> {
        self.glob.is_none().then_some(self.fixed.as_path())
    }

    /// Whether this path is meant.
    pub fn matches(&self, path: &Path) -> bool {
        self.glob.as_ref().map_or(path == self.fixed, |glob| glob.is_match(path))
    }

    /// Everything it matches now, files or not, and the directories that were looked into.
    pub fn walk(&self, directories: &mut BTreeSet<PathBuf>) -> Vec<PathBuf> {
        let Some(glob) = &self.glob else {
            if let Some(parent) = self.fixed.parent() {
                directories.insert(nearest_existing(parent));
            }
            return if self.fixed.symlink_metadata().is_ok() { vec![self.fixed.clone()] } else { Vec::new() };
        };
        let relative = self.fixed.as_os_str().is_empty();
        let mut found = Vec::new();
        let mut looks = 0;
        let mut visited = HashSet::new();
        let mut ahead = vec![(self.fixed.clone(), self.depth)];
        while let Some((directory, depth)) = ahead.pop() {
            let place = if relative && directory.as_os_str().is_empty() { Path::new(".") } else { &directory };
            // Links may lead in circles.
            let Ok(real) = place.canonicalize() else {
                directories.insert(nearest_existing(place));
                continue;
            };
            if !visited.insert(real) {
                continue;
            }
            directories.insert(place.to_owned());
            for entry in std::fs::read_dir(place).into_iter().flatten().flatten() {
                looks += 1;
                if looks > MOST_LOOKS || found.len() >= MOST_MATCHES {
                    tracing::warn!(pattern = %glob.glob(), "too many files to look at: the rest is left out");
                    return sorted(found);
                }
                let path = directory.join(entry.file_name());
                let kind = entry.file_type().ok();
                let into = kind.is_some_and(|k| k.is_dir() || (k.is_symlink() && path.is_dir()));
                if depth > 1 && into {
                    ahead.push((path, depth - 1));
                } else if glob.is_match(&path) {
                    found.push(path);
                }
            }
        }
        sorted(found)
    }
}

fn sorted(mut found: Vec<PathBuf>) -> Vec<PathBuf> {
    found.sort();
    found
}

/// The directory itself, or the closest one above it that exists: where its coming can be seen.
fn nearest_existing(directory: &Path) -> PathBuf {
    directory.ancestors().find(|d| d.is_dir()).map_or_else(|| PathBuf::from("."), Path::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn globs_find_their_files_and_links_do_not_lead_in_circles() {
        let directory = tempfile::tempdir().unwrap();
        let root = directory.path();
        for name in ["a/x.log", "a/b/x.log", "a/b/y.txt", "z.log"] {
            std::fs::create_dir_all(root.join(name).parent().unwrap()).unwrap();
            std::fs::write(root.join(name), "").unwrap();
        }
        std::os::unix::fs::symlink(root, root.join("a/loop")).unwrap();
        let find = |glob: &str| {
            let found = Pattern::new(&format!("{}/{glob}", root.display())).unwrap().walk(&mut BTreeSet::new());
            let names = found.iter().map(|p| p.strip_prefix(root).unwrap().to_str().unwrap().to_owned());
            names.collect::<Vec<_>>()
        };
        assert_eq!(find("*.log"), ["z.log"]);
        assert_eq!(find("*/x.log"), ["a/x.log"]);
        assert_eq!(find("**/*.log"), ["a/b/x.log", "a/x.log", "z.log"]);
        assert_eq!(find("{z,q}.log"), ["z.log"]);
        assert_eq!(find("missing/*.log"), Vec::<String>::new());
        assert!(Pattern::new("/var/[").unwrap_err().to_string().contains("/var/["));
    }

    #[test]
    fn the_directory_to_watch_is_the_nearest_that_exists() {
        let directory = tempfile::tempdir().unwrap();
        let mut watch = BTreeSet::new();
        let path = directory.path().join("not/yet/a.log");
        assert_eq!(Pattern::new(path.to_str().unwrap()).unwrap().walk(&mut watch), Vec::<PathBuf>::new());
        assert_eq!(watch.into_iter().collect::<Vec<_>>(), [directory.path()]);
    }
}
