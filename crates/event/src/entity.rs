//! Users, addresses and hosts in canonical form, so that one account is one key whatever writes its name.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use crate::class::vocabulary;

vocabulary! {
    /// What an entity is.
    EntityKind {
        /// An account.
        User = "user",
        /// An address.
        Address = "address",
        /// A host or a device.
        Host = "host",
    }
}

/// A user, an address or a host, in canonical form.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Entity {
    /// What it is.
    pub kind: EntityKind,
    /// Its canonical name.
    pub name: Box<str>,
}

impl Entity {
    /// The account: lower-case, without `DOMAIN\` or `@domain`. `None` for an empty name or `-`.
    #[must_use]
    pub fn user(name: &str) -> Option<Self> {
        let (account, _) = split_account(name);
        Self::named(EntityKind::User, account.to_lowercase())
    }

    /// The address, IPv4 in IPv6 taken out.
    #[must_use]
    pub fn address(address: IpAddr) -> Self {
        let name = address.to_canonical().to_string().into_boxed_str();
        Self {
            kind: EntityKind::Address,
            name,
        }
    }

    /// The host: short and lower-case; an address stays whole. `None` for an empty name or `-`.
    #[must_use]
    pub fn host(name: &str) -> Option<Self> {
        if let Ok(address) = name.parse::<IpAddr>() {
            return Self::named(EntityKind::Host, address.to_canonical().to_string());
        }
        let short = name.split('.').next().unwrap_or_default();
        Self::named(EntityKind::Host, short.to_lowercase())
    }

    fn named(kind: EntityKind, name: String) -> Option<Self> {
        let known = !name.is_empty() && name != "-";
        known.then(|| Self {
            kind,
            name: name.into_boxed_str(),
        })
    }
}

/// `user:admin`, `address:10.0.0.1`, `host:fw1`.
impl std::fmt::Display for Entity {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}:{}", self.kind, self.name)
    }
}

/// Takes the domain off an account: `CORP\an` and `an@corp` give (`an`, `Some(corp)`).
#[must_use]
pub fn split_account(name: &str) -> (&str, Option<&str>) {
    let name = name.trim();
    if let Some((domain, account)) = name.split_once('\\') {
        return (account, Some(domain).filter(|domain| !domain.is_empty()));
    }
    match name.split_once('@') {
        Some((account, domain)) if !account.is_empty() && !domain.is_empty() => {
            (account, Some(domain))
        }
        _ => (name, None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_account_is_one_key_whatever_writes_its_name() {
        for name in [
            "admin",
            "ADMIN",
            "CORP\\Admin",
            "admin@corp.local",
            " admin ",
        ] {
            assert_eq!(Entity::user(name).unwrap().to_string(), "user:admin");
        }
        assert_eq!(Entity::user(""), None);
        assert_eq!(Entity::user("-"), None);
        assert_eq!(Entity::user("Đặng@x").unwrap().to_string(), "user:đặng");
    }

    #[test]
    fn hosts_are_short_and_addresses_whole() {
        assert_eq!(
            Entity::host("DB1.tiengiang.gov.vn").unwrap().to_string(),
            "host:db1"
        );
        assert_eq!(
            Entity::host("10.1.2.3").unwrap().to_string(),
            "host:10.1.2.3"
        );
        let mapped = "::ffff:10.1.2.3".parse().unwrap();
        assert_eq!(Entity::address(mapped).to_string(), "address:10.1.2.3");
    }
}
