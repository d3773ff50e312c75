//! The files of this repository.

use std::path::{Path, PathBuf};

/// The root of the repository.
pub(crate) fn repository() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// All files below a folder, in order; none where there is no such folder.
pub(crate) fn files_under(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() {
            found.extend(files_under(&path));
        } else {
            found.push(path);
        }
    }
    found.sort();
    found
}

/// The Rust files below a folder of the repository.
pub(crate) fn rust_files(folder: &str) -> Vec<PathBuf> {
    let found: Vec<_> = files_under(&repository().join(folder))
        .into_iter()
        .filter(|path| path.extension().is_some_and(|e| e == "rs"))
        .collect();
    assert!(!found.is_empty(), "no Rust files in {folder}");
    found
}

/// The lines of a file before its unit tests.
pub(crate) fn lines_before_tests(text: &str) -> impl Iterator<Item = &str> {
    let lines: Vec<&str> = text.lines().collect();
    // `#[cfg(test)]` alone does not end a file: `mod tests;` may stand among the other modules at its top.
    let end =
        lines.windows(2).position(|w| w[0].trim() == "#[cfg(test)]" && w[1].contains("mod ") && w[1].ends_with('{'));
    lines.into_iter().take(end.unwrap_or(usize::MAX))
}

/// The same without line comments, line by line, so that numbers of lines stay.
pub(crate) fn code_before_tests(text: &str) -> String {
    lines_before_tests(text).map(|line| line.split("//").next().unwrap_or("")).collect::<Vec<_>>().join("\n")
}
