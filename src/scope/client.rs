//! [`ProxyTrust`]: the address of the client behind proxies that are trusted.

use std::net::IpAddr;

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

use super::request::{HeaderKey, RequestHead};

/// The hops that are followed at most. A longer chain has no known client.
pub const HOPS_MAX: usize = 16;
/// The lines of a forwarding header that are read at most.
const LINES_MAX: usize = 8;

/// The header in which the proxies name their clients. There is no default among several: a proxy that writes one of them passes the other
/// on as a client sent it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum ForwardedBy {
    /// `X-Forwarded-For: client, proxy`.
    #[default]
    XForwardedFor,
    /// `Forwarded: for=client, for=proxy` (RFC 7239).
    Forwarded,
}

/// The proxies that are trusted.
#[derive(Debug)]
pub(super) struct ProxyTrust {
    proxies: Networks,
    by: ForwardedBy,
    header: HeaderKey,
}

/// A list of networks.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Networks(Vec<IpNet>);

impl Networks {
    /// Reads networks such as `10.0.0.0/8`, and single addresses.
    ///
    /// # Errors
    /// The first text that is neither.
    pub(super) fn parse(texts: &[String]) -> Result<Self, String> {
        let network = |text: &String| {
            let address = || text.parse::<IpAddr>().ok().map(IpNet::from);
            let network = text.parse::<IpNet>().ok().or_else(address);
            network.ok_or_else(|| text.clone())
        };
        Ok(Self(texts.iter().map(network).collect::<Result<_, _>>()?))
    }

    /// Returns true if an address is in one of the networks. An IPv4 address that is written as IPv6 counts as IPv4.
    pub(super) fn contain(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        self.0.iter().any(|network| network.contains(&address))
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl ProxyTrust {
    pub(super) fn new(proxies: Networks, by: ForwardedBy) -> Option<Self> {
        let header = HeaderKey::new(match by {
            ForwardedBy::XForwardedFor => "x-forwarded-for",
            ForwardedBy::Forwarded => "forwarded",
        })?;
        Some(Self { proxies, by, header })
    }

    /// Returns true if the connection comes from a trusted proxy, so that its own headers count.
    pub(super) fn is_proxy(&self, head: &dyn RequestHead) -> bool {
        !self.proxies.is_empty() && head.peer().is_some_and(|peer| self.proxies.contain(peer))
    }

    pub(super) fn is_empty(&self) -> bool {
        self.proxies.is_empty()
    }

    /// Returns the address of the client: that of the connection, or what the trusted proxies say. Each proxy adds the address of its own
    /// client at the end, so the walk begins there and ends at the first address that is not a trusted proxy. What is in front of it can
    /// be forged and is not read.
    ///
    /// Returns `None` if there is no such address: a trusted proxy names none or something else, or the chain is longer than [`HOPS_MAX`].
    pub(super) fn client(&self, head: &dyn RequestHead) -> Option<IpAddr> {
        let mut client = head.peer()?;
        if !self.is_proxy(head) {
            return Some(client.to_canonical());
        }
        let (mut lines, mut count) = ([&[][..]; LINES_MAX], 0);
        head.each_value(&self.header, &mut |line| {
            if let Some(free) = lines.get_mut(count) {
                *free = line;
            }
            count += 1;
        });
        let lines = lines.get(..count)?;
        // A comma inside quotes would be a part of an element, but no proxy writes one, and a quotation mark that a client sends must not
        // swallow what the proxies add behind it.
        let hops = lines
            .iter()
            .rev()
            .flat_map(|line| line.rsplit(|byte| *byte == b','))
            .map(<[u8]>::trim_ascii)
            .filter(|hop| !hop.is_empty());
        let mut hops = hops.peekable();
        // A trusted proxy that names no client is not the client itself.
        hops.peek()?;
        for (number, hop) in hops.enumerate() {
            if number >= HOPS_MAX {
                return None;
            }
            client = match self.by {
                ForwardedBy::XForwardedFor => address(hop)?,
                ForwardedBy::Forwarded => forwarded_for(hop)?,
            };
            if !self.proxies.contain(client) {
                break;
            }
        }
        Some(client.to_canonical())
    }
}

/// Returns the address of the parameter `for` in an element of `Forwarded`, if it has exactly one.
fn forwarded_for(element: &[u8]) -> Option<IpAddr> {
    let pairs = element.split(|byte| *byte == b';').map(<[u8]>::trim_ascii);
    let mut values = pairs.filter_map(|pair| {
        let (name, value) = pair.split_at_checked(4)?;
        name.eq_ignore_ascii_case(b"for=").then_some(value)
    });
    let (value, None) = (values.next()?, values.next()) else {
        return None;
    };
    let unquoted = value.strip_prefix(b"\"").and_then(|value| value.strip_suffix(b"\""));
    address(unquoted.unwrap_or(value))
}

/// Reads an address, with or without a port: `192.0.2.1:80`, `[2001:db8::1]:80`, `2001:db8::1`.
fn address(text: &[u8]) -> Option<IpAddr> {
    let text = std::str::from_utf8(text).ok().filter(|text| text.len() <= 64)?;
    let is_port = |port: &str| !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit());
    if let Some(rest) = text.strip_prefix('[') {
        let (address, port) = rest.split_once(']')?;
        let is_whole = port.is_empty() || port.strip_prefix(':').is_some_and(is_port);
        return address
            .parse()
            .ok()
            .filter(|address: &IpAddr| is_whole && address.is_ipv6());
    }
    match text.split_once(':') {
        Some((address, port)) if is_port(port) => address.parse().ok().filter(IpAddr::is_ipv4),
        _ => text.parse().ok(),
    }
}

#[cfg(test)]
mod tests {
    use super::super::request::tests::TestHead;
    use super::*;

    fn trust(by: ForwardedBy) -> ProxyTrust {
        let proxies = ["10.0.0.0/8".to_owned(), "fd00::/8".to_owned(), "192.0.2.9".to_owned()];
        ProxyTrust::new(Networks::parse(&proxies).expect("networks"), by).expect("a header")
    }

    #[test]
    fn the_client_is_the_last_hop_that_is_not_trusted() {
        for (peer, lines, expected) in [
            ("203.0.113.5", &[][..], Some("203.0.113.5")),
            // The connection does not come from a proxy, so the header is forged.
            ("203.0.113.5", &["198.51.100.1"], Some("203.0.113.5")),
            ("10.0.0.1", &["198.51.100.1"], Some("198.51.100.1")),
            ("10.0.0.1", &["10.9.9.9, 198.51.100.1, 10.0.0.2"], Some("198.51.100.1")),
            // The client adds an address of an allowed network in front.
            ("10.0.0.1", &["10.7.7.7, 198.51.100.1"], Some("198.51.100.1")),
            (
                "10.0.0.1",
                &["10.7.7.7", "198.51.100.1 ,192.0.2.9"],
                Some("198.51.100.1"),
            ),
            ("::ffff:10.0.0.1", &["::ffff:198.51.100.1"], Some("198.51.100.1")),
            ("fd00::1", &["[2001:db8::1]:4711"], Some("2001:db8::1")),
            ("fd00::1", &["2001:db8::1"], Some("2001:db8::1")),
            ("10.0.0.1", &["198.51.100.1:1234"], Some("198.51.100.1")),
            ("10.0.0.1", &["10.0.0.3, 10.0.0.2"], Some("10.0.0.3")),
            ("10.0.0.1", &[], None),
            ("10.0.0.1", &["", " , ,"], None),
            ("10.0.0.1", &["unknown"], None),
            ("10.0.0.1", &["198.51.100.1, unknown"], None),
            ("10.0.0.1", &["198.51.100.1, 10.0.0.2\0"], None),
            ("10.0.0.1", &["198.51.100.1:"], None),
            ("10.0.0.1", &["[198.51.100.1]"], None),
            ("10.0.0.1", &["[2001:db8::1]x"], None),
            ("", &["198.51.100.1"], None),
        ] {
            let head = lines.iter().fold(TestHead::new("/", peer), |head, line| {
                head.header("x-forwarded-for", line)
            });
            let expected: Option<IpAddr> = expected.map(|address| address.parse().expect("an address"));
            assert_eq!(
                trust(ForwardedBy::XForwardedFor).client(&head),
                expected,
                "{peer} {lines:?}"
            );
        }
    }

    #[test]
    fn the_standard_header_is_read_when_it_is_chosen() {
        for (line, expected) in [
            ("for=198.51.100.1;proto=https", Some("198.51.100.1")),
            ("proto=https; FOR=\"198.51.100.1:80\"", Some("198.51.100.1")),
            (
                "for=10.1.1.1, for=\"[2001:db8::1]:4711\", for=10.0.0.2;by=x",
                Some("2001:db8::1"),
            ),
            // A quotation mark of the client does not hide what the proxy adds.
            ("for=\"10.1.1.1, for=198.51.100.1", Some("198.51.100.1")),
            ("for=10.1.1.1;for=10.1.1.2", None),
            ("for=_hidden", None),
            ("proto=https", None),
        ] {
            let head = TestHead::new("/", "10.0.0.1")
                .header("forwarded", line)
                .header("x-forwarded-for", "10.6.6.6");
            let expected: Option<IpAddr> = expected.map(|address| address.parse().expect("an address"));
            assert_eq!(trust(ForwardedBy::Forwarded).client(&head), expected, "{line}");
        }
    }

    #[test]
    fn chains_are_bounded() {
        let of = |hops: usize, lines: usize| {
            let line = vec!["10.0.0.2"; hops].join(",");
            let head = TestHead::new("/", "10.0.0.1");
            let head = (0..lines).fold(head, |head, _| head.header("x-forwarded-for", &line));
            trust(ForwardedBy::XForwardedFor).client(&head).is_some()
        };
        assert!(of(HOPS_MAX, 1) && !of(HOPS_MAX + 1, 1));
        assert!(of(1, LINES_MAX) && !of(1, LINES_MAX + 1));
        assert!(!of(10_000, 1));
    }

    #[test]
    fn what_is_no_network_is_named() {
        let parse = |texts: &[&str]| Networks::parse(&texts.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>());
        assert_eq!(parse(&["10.0.0.0/8", "10.0.0.0/33"]), Err("10.0.0.0/33".to_owned()));
        assert_eq!(parse(&["localhost"]), Err("localhost".to_owned()));
        assert!(parse(&["::1", "::/0", "0.0.0.0/0"]).is_ok());
    }
}
