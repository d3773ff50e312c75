//! Who called: the real client behind proxies that are trusted, and its network.

use std::fmt::Write as _;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::IpNet;

/// The most hops of a forwarded-for chain that are looked at, from the right.
const MAX_HOPS: usize = 32;
/// The most bytes of a host name that make a client.
const MAX_HOST_BYTES: usize = 253;

/// Who sent a request.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Client<'a> {
    /// An address; IPv4 in IPv6 is IPv4.
    Address(IpAddr),
    /// A host name or another word, as it stands in the log.
    Host(&'a [u8]),
}

impl Client<'_> {
    /// Writes the address or name.
    pub fn write(self, out: &mut String) {
        match self {
            Client::Address(IpAddr::V4(ip)) => push_octets(ip.octets(), out),
            Client::Address(IpAddr::V6(ip)) => {
                // Writing to a String does not fail.
                let _ = write!(out, "{ip}");
            }
            Client::Host(host) => out.push_str(&String::from_utf8_lossy(host)),
        }
    }

    /// Writes what it is counted as: an IPv4 address, or the /64 of an IPv6 one, of which one machine has as many
    /// addresses as it likes.
    pub fn write_identity(self, out: &mut String) {
        match self {
            Client::Address(IpAddr::V6(ip)) => {
                let [a, b, c, d, ..] = ip.segments();
                let _ = write!(out, "{}/64", Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0));
            }
            other => other.write(out),
        }
    }

    /// Writes the network: /24 of IPv4, /48 of IPv6; a host name is its own network.
    pub fn write_network(self, out: &mut String) {
        match self {
            Client::Address(IpAddr::V4(ip)) => {
                let [a, b, c, _] = ip.octets();
                push_octets([a, b, c, 0], out);
                out.push_str("/24");
            }
            Client::Address(IpAddr::V6(ip)) => {
                let [a, b, c, ..] = ip.segments();
                let _ = write!(out, "{}/48", Ipv6Addr::new(a, b, c, 0, 0, 0, 0, 0));
            }
            Client::Host(_) => self.write(out),
        }
    }
}

/// An IPv4 address in its one written form. The formatter of the standard library takes ten times as long, twice a line.
fn push_octets(octets: [u8; 4], out: &mut String) {
    let (mut text, mut length) = ([b'.'; 16], 0);
    for octet in octets {
        let digits = 1 + usize::from(octet >= 10) + usize::from(octet >= 100);
        let mut rest = octet;
        for at in (length..length + digits).rev() {
            text[at] = b'0' + rest % 10;
            rest /= 10;
        }
        // The next number begins behind the dot.
        length += digits + 1;
    }
    out.push_str(std::str::from_utf8(&text[..length - 1]).unwrap_or_default());
}

/// The client of a request. While the peer is a trusted proxy, the forwarded-for chain (a list of addresses, or the
/// `Forwarded` header of RFC 7239) is walked from the right: the first address that is not trusted is the client. What
/// is left of it was written by that client and proves nothing. Where the chain ends or stops making sense, the last
/// trusted address is the client. A Unix socket as peer is a proxy on this host, trusted if any is.
pub fn real_client<'a>(
    peer: Option<&'a [u8]>,
    forwarded_for: Option<&'a [u8]>,
    trusted: &[IpNet],
) -> Option<Client<'a>> {
    let peer = peer.map(trim).filter(|p| !p.is_empty());
    let local = peer.is_some_and(|p| p.starts_with(b"unix:"));
    let mut client = peer.filter(|_| !local).map(parse);
    let walk = !trusted.is_empty() && client.is_none_or(|c| is_trusted(c, trusted));
    if let Some(chain) = forwarded_for.filter(|_| walk) {
        for hop in chain.rsplit(|b| *b == b',').take(MAX_HOPS) {
            let Client::Address(ip) = parse(forwarded_element(hop)) else { break };
            client = Some(Client::Address(ip));
            if !is_trusted(Client::Address(ip), trusted) {
                break;
            }
        }
    }
    client.or_else(|| peer.map(|_| Client::Host(b"unix:")))
}

/// From the forms that logs have: `1.2.3.4`, `1.2.3.4:80`, `::1`, `[::1]:80`, `fe80::1%eth0`, a host name.
pub fn parse(text: &[u8]) -> Client<'_> {
    let text = trim(text);
    address(text).map_or(Client::Host(&text[..text.len().min(MAX_HOST_BYTES)]), |ip| Client::Address(ip.to_canonical()))
}

/// An IPv4 address that stands alone, as nearly all clients are written; other forms are left to [`address`]. Without the
/// ways round of the standard library's parser.
fn plain_ipv4(text: &[u8]) -> Option<Ipv4Addr> {
    let (mut octets, mut at) = ([0u8; 4], 0);
    let (mut octet, mut digits) = (0u32, 0);
    for &b in text {
        if b.is_ascii_digit() {
            // No leading zeros: some read those as octal.
            if digits > 0 && octet == 0 {
                return None;
            }
            octet = octet * 10 + u32::from(b - b'0');
            digits += 1;
            if octet > 255 {
                return None;
            }
        } else if b == b'.' && digits > 0 && at < 3 {
            octets[at] = octet as u8;
            at += 1;
            (octet, digits) = (0, 0);
        } else {
            return None;
        }
    }
    octets[3] = octet as u8;
    (at == 3 && digits > 0).then(|| octets.into())
}

/// Where the last dot of an IPv4 address stands that is written in its one form; `None` for anything else.
pub(super) fn last_dot_of_plain_ipv4(text: &[u8]) -> Option<usize> {
    if text.len() > 15 {
        return None;
    }
    let (mut octet, mut digits, mut dots, mut last) = (0u32, 0u32, 0u32, 0);
    for (at, &b) in text.iter().enumerate() {
        let digit = u32::from(b.wrapping_sub(b'0'));
        if digit <= 9 {
            // No leading zeros, and nothing beyond a byte.
            if digits == 3 || (digits > 0 && octet == 0) {
                return None;
            }
            octet = octet * 10 + digit;
            digits += 1;
        } else if b == b'.' && digits > 0 && octet <= 255 {
            (octet, digits, dots, last) = (0, 0, dots + 1, at);
        } else {
            return None;
        }
    }
    (dots == 3 && digits > 0 && octet <= 255).then_some(last)
}

fn address(text: &[u8]) -> Option<IpAddr> {
    if let Some(ip) = plain_ipv4(text) {
        return Some(IpAddr::V4(ip));
    }
    let text = std::str::from_utf8(text).ok().filter(|t| t.len() <= 64)?;
    if let Ok(ip) = text.parse() {
        return Some(ip);
    }
    let (host, port) = match text.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((host, rest)) => (host, rest.strip_prefix(':').unwrap_or(if rest.is_empty() { "0" } else { "x" })),
        None if text.matches(':').count() == 1 => text.split_once(':')?,
        None => (text, "0"),
    };
    let port_is_number = !port.is_empty() && port.bytes().all(|b| b.is_ascii_digit());
    let host = host.split_once('%').map_or(host, |(host, _zone)| host);
    host.parse().ok().filter(|_| port_is_number)
}

/// The address of one element: itself, or the `for=` parameter of RFC 7239, unquoted.
fn forwarded_element(hop: &[u8]) -> &[u8] {
    let named = hop.split(|b| *b == b';').map(trim);
    let value = named.filter(|p| p.get(..4).is_some_and(|n| n.eq_ignore_ascii_case(b"for="))).map(|p| &p[4..]).next();
    let value = trim(value.unwrap_or(hop));
    value.strip_prefix(b"\"").and_then(|v| v.strip_suffix(b"\"")).unwrap_or(value)
}

fn is_trusted(client: Client<'_>, trusted: &[IpNet]) -> bool {
    matches!(client, Client::Address(ip) if trusted.iter().any(|net| net.contains(&ip)))
}

fn trim(text: &[u8]) -> &[u8] {
    text.trim_ascii()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn client(peer: &str, chain: &str, trusted: &[&str]) -> String {
        let trusted: Vec<IpNet> = trusted.iter().map(|t| t.parse().unwrap()).collect();
        let chain = (!chain.is_empty()).then_some(chain.as_bytes());
        let mut out = String::new();
        if let Some(client) = real_client(Some(peer.as_bytes()), chain, &trusted) {
            client.write(&mut out);
        }
        out
    }

    #[test]
    fn plain_addresses_are_read_as_the_standard_library_reads_them() {
        let mut texts: Vec<String> =
            ["", ".", "1.2.3", "1.2.3.4.5", "1.2.3.", ".1.2.3", "1..2.3", "01.2.3.4", "1.2.3.04"]
                .map(ToOwned::to_owned)
                .to_vec();
        texts.extend(
            ["0.0.0.0", "255.255.255.255", "256.1.1.1", "1.2.3.1000", "1.2.3.4 ", "1.2.3.a"].map(ToOwned::to_owned),
        );
        texts.extend((0..=300).flat_map(|n| [format!("{n}.9.0.10"), format!("1.2.3.{n}"), format!("00{n}.1.1.1")]));
        for text in texts {
            let read = text.parse::<Ipv4Addr>().ok();
            assert_eq!(plain_ipv4(text.as_bytes()), read, "{text}");
            let dot = read.and_then(|_| text.rfind('.'));
            assert_eq!(last_dot_of_plain_ipv4(text.as_bytes()), dot, "{text}");
        }
    }

    #[test]
    fn the_first_untrusted_from_the_right_is_the_client() {
        let ours = &["10.0.0.0/8", "2001:db8::/32"];
        for (peer, chain, expected) in [
            ("203.0.113.9", "1.2.3.4", "203.0.113.9"),
            ("10.0.0.1", "", "10.0.0.1"),
            ("10.0.0.1", "6.6.6.6, 203.0.113.9, 10.0.0.7", "203.0.113.9"),
            ("10.0.0.1", "10.0.0.3, 10.0.0.2", "10.0.0.3"),
            ("10.0.0.1", "unknown, 10.0.0.2", "10.0.0.2"),
            ("10.0.0.1", "evil\n, 203.0.113.9:5123", "203.0.113.9"),
            ("::ffff:10.0.0.1", "[2a00::5]:443", "2a00::5"),
            ("unix:", "203.0.113.9", "203.0.113.9"),
            ("10.0.0.1:4000", "for=203.0.113.60;proto=http, for=\"[2001:db8:cafe::17]:4711\"", "203.0.113.60"),
            ("crawl-66.example.com", "1.2.3.4", "crawl-66.example.com"),
        ] {
            assert_eq!(client(peer, chain, ours), expected, "{peer} {chain}");
        }
    }

    #[test]
    fn nobody_is_trusted_unless_told() {
        assert_eq!(client("10.0.0.1", "203.0.113.9", &[]), "10.0.0.1");
        assert_eq!(client("unix:/run/x.sock", "203.0.113.9", &[]), "unix:");
        assert_eq!(real_client(None, None, &[]), None);
    }

    #[test]
    fn addresses_have_one_form_and_a_network() {
        for (text, written, network) in [
            ("203.0.113.9", "203.0.113.9", "203.0.113.0/24"),
            ("::ffff:203.0.113.9", "203.0.113.9", "203.0.113.0/24"),
            ("2001:0DB8:1:2::1", "2001:db8:1:2::1", "2001:db8:1::/48"),
            ("[fe80::1%eth0]:80", "fe80::1", "fe80::/48"),
            ("host.example:80", "host.example:80", "host.example:80"),
            ("256.1.1.1", "256.1.1.1", "256.1.1.1"),
        ] {
            let (mut a, mut b) = (String::new(), String::new());
            parse(text.as_bytes()).write(&mut a);
            parse(text.as_bytes()).write_network(&mut b);
            assert_eq!((a.as_str(), b.as_str()), (written, network));
        }
    }

    #[test]
    fn any_number_of_addresses_of_one_machine_is_one_client() {
        let identity = |text: &str| {
            let mut out = String::new();
            parse(text.as_bytes()).write_identity(&mut out);
            out
        };
        let network = |text: &str| {
            let mut out = String::new();
            parse(text.as_bytes()).write_network(&mut out);
            out
        };
        let (mut identities, mut networks) = (std::collections::BTreeSet::new(), std::collections::BTreeSet::new());
        for n in 0..10_000u64 {
            let random = n.wrapping_mul(0x9E37_79B9_7F4A_7C15);
            let within_64 = format!("2001:db8:1:2:{:x}:{:x}:0:{:x}", random >> 48, random >> 32 & 0xffff, n);
            identities.insert(identity(&within_64));
            let within_48 = format!("2001:db8:1:{:x}::{n:x}", n & 0xffff);
            networks.insert(network(&within_48));
        }
        assert_eq!(identities.into_iter().collect::<Vec<_>>(), ["2001:db8:1:2::/64"]);
        assert_eq!(networks.into_iter().collect::<Vec<_>>(), ["2001:db8:1::/48"]);
        assert_eq!(identity("203.0.113.9"), "203.0.113.9");
        assert_eq!(identity("::ffff:203.0.113.9"), "203.0.113.9");
    }
}
