//! Fingerprints of secrets: a keyed hash that is stable for one installation and useless to anybody without its key.

use std::fmt;

use hmac::digest::array::Array;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

/// The key of all fingerprints: 32 random bytes that stay in the state directory. Its `Debug` shows nothing.
#[derive(Clone)]
pub struct FingerprintKey(Hmac<Sha256>);

impl FingerprintKey {
    /// From 32 random bytes.
    pub fn new(bytes: [u8; 32]) -> Self {
        // HMAC pads a short key with zeros to the hash's block (RFC 2104, section 2).
        let mut block = [0u8; 64];
        block[..32].copy_from_slice(&bytes);
        FingerprintKey(Hmac::new(&Array::from(block)))
    }

    /// A fixed key for a replay without state, so that two runs over the same lines print the same. Fingerprints made
    /// with it can be tried out by anybody, which a replay on one's own terminal allows.
    pub fn for_replay() -> Self {
        FingerprintKey::new(*b"lapwing replay: no secret at all")
    }

    /// HMAC-SHA256 of a secret (RFC 2104, FIPS 180-4).
    pub fn digest(&self, secret: &[u8]) -> [u8; 32] {
        let mut mac = self.0.clone();
        mac.update(secret);
        mac.finalize().into_bytes().into()
    }

    /// The six hexadecimal digits that people see, as in `[consumers]` after `fp:`.
    pub fn short(&self, secret: &[u8]) -> String {
        short(&self.digest(secret))
    }
}

impl fmt::Debug for FingerprintKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("FingerprintKey(…)")
    }
}

/// The first six hexadecimal digits of a digest.
pub(super) fn short(digest: &[u8; 32]) -> String {
    let digit = |n: u8| char::from(if n < 10 { b'0' + n } else { b'a' + n - 10 });
    digest.iter().take(3).flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_hmac_sha256() {
        // RFC 4231, test case 2, whose key is shorter than 32 bytes: zero padding makes it the same.
        let mut key = [0u8; 32];
        key[..4].copy_from_slice(b"Jefe");
        let digest = FingerprintKey::new(key).digest(b"what do ya want for nothing?");
        assert_eq!(&digest[..8], [0x5b, 0xdc, 0xc1, 0x46, 0xbf, 0x60, 0x75, 0x4e]);
        assert_eq!(short(&digest), "5bdcc1");
    }

    #[test]
    fn depends_on_the_key_and_shows_nothing() {
        let (a, b) = (FingerprintKey::new([1; 32]), FingerprintKey::new([2; 32]));
        assert_ne!(a.digest(b"x"), b.digest(b"x"));
        assert_eq!(format!("{a:?}"), "FingerprintKey(…)");
    }
}
