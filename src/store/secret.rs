//! Secret material, made once per state directory: what fingerprints and ids depend on.

use std::fmt;
use std::fs;
use std::path::Path;

use rustix::rand::{GetRandomFlags, getrandom};

use super::directory;
use super::error::StoreError;
use super::seal;

pub(super) const FILE: &str = "secret";
const LENGTH: usize = 40;

/// The key of fingerprints and the seed of ids. `Debug` shows neither.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret {
    /// Key of the HMAC that makes fingerprints of API keys.
    pub fingerprint_key: [u8; 32],
    /// Seed of [`crate::event::Hasher`].
    pub hash_seed: u64,
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

impl Secret {
    /// New, from the kernel's random numbers.
    pub(super) fn create() -> Result<Secret, StoreError> {
        let mut bytes = [0u8; LENGTH];
        let mut filled = 0;
        while filled < LENGTH {
            match getrandom(&mut bytes[filled..], GetRandomFlags::empty()) {
                Ok(count) => filled += count,
                Err(rustix::io::Errno::INTR) => {}
                Err(e) => return Err(StoreError::io("get random numbers for", Path::new(FILE), e.into())),
            }
        }
        Ok(Secret::of(&bytes))
    }

    fn of(bytes: &[u8; LENGTH]) -> Secret {
        let (mut fingerprint_key, mut seed) = ([0u8; 32], [0u8; 8]);
        fingerprint_key.copy_from_slice(&bytes[..32]);
        seed.copy_from_slice(&bytes[32..]);
        Secret { fingerprint_key, hash_seed: u64::from_le_bytes(seed) }
    }

    /// As it is kept, with a checksum.
    pub(super) fn sealed(&self) -> Vec<u8> {
        let mut bytes = self.fingerprint_key.to_vec();
        bytes.extend_from_slice(&self.hash_seed.to_le_bytes());
        seal::seal(FILE.as_bytes(), &bytes)
    }

    /// From what was kept, if it is whole.
    pub(super) fn unsealed(sealed: &[u8]) -> Option<Secret> {
        let bytes: &[u8; LENGTH] = seal::unseal(FILE.as_bytes(), sealed)?.try_into().ok()?;
        Some(Secret::of(bytes))
    }

    /// From its file: `None` if there is none, an empty error if it is damaged.
    pub(super) fn read(dir: &Path) -> Result<Option<Secret>, ()> {
        match fs::read(dir.join(FILE)) {
            Ok(bytes) => Secret::unsealed(&bytes).map(Some).ok_or(()),
            Err(_) => Ok(None),
        }
    }

    /// Writes its file, mode 0600.
    pub(super) fn write(&self, dir: &Path) -> Result<(), StoreError> {
        directory::write_private(&dir.join(FILE), &self.sealed())
    }
}
