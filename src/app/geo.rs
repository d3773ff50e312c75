//! The databases of places that the user gives: opened once, and again with each reload.

use std::io::Read;
use std::path::Path;
use std::sync::Arc;

use crate::config::{Config, GeoIp};
use crate::diag::Diagnostic;
use crate::intake::geo::Atlas;

/// The largest database: they are read into memory.
const MOST_BYTES: u64 = 512 << 20;

/// What is configured, opened; and if it cannot be, why, in a sentence.
pub(super) fn open(config: &Config) -> (Option<Arc<Atlas>>, Option<String>) {
    let Some(geoip) = &config.geoip else { return (None, None) };
    match read(geoip) {
        Ok(atlas) => (Some(Arc::new(atlas)), None),
        Err((_, sentence)) => {
            (None, Some(format!("{sentence}; impossible travel is not noticed until that is put right and reloaded")))
        }
    }
}

/// What is wrong with the configured databases, at its place.
pub(super) fn check(config: &Config) -> Option<Diagnostic> {
    let geoip = config.geoip.as_ref()?;
    let (networks, sentence) = read(geoip).err()?;
    let place = if networks { geoip.asn_place.as_ref() } else { geoip.path_place.as_ref() };
    let found = Diagnostic::error(sentence)
        .help("a database in MaxMind's format, such as GeoLite2-City.mmdb; without one, remove [geoip]");
    Some(match place {
        Some(place) => found.at(place, ""),
        None => found,
    })
}

/// Opens both; `true` beside an error of the database of networks.
fn read(geoip: &GeoIp) -> Result<Atlas, (bool, String)> {
    let cities = bytes(&geoip.path).map_err(|why| (false, why))?;
    let networks = geoip.asn.as_deref().map(bytes).transpose().map_err(|why| (true, why))?;
    Atlas::new(cities, networks).map_err(|(networks, error)| {
        let path = if networks { geoip.asn.as_deref().unwrap_or(&geoip.path) } else { &geoip.path };
        (networks, format!("{} cannot be used: {error}", path.display()))
    })
}

fn bytes(path: &Path) -> Result<Vec<u8>, String> {
    let cannot = |error: &std::io::Error| format!("{} cannot be read: {}", path.display(), super::replay::plain(error));
    let file = std::fs::File::open(path).map_err(|error| cannot(&error))?;
    let length = file.metadata().map_err(|error| cannot(&error))?.len();
    if length > MOST_BYTES {
        return Err(format!("{} has {} MiB; at most {} are read", path.display(), length >> 20, MOST_BYTES >> 20));
    }
    let mut bytes = Vec::with_capacity(length as usize + 1);
    file.take(MOST_BYTES).read_to_end(&mut bytes).map_err(|error| cannot(&error))?;
    Ok(bytes)
}
