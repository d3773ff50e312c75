//! Rules as they are read from files: where errors are shown, also behind escapes.

use super::text::within;
use crate::diag::{Origin, Place};

/// The place of a word of a TOML text, as it is marked in the file.
fn marked(file: &str, word: &str) -> String {
    let table: toml::Table = file.parse().unwrap();
    let text = table["a"].as_str().unwrap().to_owned();
    let at = text.find(word).unwrap();
    let start = file.find('=').unwrap() + 2;
    let origin = Origin::new("f", file);
    let place = Place { span: start..file.trim_end().len(), origin };
    let found = within(&place, &text, &(at..at + word.len()));
    file[found.span].to_owned()
}

#[test]
fn places_inside_texts_are_found_however_they_are_quoted() {
    for file in [
        "a = 'one two three'",
        "a = \"one two three\"",
        "a = \"\\\"one\\\" two three\"",
        "a = \"\\u00e9\\U0001F600 two \\n three\"",
        "a = \"é é two\"",
        "a = '''\none\ntwo three'''",
        "a = \"\"\"\none \\\n    two three\"\"\"",
        "a = \"\"\"one\ttwo\"\"\"",
    ] {
        assert_eq!(marked(file, "two"), "two", "{file}");
    }
    // Of a span that lies in no text, the place is still within the file.
    let place = Place { origin: Origin::new("f", "a = 5"), span: 4..5 };
    assert_eq!(within(&place, "longer than that", &(3..9)).span.end, 5);
}
