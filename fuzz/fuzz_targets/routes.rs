//! Route templates: short, plain and stable, whatever the target is; and the patterns that a configuration declares.
#![cfg_attr(fuzzing, no_main)]

use lapwing::intake::route::{self, MAX_BYTES, MAX_SEGMENTS};
use lapwing::intake::routes::Patterns;
use lapwing::intake::target::{Target, percent_decoded};

fn template(target: &[u8]) -> String {
    let mut out = String::new();
    route::template(target, &mut out);
    out
}

/// One input: a request target.
pub fn run(data: &[u8]) {
    let made = template(data);
    assert!(made.len() <= MAX_BYTES, "{} bytes: {made}", made.len());
    assert!(made.split('/').count() <= MAX_SEGMENTS + 2, "{made}");
    assert!(!made.chars().any(|c| c.is_control() || c == '?' || c == '#'), "{made:?}");
    assert_eq!(template(made.as_bytes()), made, "the template of a template is itself: {:?}", String::from_utf8_lossy(data));

    let target = Target::split(data);
    let _ = route::is_static(target);
    for parameter in target.parameters() {
        assert!(percent_decoded(parameter.name).len() + percent_decoded(parameter.value).len() <= data.len());
    }
    // A pattern takes what it was made of.
    let mut patterns = Patterns::default();
    patterns.insert(&made, 1);
    patterns.insert("/v1/{id}/*", 2);
    patterns.insert(&String::from_utf8_lossy(data), 3);
    let _ = patterns.find(target);
    assert!(made.contains('*') || !made.starts_with('/') || patterns.find(Target::split(made.as_bytes())).is_some(), "{made}");
}

/// Where inputs begin.
#[allow(dead_code)]
pub fn seeds() -> Vec<Vec<u8>> {
    let targets = [
        "/v1/orders/1234?expand=items#top",
        "https://api.example.com:8443/v1/users/jo%40example.com/files;v=1/9f8e7d6c-1234-4abc-8def-0123456789ab",
        "//a///b/./../%2e%2e/%2F/%",
        "*",
        "example.com:443",
        "/2026-03-02/2026/03/02/v2.1/deadbeefdeadbeefdeadbeefdeadbeef/{id}/{name}/:x",
        "/é/日本語/%E6%97%A5/%ff%fe/\u{202e}",
        "/a?b=%26&c==&&d&=e",
        "/app.3f2a1b.js",
        "/a/b/c/d/e/f/g/h/i/j/k/l/m/n/o",
        "",
        "/",
        "?q",
    ];
    targets.map(|target| target.as_bytes().to_vec()).to_vec()
}

#[cfg(fuzzing)]
libfuzzer_sys::fuzz_target!(|data: &[u8]| run(data));
