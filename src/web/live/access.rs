//! Who may follow: pages of the same origin, by a name that cannot be a stranger's.

use std::net::{Ipv4Addr, Ipv6Addr};

use actix_web::http::header::{HOST, HeaderMap, HeaderName, ORIGIN};

/// Whether every host that a request names is an address, `localhost`, or one of `hosts`. A browser that was led here by a name
/// that somebody else has resolved to this machine (DNS rebinding) says that name. Whoever names none is no browser.
pub(super) fn is_known_host(headers: &HeaderMap, hosts: &[String]) -> bool {
    headers.get_all(HOST).all(|host| {
        let name = host.to_str().ok().and_then(name_of);
        name.is_some_and(|name| is_local(&name) || hosts.iter().any(|known| known.eq_ignore_ascii_case(&name)))
    })
}

/// Refuses whoever is not the page itself, with what to tell.
pub(super) fn check(headers: &HeaderMap, hosts: &[String]) -> Result<(), &'static str> {
    if !is_known_host(headers, hosts) {
        return Err(
            "This server is not known by this name: use its address or `localhost`, or name it with `Web::host`.\n",
        );
    }
    let text = |name: &HeaderName| headers.get(name).map(|value| value.to_str().unwrap_or_default());
    let authority = |origin: &str| origin.split_once("://").map(|(_, authority)| authority.to_owned());
    let foreign_origin = text(&ORIGIN).is_some_and(|origin| authority(origin).as_deref() != text(&HOST));
    let site = text(&HeaderName::from_static("sec-fetch-site"));
    let foreign_site = site.is_some_and(|site| !matches!(site, "same-origin" | "none"));
    match foreign_origin || foreign_site {
        true => Err("Only pages of this server may follow it.\n"),
        false => Ok(()),
    }
}

/// A host without its port, and without the dot that a whole name may end with.
fn name_of(host: &str) -> Option<String> {
    let name = match host.strip_prefix('[') {
        Some(rest) => rest.split_once(']')?.0,
        None => host.split_once(':').map_or(host, |(name, _)| name),
    };
    let name = name.strip_suffix('.').unwrap_or(name);
    (!name.is_empty()).then(|| name.to_ascii_lowercase())
}

fn is_local(name: &str) -> bool {
    let address = name.parse::<Ipv4Addr>().is_ok() || name.parse::<Ipv6Addr>().is_ok();
    address || name == "localhost" || name.ends_with(".localhost")
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;

    use super::*;

    fn headers(given: &[(&str, &str)]) -> HeaderMap {
        let request = given.iter().fold(TestRequest::get(), |request, (name, value)| {
            request.insert_header((*name, *value))
        });
        request.to_http_request().headers().clone()
    }

    #[test]
    fn strangers_are_refused() {
        let hosts = ["shop.test".to_owned()];
        for (given, expected) in [
            (&[("host", "127.0.0.1:7878")][..], true),
            (&[("host", "localhost")], true),
            (&[("host", "LocalHost.:7878")], true),
            (&[("host", "a.localhost:1")], true),
            (&[("host", "[::1]:7878")], true),
            (&[("host", "192.168.1.7:7878")], true),
            (&[("host", "Shop.test:80")], true),
            (&[], true),
            (&[("host", "evil.example")], false),
            (&[("host", "evil.example:7878")], false),
            (&[("host", "127.0.0.1.evil.example")], false),
            (&[("host", "localhost.evil.example")], false),
            (&[("host", "evil-localhost")], false),
            (&[("host", "")], false),
            (&[("host", "[::1")], false),
            (&[("host", "127.0.0.1:1"), ("origin", "http://127.0.0.1:1")], true),
            (&[("host", "127.0.0.1:1"), ("origin", "http://127.0.0.1:2")], false),
            (&[("host", "127.0.0.1:1"), ("origin", "null")], false),
            (&[("host", "localhost"), ("sec-fetch-site", "same-origin")], true),
            (&[("host", "localhost"), ("sec-fetch-site", "none")], true),
            (&[("host", "localhost"), ("sec-fetch-site", "same-site")], false),
            (&[("host", "localhost"), ("sec-fetch-site", "cross-site")], false),
        ] {
            assert_eq!(check(&headers(given), &hosts).is_ok(), expected, "{given:?}");
        }
    }
}
