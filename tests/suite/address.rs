//! Where calls come from. Callers live in private and reserved blocks: 10.0.0.0/8 for companies, clouds and homes,
//! 100.64.0.0/10 for phones, 198.18.0.0/15 for strangers.

use super::random::{Random, mix};
use super::shape::{HOUR, MINUTE};

/// The first address of phones, and of strangers.
const PHONES: u32 = 0x6440_0000;
const STRANGERS: u32 = 0xC612_0000;

/// Which addresses a caller uses.
#[derive(Clone, Debug)]
pub enum Addresses {
    /// Its own servers; the first does most.
    Fixed(Vec<u32>),
    /// Some machines that share the work.
    Even(Vec<u32>),
    /// An office whose provider gives it another address every so many milliseconds, within 16 networks.
    Office { salt: u64, period: i64 },
    /// Machines that come and go in a cloud of so many networks; each lives for some hours.
    Cloud { salt: u64, networks: u64, machines: u64, life: i64 },
    /// Phones: so many at a time, each with another address every twenty minutes.
    Phones { salt: u64, phones: u64 },
    /// Runs of a build system: each ten minutes one to three machines of a large cloud.
    Builds { salt: u64 },
    /// Each of so many, in turn for a while: an attacker that moves on.
    Moving { addresses: Vec<u32>, every: i64, from: i64 },
}

/// An address of the company block.
pub fn company(salt: u64, n: u64) -> u32 {
    let h = mix(salt ^ mix(n));
    0x0A00_0000 | (h as u32 & 0x00FF_FFFF)
}

/// The n-th stranger: each in a network of its own (512 networks).
pub fn stranger(salt: u64, n: u64) -> u32 {
    let network = (mix(salt) + n) % 512;
    STRANGERS + ((network as u32) << 8) + 1 + (mix(salt ^ n) % 250) as u32
}

impl Addresses {
    pub fn fixed(salt: u64, n: u64) -> Self {
        Addresses::Fixed((0..n.max(1)).map(|i| company(salt, i)).collect())
    }

    /// Strangers in so many networks.
    pub fn strangers(salt: u64, n: u64) -> Self {
        Addresses::Even((0..n.max(1)).map(|i| stranger(salt, i)).collect())
    }

    /// The address of one call.
    pub fn choose(&self, now: i64, random: &mut Random) -> u32 {
        match self {
            Addresses::Fixed(list) => {
                let u = random.unit();
                list[((u * u * list.len() as f64) as usize).min(list.len() - 1)]
            }
            Addresses::Even(list) => *random.one(list),
            Addresses::Office { salt, period } => {
                let turn = now.div_euclid(*period) as u64;
                company(*salt, 0) & 0xFFFF_0000 | (mix(salt ^ mix(turn)) % 4096) as u32
            }
            Addresses::Cloud { salt, networks, machines, life } => {
                let machine = random.below(*machines);
                let phase = mix(salt ^ machine) as i64 & 0xFF_FFFF;
                let turn = (now + phase).div_euclid(*life) as u64;
                let which = mix(salt ^ mix(machine ^ mix(turn)));
                let network = company(*salt, 1 + which % networks) & 0xFFFF_FF00;
                network | (which >> 32) as u32 & 0xFF
            }
            Addresses::Phones { salt, phones } => {
                let phone = random.below(*phones);
                let phase = mix(salt ^ phone) as i64 & 0xF_FFFF;
                let turn = (now + phase).div_euclid(20 * MINUTE) as u64;
                PHONES + (mix(salt ^ mix(phone ^ mix(turn))) as u32 & 0x003F_FFFF)
            }
            Addresses::Builds { salt } => {
                let turn = now.div_euclid(10 * MINUTE) as u64;
                company(*salt, mix(turn ^ (random.below(3) << 40)) % 20_000)
            }
            Addresses::Moving { addresses, every, from } => {
                let turn = ((now - from).max(0) / every.max(&1)) as usize;
                addresses[turn % addresses.len()]
            }
        }
    }
}

/// A home, a café, a company: anybody who looks at the site.
pub fn visitor(random: &mut Random) -> u32 {
    0x0A00_0000 | (random.next() as u32 & 0x00FF_FFFF)
}

/// Cloud machines live for some hours.
pub const CLOUD_LIFE: i64 = 7 * HOUR;
