//! Imports point down: a module imports only from layers below its own. Nothing in the language keeps this so; this does.

mod support;

use std::path::Path;

use support::tree;

/// The layers, lowest first. Modules of one layer know nothing of each other.
const LAYERS: [&[&str]; 16] = [
    &["time", "fault"],
    &["event"],
    &["diag", "sanitize"],
    &["options", "assets"],
    &["source", "format", "measure", "rule"],
    &["intake"],
    &["detect"],
    &["incident"],
    &["engine"],
    &["notice"],
    &["store"],
    &["notify", "respond", "fleet"],
    &["config"],
    &["serve"],
    &["app"],
    &["cli"],
];

fn layer(module: &str) -> Option<usize> {
    LAYERS.iter().position(|modules| modules.contains(&module))
}

#[test]
fn imports_point_down() {
    let mut wrong = Vec::new();
    for file in tree::rust_files("src") {
        let text = std::fs::read_to_string(&file).unwrap();
        wrong.extend(violations(file.strip_prefix(tree::repository()).unwrap(), &text));
    }
    assert!(wrong.is_empty(), "imports must point down (ARCHITECTURE.md):\n{}", wrong.join("\n"));
}

#[test]
fn the_library_names_its_modules_in_reading_order() {
    let text = std::fs::read_to_string(tree::repository().join("src/lib.rs")).unwrap();
    let modules: Vec<&str> = text.lines().filter_map(|l| l.strip_prefix("pub mod ")?.strip_suffix(';')).collect();
    assert!(!modules.is_empty(), "src/lib.rs names no module");
    for pair in modules.windows(2) {
        assert!(layer(pair[0]) <= layer(pair[1]), "src/lib.rs: `{}` belongs after `{}`", pair[0], pair[1]);
    }
}

#[test]
fn a_wrong_import_is_found_wherever_it_hides() {
    let found = |path: &str, text: &str| violations(Path::new(path), text);
    assert_eq!(
        found("src/detect/burst.rs", "//! crate::cli\nuse crate::time::Span;\nuse crate::notify::slack;\n"),
        ["src/detect/burst.rs:3: detect imports notify"]
    );
    assert_eq!(
        found("src/time.rs", "use crate::{\n    time::Span,\n    event::{Id, Text},\n};\n"),
        ["src/time.rs:3: time imports event"]
    );
    assert_eq!(
        found("src/format/mod.rs", "fn f() { crate::intake::go() }"),
        ["src/format/mod.rs:1: format imports intake"]
    );
    assert_eq!(found("src/store/mod.rs", "use super::app;\n"), ["src/store/mod.rs:1: store imports app"]);
    assert_eq!(found("src/store/disk.rs", "use super::super::app;\n"), ["src/store/disk.rs:1: store imports app"]);
    assert_eq!(
        found("src/source/file.rs", "use crate::format::Record;\n"),
        ["src/source/file.rs:1: source imports format"]
    );
    assert_eq!(
        found("src/gadget.rs", ""),
        ["src/gadget.rs:1: `gadget` has no layer; give it one in tests/layers.rs and ARCHITECTURE.md"]
    );
    let fine = "use super::Chunk;\nuse crate::time::Span;\n#[cfg(test)]\nmod tests {\n    use crate::cli;\n}\n";
    assert_eq!(found("src/source/lines.rs", fine), [""; 0]);
}

/// What is wrong with the imports of one file, as `file:line: detect imports notify`. Comments and unit tests are free.
fn violations(path: &Path, text: &str) -> Vec<String> {
    let parts: Vec<String> =
        path.with_extension("").components().skip(1).map(|c| c.as_os_str().to_string_lossy().into_owned()).collect();
    let module_path: Vec<&str> = parts.iter().map(String::as_str).filter(|p| *p != "mod").collect();
    let own = module_path.first().copied().unwrap_or("lib");
    if matches!(own, "lib" | "main") || module_path.last() == Some(&"tests") {
        return Vec::new();
    }
    let Some(own_layer) = layer(own) else {
        return vec![format!(
            "{}:1: `{own}` has no layer; give it one in tests/layers.rs and ARCHITECTURE.md",
            path.display()
        )];
    };
    let code = tree::code_before_tests(text);
    imports(&code, module_path.len())
        .into_iter()
        .filter(|(_, module)| module != own && layer(module).is_some_and(|other| other >= own_layer))
        .map(|(line, module)| format!("{}:{line}: {own} imports {module}", path.display()))
        .collect()
}

/// The top-level modules that code names, each with its line: behind `crate::`, `crate::{…}`, and as many `super::` as
/// lead out of a module `depth` deep.
fn imports(code: &str, depth: usize) -> Vec<(usize, String)> {
    let to_root = "super::".repeat(depth);
    let mut found = Vec::new();
    for start in ["crate::", to_root.as_str()] {
        for (at, _) in code.match_indices(start) {
            let before = code[..at].chars().next_back().unwrap_or(' ');
            if before.is_alphanumeric() || before == '_' || before == ':' {
                continue; // `my_crate::`, or a `super::` that was counted from its first
            }
            let path = at + start.len();
            for (offset, module) in heads(&code[path..]) {
                found.push((code[..path + offset].matches('\n').count() + 1, module));
            }
        }
    }
    found
}

/// The first names of a path or of each path of a `{…}` group, with their offsets.
fn heads(rest: &str) -> Vec<(usize, String)> {
    let name_at = |offset: usize| -> (usize, String) {
        (offset, rest[offset..].chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect())
    };
    if !rest.starts_with('{') {
        return vec![name_at(0)];
    }
    let (mut found, mut depth, mut expecting) = (Vec::new(), 0, false);
    for (offset, c) in rest.char_indices() {
        match c {
            '{' => {
                depth += 1;
                expecting = depth == 1;
            }
            '}' if depth == 1 => break,
            '}' => depth -= 1,
            ',' => expecting = depth == 1,
            c if expecting && !c.is_whitespace() => {
                found.push(name_at(offset));
                expecting = false;
            }
            _ => {}
        }
    }
    found
}
