//! The hash chain over records: integrity of what was received, whatever the form in which it is stored.

use std::fmt;

use sha2::{Digest, Sha256};

/// A link of the chain: `h_n = SHA-256(0x01 ‖ h_{n−1} ‖ leaf_n)`; before the first record it is all zeros.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct ChainHash(pub [u8; 32]);

impl ChainHash {
    /// Before the first record.
    pub const START: Self = Self([0; 32]);

    /// The link after the record whose canonical encoding is `canonical`, whose leaf is
    /// `SHA-256(0x00 ‖ canonical)`.
    #[must_use]
    pub fn after(self, canonical: &[u8]) -> Self {
        let mut leaf = Sha256::new();
        leaf.update([0x00]);
        leaf.update(canonical);
        let leaf: [u8; 32] = leaf.finalize().into();
        let mut link = [0; 65];
        let (tag, rest) = link.split_at_mut(1);
        let (previous, own) = rest.split_at_mut(32);
        tag.copy_from_slice(&[0x01]);
        previous.copy_from_slice(&self.0);
        own.copy_from_slice(&leaf);
        Self(Sha256::digest(link).into())
    }

    /// The link over records that were lost and that nothing follows: `SHA-256(0x02 ‖ h ‖ first ‖ last)`, numbers
    /// as 8 bytes, least first.
    #[must_use]
    pub(crate) fn over_gap(self, first: u64, last: u64) -> Self {
        let mut link = Sha256::new();
        link.update([0x02]);
        link.update(self.0);
        link.update(first.to_le_bytes());
        link.update(last.to_le_bytes());
        Self(link.finalize().into())
    }
}

impl fmt::Display for ChainHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for ChainHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
