//! The caller's address behind reverse proxies: the last one in `Forwarded` or `X-Forwarded-For` that is not
//! itself a trusted proxy. Without a trusted peer the headers are anybody's word and not read.

use std::net::{IpAddr, SocketAddr};

use actix_web::http::header::{self, HeaderMap};
use ipnet::IpNet;

pub fn caller(peer: IpAddr, headers: &HeaderMap, trusted: &[IpNet]) -> IpAddr {
    let is_trusted = |address: &IpAddr| trusted.iter().any(|network| network.contains(address));
    let peer = peer.to_canonical();
    if !is_trusted(&peer) {
        return peer;
    }
    let values = |name| headers.get_all(name).filter_map(|value| value.to_str().ok());
    let mut path: Vec<IpAddr> =
        values(header::FORWARDED).flat_map(|v| v.split(',')).filter_map(forwarded_for).collect();
    if path.is_empty() {
        path = values(header::X_FORWARDED_FOR)
            .flat_map(|value| value.split(','))
            .filter_map(address)
            .collect();
    }
    let untrusted = path.iter().rev().find(|address| !is_trusted(address));
    untrusted.or(path.first()).copied().unwrap_or(peer)
}

/// The `for=` of one element of `Forwarded`.
fn forwarded_for(element: &str) -> Option<IpAddr> {
    element.split(';').find_map(|pair| {
        let (name, value) = pair.split_once('=')?;
        name.trim().eq_ignore_ascii_case("for").then(|| address(value)).flatten()
    })
}

/// An address with or without port, brackets and quotes.
fn address(text: &str) -> Option<IpAddr> {
    let text = text.trim().trim_matches('"');
    let bare = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(text);
    bare.parse()
        .ok()
        .or_else(|| text.parse::<SocketAddr>().ok().map(|address| address.ip()))
        .map(|address: IpAddr| address.to_canonical())
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;

    use super::*;

    fn seen(peer: &str, header: (&str, &str)) -> String {
        let request = TestRequest::get().insert_header(header).to_http_request();
        let trusted = ["127.0.0.1/32".parse().unwrap(), "10.0.0.0/8".parse().unwrap()];
        caller(peer.parse().unwrap(), request.headers(), &trusted).to_string()
    }

    #[test]
    fn a_trusted_proxy_is_believed() {
        assert_eq!(seen("127.0.0.1", ("X-Forwarded-For", "192.0.2.7")), "192.0.2.7");
        assert_eq!(seen("10.1.1.1", ("Forwarded", "for=192.0.2.7;proto=https")), "192.0.2.7");
        assert_eq!(seen("127.0.0.1", ("Forwarded", "For=\"[2001:db8::1]:4711\"")), "2001:db8::1");
    }

    #[test]
    fn anybody_else_is_not() {
        assert_eq!(seen("192.0.2.1", ("X-Forwarded-For", "192.0.2.7")), "192.0.2.1");
    }

    #[test]
    fn what_a_caller_claims_in_front_of_the_proxies_is_not_believed() {
        assert_eq!(
            seen("127.0.0.1", ("X-Forwarded-For", "198.51.100.1, 192.0.2.7, 10.0.0.3")),
            "192.0.2.7"
        );
    }
}
