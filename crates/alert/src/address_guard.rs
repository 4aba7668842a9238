//! Where notifications may go: an address typed by an administrator, or given by somebody's DNS, must not turn us into a
//! way to services that trust this machine (server-side request forgery).

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use reqwest::dns::{Addrs, Name, Resolve, Resolving};

/// Metadata services of clouds outside the link-local networks.
const METADATA_V4: [Ipv4Addr; 2] = [
    Ipv4Addr::new(100, 100, 100, 200),
    Ipv4Addr::new(192, 0, 0, 192),
];
const METADATA_V6: Ipv6Addr = Ipv6Addr::new(0xfd00, 0x0ec2, 0, 0, 0, 0, 0, 0x0254);

/// Which addresses a channel may reach. Private networks always: that is where receivers live.
#[derive(Clone, Copy, Debug)]
pub(crate) struct AddressGuard {
    pub(crate) allow_loopback: bool,
    pub(crate) allow_link_local: bool,
}

impl AddressGuard {
    /// Whether a notification may go to that address.
    pub(crate) fn allows(self, address: IpAddr) -> bool {
        match seen_through(address) {
            IpAddr::V4(v4) => self.allows_v4(v4),
            IpAddr::V6(v6) => self.allows_v6(v6),
        }
    }

    fn allows_v4(self, address: Ipv4Addr) -> bool {
        let [first, ..] = address.octets();
        if address.is_loopback() {
            return self.allow_loopback;
        }
        if address.is_link_local() || METADATA_V4.contains(&address) {
            return self.allow_link_local;
        }
        // 0.0.0.0/8 is this host; 224 and above are groups, reserved networks and broadcast.
        first != 0 && first < 224
    }

    fn allows_v6(self, address: Ipv6Addr) -> bool {
        if address.is_loopback() {
            return self.allow_loopback;
        }
        if address.is_unicast_link_local() || address == METADATA_V6 {
            return self.allow_link_local;
        }
        !address.is_unspecified() && !address.is_multicast()
    }
}

/// The IPv4 address inside an IPv6 one that only carries it: mapped, compatible, NAT64 (RFC 6052), 6to4 (RFC 3056).
fn seen_through(address: IpAddr) -> IpAddr {
    let IpAddr::V6(v6) = address.to_canonical() else {
        return address.to_canonical();
    };
    let [a, b, c, d, e, f, g, h] = v6.segments();
    let v4 = |high: u16, low: u16| {
        let ([a, b], [c, d]) = (high.to_be_bytes(), low.to_be_bytes());
        IpAddr::V4(Ipv4Addr::new(a, b, c, d))
    };
    match (a, b, c, d, e, f) {
        (0x64, 0xff9b, 0, 0, 0, 0) => v4(g, h),
        (0x2002, ..) => v4(b, c),
        // ::1 and :: are of IPv6's own; everything else below ::/96 is an IPv4 address in an old dress.
        (0, 0, 0, 0, 0, 0) if g != 0 || h > 1 => v4(g, h),
        _ => IpAddr::V6(v6),
    }
}

/// Resolves names as the machine does, and leaves out addresses that are not allowed: at the moment of connecting, so
/// that a name that changes its mind gains nothing.
impl Resolve for AddressGuard {
    fn resolve(&self, name: Name) -> Resolving {
        let guard = *self;
        Box::pin(async move {
            let host = name.as_str().to_owned();
            let found = tokio::net::lookup_host((host.as_str(), 0)).await?;
            let allowed: Vec<SocketAddr> = found.filter(|found| guard.allows(found.ip())).collect();
            if allowed.is_empty() {
                return Err(refused(&host).into());
            }
            Ok(Box::new(allowed.into_iter()) as Addrs)
        })
    }
}

fn refused(host: &str) -> io::Error {
    let text = format!(
        "{host} has no address that this channel may reach: see allow_loopback and allow_link_local"
    );
    io::Error::new(io::ErrorKind::PermissionDenied, text)
}

#[cfg(test)]
mod tests {
    use super::*;

    const STRICT: AddressGuard = AddressGuard {
        allow_loopback: false,
        allow_link_local: false,
    };

    fn check(guard: AddressGuard, addresses: &[&str], expected: bool) {
        for address in addresses {
            let parsed: IpAddr = address.parse().unwrap();
            assert_eq!(guard.allows(parsed), expected, "{address}");
        }
    }

    #[test]
    fn receivers_in_the_house_and_outside_are_allowed() {
        let usual = [
            "10.1.2.3",
            "192.168.0.9",
            "172.16.1.1",
            "203.0.113.7",
            "2001:db8::1",
            "fd12::1",
        ];
        check(STRICT, &usual, true);
    }

    #[test]
    fn this_machine_needs_leave() {
        let loopback = [
            "127.0.0.1",
            "127.9.9.9",
            "::1",
            "::ffff:127.0.0.1",
            "64:ff9b::7f00:1",
            "2002:7f00:1::",
        ];
        check(STRICT, &loopback, false);
        let allowing = AddressGuard {
            allow_loopback: true,
            ..STRICT
        };
        check(allowing, &loopback, true);
        check(allowing, &["169.254.169.254"], false);
    }

    #[test]
    fn link_local_and_metadata_need_leave() {
        let metadata = [
            "169.254.169.254",
            "::ffff:169.254.169.254",
            "::169.254.169.254",
            "100.100.100.200",
            "fe80::1",
            "fd00:ec2::254",
            "64:ff9b::a9fe:a9fe",
        ];
        check(STRICT, &metadata, false);
        check(
            AddressGuard {
                allow_link_local: true,
                ..STRICT
            },
            &metadata,
            true,
        );
    }

    #[test]
    fn what_is_no_receiver_is_never_allowed() {
        let all = AddressGuard {
            allow_loopback: true,
            allow_link_local: true,
        };
        check(
            all,
            &[
                "0.0.0.0",
                "0.1.2.3",
                "255.255.255.255",
                "224.0.0.1",
                "240.0.0.1",
                "::",
                "ff02::1",
            ],
            false,
        );
    }
}
