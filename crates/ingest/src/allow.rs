//! Who may send: a list of networks.

use std::net::IpAddr;
use std::str::FromStr;

use ipnet::IpNet;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Networks and addresses whose hosts may send; an empty list lets everybody.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "Vec<String>", into = "Vec<String>")]
#[schemars(with = "Vec<String>")]
pub struct AllowList(Vec<IpNet>);

/// A text that is neither an address nor a network.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is neither an address nor a network such as 10.0.0.0/8 or 2001:db8::/32")]
pub struct NetworkError(String);

impl AllowList {
    /// Whether the host at `peer` may send. An IPv4 address inside an IPv6 one counts as itself.
    #[must_use]
    pub fn allows(&self, peer: IpAddr) -> bool {
        let peer = peer.to_canonical();
        self.0.is_empty() || self.0.iter().any(|network| network.contains(&peer))
    }
}

impl TryFrom<Vec<String>> for AllowList {
    type Error = NetworkError;

    fn try_from(texts: Vec<String>) -> Result<Self, NetworkError> {
        let network = |text: String| {
            IpNet::from_str(&text)
                .or_else(|_| IpAddr::from_str(&text).map(IpNet::from))
                .map_err(|_| NetworkError(text))
        };
        texts
            .into_iter()
            .map(network)
            .collect::<Result<_, _>>()
            .map(Self)
    }
}

impl From<AllowList> for Vec<String> {
    fn from(list: AllowList) -> Self {
        list.0.iter().map(ToString::to_string).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_allows_what_lies_in_its_networks() {
        let list = ["10.0.0.0/8", "192.0.2.7", "2001:db8::/32"].map(str::to_owned);
        let list = AllowList::try_from(list.to_vec()).unwrap();
        let check = |peer: &str, expected| {
            assert_eq!(list.allows(peer.parse().unwrap()), expected, "{peer}");
        };
        check("10.1.2.3", true);
        check("::ffff:10.1.2.3", true);
        check("192.0.2.7", true);
        check("192.0.2.8", false);
        check("2001:db8::1", true);
        check("::1", false);
    }

    #[test]
    fn an_empty_list_allows_everybody() {
        assert!(AllowList::default().allows("203.0.113.9".parse().unwrap()));
        assert!(AllowList::try_from(vec!["10.0.0.0/33".to_owned()]).is_err());
    }
}
