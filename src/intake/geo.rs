//! Where on Earth an address is, by a database in MaxMind's format that the user gives.
//!
//! The bytes come from outside, and so may be anything: whatever cannot be read is an address without a place. Nothing
//! here opens a file; `app` does.

use std::net::IpAddr;

use maxminddb::Reader;
use serde::Deserialize;

use crate::event::Place;

/// The most characters of a city's name.
const NAME_CHARS: usize = 60;

/// Words in the names of networks that machines, or people's tunnels, stand in: who comes from there may be anywhere.
const HOSTED: &[&str] = &[
    "amazon",
    "aws",
    "google",
    "microsoft",
    "azure",
    "oracle",
    "alibaba",
    "tencent",
    "digitalocean",
    "linode",
    "akamai",
    "hetzner",
    "ovh",
    "scaleway",
    "contabo",
    "vultr",
    "choopa",
    "constant company",
    "leaseweb",
    "cloudflare",
    "fastly",
    "zscaler",
    "netskope",
    "m247",
    "datacamp",
    "mullvad",
    "nordvpn",
    "expressvpn",
    "protonvpn",
    "tzulo",
    "quadranet",
    "packethub",
    "hosting",
    "datacenter",
    "data center",
    "cloud",
    "server",
    "colo",
    "colocation",
];

/// Words in the names of networks that give homes and phones their access. Names of those who mostly carry others' traffic, or
/// rent machines out as well, are left out.
const ACCESS: &[&str] = &[
    "telecom",
    "telekom",
    "telefonica",
    "telekomunikasi",
    "telia",
    "telenor",
    "tele2",
    "telstra",
    "telkom",
    "telus",
    "telmex",
    "cable",
    "cablevision",
    "broadband",
    "mobile",
    "movil",
    "movistar",
    "wireless",
    "cellular",
    "cellco",
    "fibre",
    "fiber",
    "dsl",
    "lte",
    "gsm",
    "comcast",
    "charter communications",
    "cox communications",
    "verizon",
    "att",
    "at t",
    "centurylink",
    "frontier communications",
    "rogers communications",
    "bell canada",
    "shaw communications",
    "videotron",
    "vodafone",
    "vodacom",
    "orange",
    "bouygues",
    "sfr",
    "free sas",
    "proxad",
    "proximus",
    "telenet",
    "kpn",
    "ziggo",
    "british telecommunications",
    "bt public",
    "virgin media",
    "sky uk",
    "talktalk",
    "ee limited",
    "o2",
    "swisscom",
    "sunrise",
    "fastweb",
    "tim s p a",
    "wind tre",
    "claro",
    "reliance jio",
    "bharti airtel",
    "airtel",
    "bsnl",
    "docomo",
    "kddi",
    "softbank",
    "chinanet",
    "china unicom",
    "chunghwa",
    "optus",
    "tpg",
    "pldt",
    "mtn",
    "safaricom",
    "rostelecom",
    "turkcell",
    "starlink",
    "space exploration",
];

/// Words so short that they also begin others: only whole ones count.
const SHORT: usize = 4;

/// Who is behind a network, as far as its name says.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Behind {
    /// Machines for hire, or people's tunnels.
    Machines,
    /// Homes and phones.
    Homes,
    /// Nobody knows: a company, a university, a carrier.
    Unknown,
}

/// Who is behind a network of this name.
fn behind(network: &str) -> Behind {
    let spaced = |c: char| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { ' ' };
    let name: String = std::iter::once(' ').chain(network.chars().map(spaced)).chain([' ']).collect();
    let says = |word: &str| match word.len() {
        ..=SHORT => name.contains(&format!(" {word} ")),
        _ => name.contains(&format!(" {word}")),
    };
    if HOSTED.iter().any(|word| says(word)) || name.contains("vpn ") {
        Behind::Machines
    } else if ACCESS.iter().any(|word| says(word)) {
        Behind::Homes
    } else {
        Behind::Unknown
    }
}

/// Why a database cannot be used.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum GeoError {
    /// Not a database, or a damaged one.
    #[error("it is no database in MaxMind's format, or damaged: {0}")]
    Damaged(String),
    /// Of countries: it has no coordinates, and the middle of a country is farther from its edges than what counts as far.
    #[error(
        "it is a database of countries (\"{0}\"), which are too coarse to tell how far apart two places are; \
         download one of cities: GeoLite2-City (free of charge, `EditionIDs GeoLite2-City` in GeoIP.conf, then \
         `geoipupdate`) or DB-IP's City Lite in MMDB form"
    )]
    Countries(String),
    /// Of another kind.
    #[error("it is a database of the kind \"{found}\"; expected {expected}")]
    Other {
        /// What it says it is.
        found: String,
        /// What is needed.
        expected: &'static str,
    },
}

/// Databases of places, and, where there is one, of networks.
pub struct Atlas {
    cities: Reader<Vec<u8>>,
    networks: Option<Reader<Vec<u8>>>,
}

impl std::fmt::Debug for Atlas {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Atlas").field("networks", &self.networks.is_some()).finish_non_exhaustive()
    }
}

#[derive(Deserialize)]
struct City<'a> {
    #[serde(borrow, default)]
    city: Option<Named<'a>>,
    #[serde(borrow, default)]
    country: Option<Country<'a>>,
    #[serde(default)]
    location: Option<Location>,
}

#[derive(Deserialize)]
struct Named<'a> {
    #[serde(borrow, default)]
    names: Option<Names<'a>>,
}

#[derive(Deserialize)]
struct Names<'a> {
    #[serde(borrow, default)]
    en: Option<&'a str>,
}

#[derive(Deserialize)]
struct Country<'a> {
    #[serde(borrow, default)]
    iso_code: Option<&'a str>,
    #[serde(borrow, default)]
    names: Option<Names<'a>>,
}

#[derive(Deserialize)]
struct Location {
    #[serde(default)]
    latitude: Option<f64>,
    #[serde(default)]
    longitude: Option<f64>,
}

#[derive(Deserialize)]
struct Network<'a> {
    #[serde(borrow, default)]
    autonomous_system_organization: Option<&'a str>,
}

impl Atlas {
    /// Of the bytes of a database of cities, and of one of networks (autonomous systems).
    ///
    /// # Errors
    /// The first that cannot be used, and why: `true` beside it if it is that of networks.
    pub fn new(cities: Vec<u8>, networks: Option<Vec<u8>>) -> Result<Self, (bool, GeoError)> {
        let cities = open(cities).map_err(|error| (false, error))?;
        let kind = &cities.metadata().database_type;
        if kind.contains("Country") && !kind.contains("City") {
            return Err((false, GeoError::Countries(kind.clone())));
        }
        if kind.contains("ASN") && !kind.contains("City") {
            let expected = "one of cities, which has coordinates (GeoLite2-City, say)";
            return Err((false, GeoError::Other { found: kind.clone(), expected }));
        }
        let networks = networks.map(open).transpose().map_err(|error| (true, error))?;
        if let Some(kind) = networks.as_ref().map(|networks| &networks.metadata().database_type)
            && (kind.contains("City") || kind.contains("Country"))
        {
            return Err((
                true,
                GeoError::Other { found: kind.clone(), expected: "one of networks (GeoLite2-ASN, say)" },
            ));
        }
        Ok(Atlas { cities, networks })
    }

    /// Whether networks of machines and tunnels are told apart.
    pub fn knows_networks(&self) -> bool {
        self.networks.is_some()
    }

    /// Where an address is, and the name of the place: a city if it is known, else a country.
    pub fn place(&self, address: IpAddr) -> Option<(Place, String)> {
        let found: City<'_> = self.cities.lookup(address).ok()?.decode().ok()??;
        let location = found.location?;
        let code = found.country.as_ref().and_then(|country| country.iso_code).unwrap_or("");
        let behind = self.behind(address);
        let place = Place::new(location.latitude?, location.longitude?, code, behind == Behind::Machines);
        let place = if behind == Behind::Homes && place.is_some() { place.of_access() } else { place };
        let en = |names: Option<Names<'_>>| names.and_then(|names| names.en).map(str::to_owned);
        let city = found.city.and_then(|city| en(city.names));
        let country =
            found.country.and_then(|country| en(country.names)).or((!code.is_empty()).then(|| code.to_owned()));
        let name = match (city, country) {
            (Some(city), _) if !code.is_empty() => format!("{city} ({code})"),
            (Some(name), _) | (None, Some(name)) => name,
            (None, None) => String::new(),
        };
        place.is_some().then(|| (place, name.chars().take(NAME_CHARS).collect()))
    }

    fn behind(&self, address: IpAddr) -> Behind {
        let look = |networks: &Reader<Vec<u8>>| -> Option<Behind> {
            let found: Network<'_> = networks.lookup(address).ok()?.decode().ok()??;
            Some(behind(found.autonomous_system_organization?))
        };
        self.networks.as_ref().and_then(look).unwrap_or(Behind::Unknown)
    }
}

fn open(bytes: Vec<u8>) -> Result<Reader<Vec<u8>>, GeoError> {
    Reader::from_source(bytes).map_err(|error| GeoError::Damaged(error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn networks_of_people_are_not_taken_for_hosts_of_machines() {
        for name in [
            "AMAZON-02",
            "AWS Europe",
            "OVH SAS",
            "M247 Europe SRL",
            "Acme Colo Ltd",
            "DigitalOcean, LLC",
            "ExpressVPN",
            "PureVPN",
            "my VPN",
            "Some-Cloud",
        ] {
            assert_eq!(behind(name), Behind::Machines, "{name}");
        }
        for name in [
            "Colombia Movil",
            "Lawson Telecom",
            "Telefonica de Espana",
            "Movhan Fibre",
            "Observer Net",
            "COLT Technology",
        ] {
            assert_ne!(behind(name), Behind::Machines, "{name}");
        }
        for name in [
            "Comcast Cable Communications, LLC",
            "Deutsche Telekom AG",
            "T-Mobile USA, Inc.",
            "Vodafone GmbH",
            "Telefonica de Espana",
            "ATT-INTERNET4",
            "AT&T Services, Inc.",
            "Reliance Jio Infocomm Limited",
            "Bouygues Telecom SA",
            "KPN B.V.",
        ] {
            assert_eq!(behind(name), Behind::Homes, "{name}");
        }
        for name in ["Stanford University", "Level 3 Parent, LLC", "Siemens AG", "Attica Bank", "Lteam GmbH", ""] {
            assert_eq!(behind(name), Behind::Unknown, "{name}");
        }
        assert_eq!(behind("Telekom Cloud Services"), Behind::Machines, "who rents machines out may be anything");
    }

    #[test]
    fn what_is_no_database_is_refused() {
        for bytes in [Vec::new(), b"hello".to_vec(), vec![0xAB; 5000], b"\xab\xcd\xefMaxMind.com\xe0".to_vec()] {
            let (networks, error) = Atlas::new(bytes, None).unwrap_err();
            assert!(!networks && matches!(error, GeoError::Damaged(_)), "{error}");
        }
    }
}
