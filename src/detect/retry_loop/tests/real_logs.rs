//! What real sites log, none of which is a loop.

use std::collections::{HashMap, HashSet};
use std::io::Read;

use super::*;

/// A line of a common or combined log as a call without a key; lines that are not HTTP give nothing.
fn call_of(line: &str) -> Option<(Call, String)> {
    let hasher = Hasher::new(3);
    let (client, rest) = line.trim_start().split_once(' ')?;
    let (_, rest) = rest.split_once('[')?;
    let (time, rest) = rest.split_once(']')?;
    let time = chrono::DateTime::parse_from_str(time, "%d/%b/%Y:%H:%M:%S %z").ok()?;
    let time = Timestamp::from_millis(time.timestamp_millis());
    let (_, rest) = rest.split_once('"')?;
    let (request, rest) = rest.split_once('"')?;
    let mut words = request.split(' ');
    let (method, target) = (words.next()?, words.next()?);
    let status = rest.split_whitespace().next()?.parse().ok()?;
    let path = target.split('?').next()?;
    let assets = ["js", "css", "png", "gif", "jpg", "jpeg", "ico", "svg", "woff", "woff2"];
    let mut flags = Flags::HTTP;
    if path.rsplit_once('.').is_some_and(|(_, end)| assets.contains(&end)) {
        flags = flags.with(Flags::STATIC);
    }
    let (caller, method) = (hasher.id(client.as_bytes()), Method::parse(method.as_bytes()));
    if method.is_safe() || method == Method::Delete {
        flags = flags.with(Flags::STRONG);
    }
    let call = Call {
        time,
        request: hasher.id(format!("{client} {method:?} {target}").as_bytes()),
        caller,
        caller_is_key: false,
        route: hasher.id(path.as_bytes()),
        method,
        status,
        flags,
        duration_ms: Event::UNKNOWN,
        cost: f32::NAN,
        day: time.bucket(Span::DAY) as i32,
    };
    Some((call, format!("{client} {request} {status}")))
}

#[test]
fn real_sites_get_no_page() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/corpus/real");
    let Ok(files) = std::fs::read_dir(&folder) else {
        println!("no corpus at {}: nothing was checked", folder.display());
        return;
    };
    let mut followed = 0;
    for file in files.map(|file| file.unwrap().path()) {
        let mut bytes = Vec::new();
        flate2::read::MultiGzDecoder::new(std::fs::File::open(&file).unwrap()).read_to_end(&mut bytes).unwrap();
        let text = String::from_utf8_lossy(&bytes);
        let mut names = HashMap::new();
        let mut calls = Vec::new();
        for (call, name) in text.lines().filter_map(call_of) {
            names.insert(call.request, name);
            calls.push(call);
        }
        let mut story = Story::default();
        story.play(calls);
        let told: Vec<_> = story.pages.iter().map(|(time, of, _)| (time.to_string(), &names[of])).collect();
        assert!(told.is_empty(), "{}: {told:?}", file.display());
        let digests: HashSet<Id> = story.digests.iter().map(|(_, of)| *of).collect();
        assert!(digests.len() <= 1, "{}: {} lines in the digest", file.display(), digests.len());
        followed += story.repeats.len();
    }
    assert!(followed > 1000, "only {followed} repeated calls in all: were the logs read?");
}
