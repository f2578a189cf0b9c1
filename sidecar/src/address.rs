//! Which addresses may be dialled. Pure: one address in, a reason against it out.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::IpNet;

/// Where clouds answer with the machine's own credentials. Never dialled, whatever a provider allows.
/// Sources: the instance metadata pages of AWS (IMDS, ECS, EKS Pod Identity), Google Cloud, Azure, Alibaba Cloud and
/// Oracle Cloud.
const METADATA: [&str; 8] = [
    "169.254.169.254/32",
    "169.254.170.2/32",
    "169.254.170.23/32",
    "168.63.129.16/32",
    "100.100.100.200/32",
    "192.0.0.192/32",
    "fd00:ec2::/32",
    "fd20:ce::254/128",
];

/// IPv4 networks that are not public. Source: IANA IPv4 Special-Purpose Address Registry, 2025-10.
const SPECIAL_V4: [&str; 15] = [
    "0.0.0.0/8",
    "10.0.0.0/8",
    "100.64.0.0/10",
    "127.0.0.0/8",
    "169.254.0.0/16",
    "172.16.0.0/12",
    "192.0.0.0/24",
    "192.0.2.0/24",
    "192.88.99.0/24",
    "192.168.0.0/16",
    "198.18.0.0/15",
    "198.51.100.0/24",
    "203.0.113.0/24",
    "224.0.0.0/4",
    "240.0.0.0/4",
];

/// IPv6 networks inside 2000::/3 that are not public, or that carry an IPv4 address of somebody's choice.
/// Source: IANA IPv6 Special-Purpose Address Registry, 2025-10.
const SPECIAL_V6: [&str; 4] = ["2001::/23", "2001:db8::/32", "2002::/16", "3fff::/20"];

/// Why `address` may not be dialled; nothing when it may. `plain` is http without TLS, which only reaches addresses that
/// the provider allows.
pub fn refusal(address: IpAddr, plain: bool, allowed: &[IpNet]) -> Option<&'static str> {
    let address = canonical(address);
    if is_metadata(address) {
        return Some("is a cloud's metadata address");
    }
    if allowed.iter().any(|network| network.contains(&address)) {
        return None;
    }
    if plain {
        return Some("is not among allowedAddresses, and http:// works only for these");
    }
    (!is_public(address)).then_some("is not public and not among allowedAddresses")
}

/// Whether clouds answer there with the machine's own credentials.
pub fn is_metadata(address: IpAddr) -> bool {
    is_in(&METADATA, canonical(address))
}

/// The IPv4 address behind an IPv6 one that only wraps it: IPv4-mapped (RFC 4291) and NAT64 (RFC 6052).
fn canonical(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V6(v6) => match v6.segments() {
            [0x64, 0xff9b, 0, 0, 0, 0, high, low] => {
                let bits = (u32::from(high) << 16) | u32::from(low);
                IpAddr::V4(Ipv4Addr::from(bits))
            }
            _ => v6.to_canonical(),
        },
        v4 @ IpAddr::V4(_) => v4,
    }
}

fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(_) => !is_in(&SPECIAL_V4, address),
        IpAddr::V6(v6) => is_global_unicast(v6) && !is_in(&SPECIAL_V6, address),
    }
}

fn is_global_unicast(address: Ipv6Addr) -> bool {
    address.segments()[0] & 0xe000 == 0x2000
}

fn is_in(networks: &[&str], address: IpAddr) -> bool {
    networks.iter().filter_map(|network| network.parse::<IpNet>().ok()).any(|network| network.contains(&address))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(address: &str, plain: bool, allowed: &[&str]) -> bool {
        let allowed: Vec<IpNet> = allowed.iter().map(|network| network.parse().expect("a network")).collect();
        refusal(address.parse().expect("an address"), plain, &allowed).is_some()
    }

    #[test]
    fn public_addresses_are_dialled_with_tls_and_private_ones_are_not() {
        for public in ["1.1.1.1", "104.18.6.192", "2606:4700::6810:6c0"] {
            assert!(!refused(public, false, &[]), "{public}");
            assert!(refused(public, true, &[]), "{public} over http");
        }
        for private in [
            "127.0.0.1",
            "10.1.2.3",
            "172.31.255.255",
            "192.168.0.1",
            "100.64.0.1",
            "169.254.1.1",
            "0.0.0.0",
            "224.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "fe80::1",
            "fc00::1",
            "ff02::1",
            "2001:db8::1",
            "2002:7f00:1::",
            "64:ff9b::7f00:1",
            "::ffff:127.0.0.1",
            "::ffff:10.0.0.1",
            "::127.0.0.1",
        ] {
            assert!(refused(private, false, &[]), "{private}");
        }
    }

    #[test]
    fn what_a_provider_allows_is_dialled_but_never_a_metadata_address() {
        assert!(!refused("10.1.2.3", true, &["10.0.0.0/8"]));
        assert!(!refused("::ffff:10.1.2.3", false, &["10.0.0.0/8"]));
        assert!(refused("11.1.2.3", true, &["10.0.0.0/8"]));
        for metadata in [
            "169.254.169.254",
            "::ffff:169.254.169.254",
            "64:ff9b::a9fe:a9fe",
            "fd00:ec2::254",
            "168.63.129.16",
            "100.100.100.200",
        ] {
            assert!(refused(metadata, false, &["0.0.0.0/0", "::/0"]), "{metadata}");
        }
    }

    #[test]
    fn every_network_in_the_tables_parses() {
        for network in METADATA.iter().chain(&SPECIAL_V4).chain(&SPECIAL_V6) {
            assert!(network.parse::<IpNet>().is_ok(), "{network}");
        }
    }
}
