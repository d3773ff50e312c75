//! Values that can tell when they were damaged: a version and a checksum inside every one of them.
//!
//! The stores that were measured open happily with wrong rows after one flipped bit, so nothing that is read back is
//! believed before its checksum holds. The checksum covers the key too: a value under another's key is damage.

use rapidhash::v3::rapidhash_v3;

/// The version of the layout of one value.
const VALUE_VERSION: u8 = 1;
/// Bytes before the payload: version and checksum.
const HEAD: usize = 9;

/// A checksum that is stable across versions and platforms. It finds accidents; it does not stop a forger.
pub(super) fn checksum(bytes: &[u8]) -> u64 {
    rapidhash_v3(bytes)
}

/// The stored form of `payload` under `key`.
pub(super) fn seal(key: &[u8], payload: &[u8]) -> Vec<u8> {
    let mut sealed = Vec::with_capacity(HEAD + payload.len());
    sealed.push(VALUE_VERSION);
    sealed.extend_from_slice(&sum(key, payload).to_le_bytes());
    sealed.extend_from_slice(payload);
    sealed
}

/// The payload of a stored value, if it is whole and belongs to `key`.
pub(super) fn unseal<'a>(key: &[u8], sealed: &'a [u8]) -> Option<&'a [u8]> {
    let (head, payload) = sealed.split_at_checked(HEAD)?;
    let (version, stored) = head.split_first()?;
    let stored = u64::from_le_bytes(stored.try_into().ok()?);
    (*version == VALUE_VERSION && stored == sum(key, payload)).then_some(payload)
}

fn sum(key: &[u8], payload: &[u8]) -> u64 {
    checksum(key).rotate_left(17) ^ checksum(payload)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_flipped_bit_is_found() {
        let sealed = seal(b"key", b"a value");
        assert_eq!(unseal(b"key", &sealed), Some(&b"a value"[..]));
        assert_eq!(unseal(b"kex", &sealed), None);
        for bit in 0..sealed.len() * 8 {
            let mut damaged = sealed.clone();
            damaged[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(unseal(b"key", &damaged), None, "bit {bit}");
        }
        for length in 0..sealed.len() {
            assert_eq!(unseal(b"key", &sealed[..length]), None, "length {length}");
        }
    }

    #[test]
    fn checksums_are_stored_so_they_may_never_change() {
        assert_eq!(checksum(b"lapwing"), 236_299_255_265_878_525);
        assert_eq!(checksum(b""), 232_177_599_295_442_350);
    }
}
