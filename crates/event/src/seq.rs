//! The place of a record in the journal.

use serde::{Deserialize, Serialize};

/// A record's place in the journal: within a node, its identity.
///
/// Given at append, only ever growing, starting at 1, at most 2⁵³−1 so that JavaScript and JSON carry it
/// exactly. Within one retention class there may be gaps.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct Seq(pub u64);

impl Seq {
    /// Before the first record: no record has it.
    pub const ZERO: Self = Self(0);
    /// The greatest Seq there can be.
    pub const MAX: Self = Self((1 << 53) - 1);

    /// The Seq after this one, saturating at [`Seq::MAX`].
    #[must_use]
    pub fn next(self) -> Self {
        Self(self.0.saturating_add(1).min(Self::MAX.0))
    }
}

impl std::fmt::Display for Seq {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}
