//! The fuzz targets of fuzz/ as ordinary tests: a bounded number of inputs, each a change of a seed, the same on every
//! machine. `LAPWING_FUZZ_INPUTS` sets how many, `LAPWING_FUZZ_SEED` where they begin; a failure says which input it
//! was. With a nightly compiler `cargo fuzz run TARGET` looks further.

#![allow(unreachable_pub)] // the targets are programs of their own in fuzz/

mod support;

use std::panic::{AssertUnwindSafe, catch_unwind};

/// Inputs for each target where nothing else is said.
const INPUTS: u64 = 400;

/// The targets: one line each.
macro_rules! targets {
    ($($name:ident = $path:literal),* $(,)?) => {
        $(
            #[path = $path]
            mod $name;

            #[test]
            fn $name() {
                try_inputs(stringify!($name), &$name::seeds(), $name::run);
            }
        )*

        #[test]
        fn every_target_is_listed_here_and_for_cargo_fuzz() {
            let listed = [$(stringify!($name)),*];
            let manifest = std::fs::read_to_string(support::tree::repository().join("fuzz/Cargo.toml")).unwrap();
            for path in support::tree::rust_files("fuzz/fuzz_targets") {
                let name = path.file_stem().unwrap().to_string_lossy().into_owned();
                assert!(listed.contains(&name.as_str()), "{name} is missing in tests/fuzz.rs");
                assert!(manifest.contains(&format!("name = \"{name}\"")), "{name} is missing in fuzz/Cargo.toml");
            }
        }
    };
}

targets! {
    state = "../fuzz/fuzz_targets/state.rs",
    renderers = "../fuzz/fuzz_targets/renderers.rs",
    config = "../fuzz/fuzz_targets/config.rs",
    format_compiler = "../fuzz/fuzz_targets/format_compiler.rs",
    lines = "../fuzz/fuzz_targets/lines.rs",
    times = "../fuzz/fuzz_targets/times.rs",
    routes = "../fuzz/fuzz_targets/routes.rs",
    json = "../fuzz/fuzz_targets/json.rs",
    rules = "../fuzz/fuzz_targets/rules.rs",
}

fn number(variable: &str, default: u64) -> u64 {
    std::env::var(variable).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}

fn try_inputs(name: &str, seeds: &[Vec<u8>], run: fn(&[u8])) {
    let first = number("LAPWING_FUZZ_SEED", 1);
    for seed in seeds {
        run(seed);
    }
    for input in first..first + number("LAPWING_FUZZ_INPUTS", INPUTS) {
        let bytes = changed(seeds, input);
        let held = catch_unwind(AssertUnwindSafe(|| run(&bytes)));
        assert!(held.is_ok(), "{name}: LAPWING_FUZZ_SEED={input}: {:?}", String::from_utf8_lossy(&bytes));
    }
}

/// One of the seeds with a few changes: bits, bytes, runs, copies, cuts, and what is known to hurt.
fn changed(seeds: &[Vec<u8>], input: u64) -> Vec<u8> {
    const HURTS: [&[u8]; 12] = [
        b"\x00",
        b"\xff\xff\xff\xff\xff\xff\xff\xff\x7f",
        b"\"",
        b"<!channel>",
        b"\r\nBcc: x",
        b"\x1b[2J",
        b"{{",
        b"[[[[[[[[",
        b"\xc3\x28",
        b"1e999",
        b"-1",
        b"../../../../etc/passwd",
    ];
    let mut state = input.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    let mut below = |limit: usize| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 11) as usize % limit.max(1)
    };
    let mut bytes = seeds[below(seeds.len())].clone();
    for _ in 0..=below(6) {
        let at = below(bytes.len());
        match below(7) {
            0 if !bytes.is_empty() => bytes[at] ^= 1 << below(8),
            1 if !bytes.is_empty() => bytes[at] = below(256) as u8,
            2 => bytes.truncate(at),
            3 => {
                let run = vec![below(256) as u8; below(300)];
                bytes.splice(at..at, run);
            }
            4 => {
                let length = below(bytes.len() - at.min(bytes.len())).min(200);
                let copy = bytes[at.min(bytes.len())..][..length].to_vec();
                let to = below(bytes.len());
                bytes.splice(to..to, copy);
            }
            _ => {
                let hurt = HURTS[below(HURTS.len())];
                bytes.splice(at..at, hurt.iter().copied());
            }
        }
    }
    bytes
}
