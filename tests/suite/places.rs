//! Where callers are. Each is at home in some city; phones are anywhere in their country, machines of a cloud anywhere at
//! all. Where strangers are, stories say.

use lapwing::event::Place;

use super::actor::Actor;
use super::address::Addresses;
use super::random::mix;
use super::world::World;

/// A city: north, east, country.
pub type City = (f64, f64, &'static str);

/// Where callers are at home.
pub const HOMES: [City; 8] = [
    (47.4, 8.5, "CH"),
    (52.5, 13.4, "DE"),
    (48.9, 2.4, "FR"),
    (51.5, -0.1, "GB"),
    (40.7, -74.0, "US"),
    (37.8, -122.4, "US"),
    (35.7, 139.7, "JP"),
    (19.1, 72.9, "IN"),
];
/// Where a country's phones come out.
const PHONES: [City; 4] = [(53.6, 10.0, "DE"), (52.5, 13.4, "DE"), (50.1, 8.7, "DE"), (48.1, 11.6, "DE")];
/// Where clouds have their machines.
const CLOUDS: [City; 4] = [(53.3, -6.3, "IE"), (39.0, -77.5, "US"), (1.4, 103.8, "SG"), (50.1, 8.7, "DE")];

/// Singapore, and Frankfurt.
pub const SINGAPORE: City = CLOUDS[2];
pub const FRANKFURT: City = CLOUDS[3];

/// As a place of people, or of machines for hire.
pub fn place((north, east, country): City, hosted: bool) -> Place {
    Place::new(north, east, country, hosted)
}

/// Where the callers of an actor are, and so the address of a call.
pub fn of(world: &World, actor: &Actor, address: u32) -> Place {
    if let Some((_, place)) = world.places.iter().find(|(network, _)| *network == address & 0xFFFF_FF00) {
        return *place;
    }
    let some = |cities: &[City], salt: u64, hosted| place(cities[mix(salt) as usize % cities.len()], hosted);
    let network = u64::from(address >> 8);
    match &actor.addresses {
        Addresses::Fixed(_) | Addresses::Office { .. } if address >> 24 == 10 => some(&HOMES, actor.salt, false),
        Addresses::Phones { .. } => some(&PHONES, network, false),
        Addresses::Cloud { .. } | Addresses::Builds { .. } => some(&CLOUDS, network, true),
        _ => Place::NONE,
    }
}
