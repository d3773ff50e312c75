//! The configuration: whatever is in the file, a configuration or errors that point at a place in it.
#![cfg_attr(fuzzing, no_main)]

use lapwing::config::{Config, Environment};

/// One input.
pub fn run(data: &[u8]) {
    let dir = std::env::temp_dir().join(format!("lapwing-fuzz-config-{}", std::process::id()));
    std::fs::create_dir_all(&dir).expect("a folder");
    let path = dir.join("lapwing.toml");
    std::fs::write(&path, data).expect("the file");
    match Config::load_in(&path, Environment::new(&|_| None)) {
        Ok(loaded) => {
            let _ = loaded.config.render_settings();
            loaded.warnings.iter().for_each(|warning| assert!(!warning.short().is_empty()));
        }
        Err(invalid) => {
            assert!(!invalid.0.is_empty(), "an error says why");
            for diagnostic in &invalid.0 {
                assert!(!diagnostic.render(false).chars().any(|c| c.is_control() && c != '\n'), "{diagnostic:?}");
            }
        }
    }
}

/// Where inputs begin: the commented reference, and the keys of the contract.
#[allow(dead_code)]
pub fn seeds() -> Vec<Vec<u8>> {
    let reference = include_str!("../../systemd/lapwing.toml");
    let uncommented: String =
        reference.lines().map(|line| line.strip_prefix('#').unwrap_or(line)).collect::<Vec<_>>().join("\n");
    vec![reference.as_bytes().to_vec(), uncommented.into_bytes(), b"[source.a]\npath=[\"a\"]\nlog_format='$a'".to_vec()]
}

#[cfg(fuzzing)]
libfuzzer_sys::fuzz_target!(|data: &[u8]| run(data));
