//! Which IP addresses a connector may be connected to.
//!
//! The decision is made on the address after resolution, and the connection goes to that very address: a name whose DNS answer changes
//! between the check and the connection gains nothing. An address that carries another one inside (IPv4-mapped, IPv4-compatible, NAT64,
//! 6to4) is judged by the address inside, because that is where the packets end. The ranges are those of IANA's special-purpose registries
//! (RFC 6890 and its updates).

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// How far an address reaches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reach {
    /// The public Internet: always allowed.
    Public,
    /// This machine or a network of the operator's own: loopback, RFC 1918, carrier-grade NAT (100.64/10), unique local. Needs the grant
    /// `allow_private_network`.
    Private,
    /// Nothing a connector ever has business with, whatever is granted: link-local (cloud metadata services live there), multicast,
    /// broadcast, unspecified, documentation, benchmarking, reserved.
    Never,
}

impl Reach {
    pub(super) fn of(address: IpAddr) -> Self {
        match address {
            IpAddr::V4(address) => of_v4(address),
            IpAddr::V6(address) => of_v6(address),
        }
    }
}

fn of_v4(address: Ipv4Addr) -> Reach {
    match address.octets() {
        [10, ..] | [127, ..] | [192, 168, ..] => Reach::Private,
        [172, second, ..] if (16..=31).contains(&second) => Reach::Private,
        [100, second, ..] if (64..=127).contains(&second) => Reach::Private,
        // This network, link-local, IETF protocol assignments, documentation (three blocks), 6to4 relay, benchmarking.
        [0, ..] | [169, 254, ..] | [192, 0, 0, _] | [192, 0, 2, _] | [198, 51, 100, _] | [203, 0, 113, _] | [192, 88, 99, _] => {
            Reach::Never
        }
        [198, second, ..] if second == 18 || second == 19 => Reach::Never,
        // Multicast, reserved, broadcast.
        [224..=255, ..] => Reach::Never,
        _ => Reach::Public,
    }
}

fn of_v6(address: Ipv6Addr) -> Reach {
    let embedded = |high: u16, low: u16| of_v4(Ipv4Addr::from(u32::from(high) << 16 | u32::from(low)));
    match address.segments() {
        [0, 0, 0, 0, 0, 0, 0, 0] => Reach::Never,
        [0, 0, 0, 0, 0, 0, 0, 1] => Reach::Private,
        // IPv4-compatible (deprecated), IPv4-mapped, NAT64.
        [0, 0, 0, 0, 0, 0, high, low] => embedded(high, low),
        [0, 0, 0, 0, 0, 0xffff, high, low] => embedded(high, low),
        [0x64, 0xff9b, 0, 0, 0, 0, high, low] => embedded(high, low),
        // 6to4.
        [0x2002, high, low, ..] => embedded(high, low),
        // Unique local.
        [first, ..] if first & 0xfe00 == 0xfc00 => Reach::Private,
        // IETF protocol assignments (Teredo, benchmarking, ORCHID), documentation (two blocks).
        [0x2001, second, ..] if second < 0x200 => Reach::Never,
        [0x2001, 0x0db8, ..] => Reach::Never,
        [0x3fff, second, ..] if second < 0x1000 => Reach::Never,
        // Global unicast is 2000::/3; everything else (link-local, site-local, multicast, discard-only, local NAT64, …) is not.
        [first, ..] if first & 0xe000 == 0x2000 => Reach::Public,
        _ => Reach::Never,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reach(text: &str) -> Reach {
        Reach::of(text.parse().unwrap())
    }

    #[test]
    fn only_public_addresses_are_public() {
        for text in ["8.8.8.8", "1.1.1.1", "172.32.0.1", "172.15.0.1", "100.63.0.1", "100.128.0.1", "2606:4700::1111", "2001:4860::8888"] {
            assert_eq!(reach(text), Reach::Public, "{text}");
        }
        for text in ["::ffff:8.8.8.8", "64:ff9b::8.8.8.8", "2002:808:808::1"] {
            assert_eq!(reach(text), Reach::Public, "{text}");
        }
    }

    #[test]
    fn private_networks_are_recognised_in_every_disguise() {
        for text in [
            "127.0.0.1",
            "127.8.8.8",
            "10.0.0.1",
            "172.16.0.1",
            "172.31.255.255",
            "192.168.1.1",
            "100.64.0.1",
            "100.127.255.255",
            "::1",
            "fc00::1",
            "fdff::1",
            "::ffff:127.0.0.1",
            "::ffff:10.0.0.1",
            "::127.0.0.1",
            "64:ff9b::10.0.0.1",
            "2002:7f00:1::",
            "2002:a00:1::1",
        ] {
            assert_eq!(reach(text), Reach::Private, "{text}");
        }
    }

    #[test]
    fn some_addresses_are_never_reached_whatever_is_granted() {
        for text in [
            "0.0.0.0",
            "0.1.2.3",
            "169.254.169.254",
            "192.0.0.1",
            "192.0.2.1",
            "198.51.100.7",
            "203.0.113.9",
            "198.18.0.1",
            "198.19.255.255",
            "192.88.99.1",
            "224.0.0.1",
            "239.255.255.255",
            "240.0.0.1",
            "255.255.255.255",
            "::",
            "::ffff:169.254.169.254",
            "64:ff9b::169.254.169.254",
            "2002:a9fe:a9fe::1",
            "fe80::1",
            "fec0::1",
            "ff02::1",
            "100::1",
            "64:ff9b:1::1",
            "2001::1",
            "2001:2::1",
            "2001:db8::1",
            "3fff::1",
            "4000::1",
        ] {
            assert_eq!(reach(text), Reach::Never, "{text}");
        }
    }
}
