//! Who makes a change.

use std::net::IpAddr;

/// Who makes a change, as the journal will name them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Actor {
    /// The token's or the account's name; `cli` for the command line on a data directory, `nhatky` for the product.
    pub name: String,
    /// From where, if over the network.
    pub peer: Option<IpAddr>,
}

impl Actor {
    /// Somebody with that name, at that address.
    #[must_use]
    pub fn new(name: impl Into<String>, peer: Option<IpAddr>) -> Self {
        Self {
            name: name.into(),
            peer,
        }
    }

    /// The command line on a data directory that no server holds.
    #[must_use]
    pub fn cli() -> Self {
        Self::new("cli", None)
    }

    /// The product itself.
    #[must_use]
    pub fn product() -> Self {
        Self::new("nhatky", None)
    }
}
