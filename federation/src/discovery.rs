//! From a server name to where its requests go. ([Resolving server names][1])
//!
//! | step | the name | connects to | `Host`, certificate |
//! |---|---|---|---|
//! | 1 | an IP literal, with or without port | it, port 8448 by default | the literal, with its port if it has one |
//! | 2 | a host name with a port | its addresses, that port | the name with its port |
//! | 3 | a host name whose well-known file delegates to another name | steps 1, 2, 4 to 6 for that name | the other name |
//! | 4, 5 | one with an SRV record `_matrix-fed._tcp`, or the old `_matrix._tcp` | what the record says | the name |
//! | 6 | any other | its addresses, port 8448 | the name |
//!
//! A [`Route`] is the outcome up to the choice between 4, 5 and 6, which [`dns`] makes at each new
//! connection, so that the address that is checked is the one that is connected to. A URL without a port
//! takes the port that the resolver chose; the `Host` header, `:authority`, SNI, the name in the
//! certificate and the pool of connections then all follow from the URL.
//!
//! [1]: https://spec.matrix.org/v1.19/server-server-api/#resolving-server-names

pub mod dns;
pub mod well_known;

use std::net::{IpAddr, Ipv6Addr};

use ruma::ServerName;

use self::{dns::Reach, well_known::WellKnown};
use crate::Error;

/// The port of federation when nothing says otherwise.
pub const DEFAULT_PORT: u16 = 8448;

/// Where requests for a server go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Route {
    /// `https://` and the authority of the URL.
    pub base_url: String,
    /// The value of the `Host` header where it is not the URL's authority.
    pub host: Option<String>,
    /// How the host name in the URL becomes addresses.
    pub lookup: Lookup,
}

/// How a host name becomes addresses and a port.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lookup {
    /// Its own addresses; the port is in the URL.
    Addresses,
    /// By SRV record, or else its own addresses and port 8448.
    Service,
}

/// Finds routes. Well-known files are remembered; what DNS says, the resolver may remember.
pub struct Discovery {
    well_known: WellKnown,
    reach: Reach,
}

impl Discovery {
    /// `well_known` fetches and remembers the files of step 3.
    pub fn new(well_known: WellKnown, reach: Reach) -> Self {
        Self { well_known, reach }
    }

    /// The route to `server`.
    pub async fn route(&self, server: &ServerName) -> Result<Route, Error> {
        if let Some(route) = self.explicit(server)? {
            return Ok(route);
        }
        let delegated = self.well_known.delegated(server).await;
        let name = delegated.as_deref().unwrap_or(server);
        if let Some(route) = self.explicit(name)? {
            return Ok(route);
        }
        Ok(Route {
            base_url: format!("https://{}", name.host()),
            host: None,
            lookup: Lookup::Service,
        })
    }

    /// Steps 1 and 2: names that need no look-up of anything but an address.
    fn explicit(&self, name: &ServerName) -> Result<Option<Route>, Error> {
        let port = name.port();
        if let Some(address) = literal(name.host()) {
            self.reach.check(address)?;
            let base_url = format!("https://{}:{}", name.host(), port.unwrap_or(DEFAULT_PORT));
            let host = Some(name.as_str().to_owned());
            return Ok(Some(Route { base_url, host, lookup: Lookup::Addresses }));
        }
        Ok(port.map(|port| Route {
            base_url: format!("https://{}:{port}", name.host()),
            // A URL drops the port of its scheme.
            host: (port == 443).then(|| name.as_str().to_owned()),
            lookup: Lookup::Addresses,
        }))
    }

    /// No connection comes about on the route to `server`: what its well-known file said may be out of date.
    pub fn doubt(&self, server: &ServerName) {
        self.well_known.doubt(server);
    }
}

/// The address in a host that is an IP literal; IPv6 in brackets.
fn literal(host: &str) -> Option<IpAddr> {
    match host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
        Some(inner) => inner.parse::<Ipv6Addr>().ok().map(IpAddr::V6),
        None => host.parse().ok(),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use ruma::server_name;

    use super::*;
    use crate::discovery::well_known::tests::NoNames;

    fn discovery(allow_private_addresses: bool) -> Discovery {
        let reach = Reach { resolver: Arc::new(NoNames), allow_private_addresses };
        let tls = crate::client::tls_config(&[]).unwrap();
        Discovery::new(WellKnown::new(tls, reach.clone()).unwrap(), reach)
    }

    #[tokio::test]
    async fn a_name_with_a_port_is_taken_as_it_is() {
        let route = discovery(false).route(server_name!("a.test:8448")).await.unwrap();
        assert_eq!(route.base_url, "https://a.test:8448");
        assert_eq!(route.host, None);
        assert_eq!(route.lookup, Lookup::Addresses);
        let route = discovery(false).route(server_name!("a.test:443")).await.unwrap();
        assert_eq!(route.host.as_deref(), Some("a.test:443"));
    }

    #[tokio::test]
    async fn a_literal_without_a_port_keeps_its_host_header() {
        let route = discovery(false).route(server_name!("9.9.9.9")).await.unwrap();
        assert_eq!(route.base_url, "https://9.9.9.9:8448");
        assert_eq!(route.host.as_deref(), Some("9.9.9.9"));
        let route = discovery(false).route(server_name!("[2620:fe::9]:99")).await.unwrap();
        assert_eq!(route.base_url, "https://[2620:fe::9]:99");
        assert_eq!(route.host.as_deref(), Some("[2620:fe::9]:99"));
    }

    #[tokio::test]
    async fn a_private_literal_is_refused_unless_allowed() {
        for name in ["127.0.0.1", "10.1.2.3:99", "[::1]", "[::ffff:127.0.0.1]:8448", "169.254.1.1"]
        {
            let name = <&ServerName>::try_from(name).unwrap();
            let refused = discovery(false).route(name).await;
            assert!(matches!(refused, Err(Error::PrivateAddress(_))), "{name}");
            assert!(discovery(true).route(name).await.is_ok(), "{name}");
        }
    }

    #[tokio::test]
    async fn without_well_known_the_name_is_looked_up_as_a_service() {
        let route = discovery(false).route(server_name!("a.test")).await.unwrap();
        assert_eq!(route.base_url, "https://a.test");
        assert_eq!(route.lookup, Lookup::Service);
    }
}
