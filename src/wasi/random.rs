//! Random bytes from a seed, for machines whose own are few or slow.

use super::seams::Entropy;
use chacha20::ChaCha20Rng;
use chacha20::rand_core::{Rng, SeedableRng};

/// Bytes in a seed.
pub const SEED_BYTES: usize = 32;

/// ChaCha20 (RFC 8439) as a generator: bytes as hard to foresee as the seed.
pub struct SeededEntropy(ChaCha20Rng);

impl SeededEntropy {
    /// `seed` must be different and unknown each time.
    pub fn new(seed: [u8; SEED_BYTES]) -> Self {
        Self(ChaCha20Rng::from_seed(seed))
    }
}

impl Entropy for SeededEntropy {
    fn fill(&mut self, bytes: &mut [u8]) {
        self.0.fill_bytes(bytes);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::vec;
    use std::vec::Vec;

    fn bytes(seed: u8, lens: &[usize]) -> Vec<u8> {
        let mut entropy = SeededEntropy::new([seed; SEED_BYTES]);
        lens.iter()
            .flat_map(|&len| {
                let mut part = vec![0; len];
                entropy.fill(&mut part);
                part
            })
            .collect()
    }

    /// Appendix A.1 of RFC 8439, test vector 1: the key stream of the key 0, nonce 0.
    #[test]
    fn is_the_key_stream_of_the_rfc() {
        let expected = [0x76, 0xb8, 0xe0, 0xad, 0xa0, 0xf1, 0x3d, 0x90, 0x40, 0x5d, 0x6a, 0xe5, 0x53, 0x86, 0xbd, 0x28];
        assert_eq!(bytes(0, &[16]), expected);
    }

    #[test]
    fn differs_by_seed_and_never_repeats() {
        assert_ne!(bytes(1, &[64]), bytes(2, &[64]));
        let all = bytes(3, &[64, 64, 100, 5, 1000]);
        assert_ne!(all[..64], all[64..128]);
        assert!(all.windows(16).enumerate().all(|(i, window)| !all[i + 1..].windows(16).any(|other| other == window)));
    }
}
