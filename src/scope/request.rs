//! [`RequestHead`]: the parts of a request by which its scope is chosen, whatever the web server is.

use std::net::IpAddr;

/// The parts of a request by which its scope is chosen.
///
/// actix-web's `HttpRequest` and `ServiceRequest` implement it with the feature `web`. For other servers it is a few lines:
///
/// ```
/// use std::net::IpAddr;
/// use axum::http::request::Parts;
/// use hotplate::scope::{HeaderKey, RequestHead};
///
/// struct Head<'r>(&'r Parts, Option<IpAddr>);
///
/// impl RequestHead for Head<'_> {
///     fn host(&self) -> Option<&str> {
///         let named = self.0.headers.get("host").and_then(|host| host.to_str().ok());
///         self.0.uri.authority().map(|authority| authority.as_str()).or(named)
///     }
///     fn path(&self) -> &str {
///         self.0.uri.path()
///     }
///     fn peer(&self) -> Option<IpAddr> {
///         self.1 // `ConnectInfo<SocketAddr>` has it.
///     }
///     fn each_value<'h>(&'h self, name: &HeaderKey, each: &mut dyn FnMut(&'h [u8])) {
///         self.0.headers.get_all(name.as_str()).iter().for_each(|value| each(value.as_bytes()));
///     }
/// }
/// ```
pub trait RequestHead {
    /// Returns the host that the request names, with or without a port: that of its target, or else of the header `Host`.
    fn host(&self) -> Option<&str>;

    /// Returns the path, as it was sent, without the query.
    fn path(&self) -> &str;

    /// Returns the address from which the connection comes. Without one no proxy is trusted.
    fn peer(&self) -> Option<IpAddr>;

    /// Calls a function with each value of a header, in the order in which they were sent.
    fn each_value<'h>(&'h self, name: &HeaderKey, each: &mut dyn FnMut(&'h [u8]));
}

/// The name of a header, in lower case. It is made once and looked up without an allocation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HeaderKey {
    text: Box<str>,
    #[cfg(feature = "web")]
    name: actix_web::http::header::HeaderName,
}

impl HeaderKey {
    /// Creates the name of a header. Returns `None` if the text cannot be one (RFC 9110, section 5.1) or has more than 64 bytes.
    #[must_use]
    pub fn new(name: &str) -> Option<Self> {
        let is_token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
        if name.is_empty() || name.len() > 64 || !name.bytes().all(is_token) {
            return None;
        }
        let text = name.to_ascii_lowercase().into_boxed_str();
        Some(Self {
            #[cfg(feature = "web")]
            name: actix_web::http::header::HeaderName::from_bytes(text.as_bytes()).ok()?,
            text,
        })
    }

    /// Returns the name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Returns the name as actix-web has it.
    #[cfg(feature = "web")]
    pub(crate) fn name(&self) -> &actix_web::http::header::HeaderName {
        &self.name
    }
}

/// The values of a header that should be sent at most once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Sent<'h> {
    Nothing,
    One(&'h [u8]),
    /// Two different texts would be for two different readers, so none of them counts.
    Several,
}

/// Returns the value of a header.
pub(super) fn sent<'h>(head: &'h dyn RequestHead, name: &HeaderKey) -> Sent<'h> {
    let mut sent = Sent::Nothing;
    head.each_value(name, &mut |value| {
        sent = match sent {
            Sent::Nothing => Sent::One(value),
            Sent::One(_) | Sent::Several => Sent::Several,
        }
    });
    sent
}

/// Returns the value of the first cookie of a name.
pub(super) fn cookie<'h>(head: &'h dyn RequestHead, header: &HeaderKey, name: &str) -> Option<&'h [u8]> {
    let mut found = None;
    head.each_value(header, &mut |value| {
        if found.is_some() {
            return;
        }
        let pairs = value.split(|byte| *byte == b';').map(<[u8]>::trim_ascii);
        found = pairs
            .filter_map(|pair| pair.strip_prefix(name.as_bytes())?.strip_prefix(b"="))
            .next();
    });
    found
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// A request in tests.
    #[derive(Debug, Default)]
    pub(crate) struct TestHead {
        pub(crate) host: &'static str,
        pub(crate) path: String,
        pub(crate) peer: Option<IpAddr>,
        pub(crate) headers: Vec<(&'static str, Vec<u8>)>,
    }

    impl TestHead {
        /// Creates a request for a path from an address.
        pub(crate) fn new(path: &str, peer: &str) -> Self {
            Self {
                path: path.to_owned(),
                peer: peer.parse().ok(),
                ..Self::default()
            }
        }

        pub(crate) fn header(mut self, name: &'static str, value: &str) -> Self {
            self.headers.push((name, value.as_bytes().to_vec()));
            self
        }
    }

    impl RequestHead for TestHead {
        fn host(&self) -> Option<&str> {
            Some(self.host).filter(|host| !host.is_empty())
        }

        fn path(&self) -> &str {
            &self.path
        }

        fn peer(&self) -> Option<IpAddr> {
            self.peer
        }

        fn each_value<'h>(&'h self, name: &HeaderKey, each: &mut dyn FnMut(&'h [u8])) {
            let named = self.headers.iter().filter(|(known, _)| *known == name.as_str());
            named.for_each(|(_, value)| each(value));
        }
    }

    #[test]
    fn names_of_headers_are_checked() {
        assert_eq!(HeaderKey::new("X-Tenant").expect("a name").as_str(), "x-tenant");
        for bad in ["", "x tenant", "x:", "ä", "x\n", &"x".repeat(65)] {
            assert_eq!(HeaderKey::new(bad), None, "{bad:?}");
        }
    }

    #[test]
    fn cookies_are_found_by_their_whole_name() {
        let key = HeaderKey::new("cookie").expect("a name");
        for (sent, expected) in [
            (&["stage=a"][..], Some("a")),
            (&["x=1;stage=b ; y"], Some("b")),
            (&["x=1", "stage=c; stage=d"], Some("c")),
            (&["stages=a; xstage=b; stage"], None),
            (&["stage="], Some("")),
            (&[], None),
        ] {
            let head = sent
                .iter()
                .fold(TestHead::default(), |head, value| head.header("cookie", value));
            assert_eq!(cookie(&head, &key, "stage"), expected.map(str::as_bytes), "{sent:?}");
        }
    }
}
