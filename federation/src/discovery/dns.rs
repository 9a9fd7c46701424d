//! Host names to addresses: the resolver behind a trait, SRV records, and the refusal of private addresses.

use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use futures_util::future::{BoxFuture, FutureExt, join};
use hickory_resolver::{TokioResolver, proto::rr::RData};
use reqwest::dns::{Addrs, Name, Resolve, Resolving};

use super::{DEFAULT_PORT, Lookup};
use crate::Error;

/// How many SRV records of one name are followed.
const MAX_SERVICES: usize = 10;

/// One SRV record (RFC 2782).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Service {
    /// Lower is tried first.
    pub priority: u16,
    /// Among equals, heavier is tried first.
    pub weight: u16,
    /// The port to connect to.
    pub port: u16,
    /// The host whose addresses to connect to.
    pub target: String,
}

/// Asks DNS. Tests put their own in its place.
pub trait Resolver: Send + Sync {
    /// The addresses of `host`. Port 0 leaves the port to the step of discovery; another overrides it
    /// where neither the name nor an SRV record has one.
    fn addresses(&self, host: &str) -> BoxFuture<'static, Result<Vec<SocketAddr>, Error>>;

    /// The SRV records at `name` (`_matrix-fed._tcp.example.org`); none is an empty list.
    fn services(&self, name: &str) -> BoxFuture<'static, Result<Vec<Service>, Error>>;

    /// Whether `address` is not of the public internet. Tests have loopback addresses that stand for public ones.
    fn is_private(&self, address: IpAddr) -> bool {
        is_private(address)
    }
}

/// The machine's resolver: `/etc/hosts` and the name servers of `/etc/resolv.conf`, with a cache that
/// honours the records' time to live.
pub struct SystemResolver(Option<TokioResolver>);

impl SystemResolver {
    /// Reads the machine's configuration. Where there is none, addresses come from the C library and SRV
    /// records are not looked up.
    pub fn new() -> Self {
        let resolver = TokioResolver::builder_tokio().and_then(|mut builder| {
            let options = builder.options_mut();
            options.timeout = Duration::from_secs(2);
            options.attempts = 2;
            options.cache_size = 4096;
            builder.build()
        });
        if let Err(error) = &resolver {
            tracing::warn!(%error, "no DNS configuration: SRV records are not looked up");
        }
        Self(resolver.ok())
    }
}

impl Default for SystemResolver {
    fn default() -> Self {
        Self::new()
    }
}

impl Resolver for SystemResolver {
    fn addresses(&self, host: &str) -> BoxFuture<'static, Result<Vec<SocketAddr>, Error>> {
        let resolver = self.0.clone();
        let host = host.to_owned();
        async move {
            let failed = |reason: String| Error::Connection(format!("{host}: {reason}"));
            let Some(resolver) = resolver else {
                let found = tokio::net::lookup_host((host.as_str(), 0)).await;
                return found.map(Iterator::collect).map_err(|error| failed(error.to_string()));
            };
            // Relative to nothing: the search domains of the machine are not for other servers.
            let absolute = format!("{}.", host.trim_end_matches('.'));
            let found =
                resolver.lookup_ip(absolute).await.map_err(|error| failed(error.to_string()))?;
            Ok(found.iter().map(|address| SocketAddr::new(address, 0)).collect())
        }
        .boxed()
    }

    fn services(&self, name: &str) -> BoxFuture<'static, Result<Vec<Service>, Error>> {
        let resolver = self.0.clone();
        let name = format!("{}.", name.trim_end_matches('.'));
        async move {
            let Some(resolver) = resolver else { return Ok(Vec::new()) };
            let found = match resolver.srv_lookup(name.as_str()).await {
                Ok(found) => found,
                Err(error) if error.is_no_records_found() => return Ok(Vec::new()),
                Err(error) => return Err(Error::Connection(format!("{name}: {error}"))),
            };
            let services = found.answers().iter().filter_map(|record| match &record.data {
                RData::SRV(srv) => Some(Service {
                    priority: srv.priority,
                    weight: srv.weight,
                    port: srv.port,
                    target: srv.target.to_string(),
                }),
                _ => None,
            });
            Ok(services.collect())
        }
        .boxed()
    }
}

/// Where connections may go.
#[derive(Clone)]
pub struct Reach {
    /// Knows which addresses are private.
    pub resolver: Arc<dyn Resolver>,
    /// Whether private ones are allowed.
    pub allow_private_addresses: bool,
}

impl Reach {
    /// Refuses `address` when it is not of the public internet, unless that is allowed.
    pub fn check(&self, address: IpAddr) -> Result<(), Error> {
        if !self.allow_private_addresses && self.resolver.is_private(address) {
            return Err(Error::PrivateAddress(address));
        }
        Ok(())
    }

    /// The same for an address in a URL, in whatever form it is written there. Host names are looked at when they
    /// are resolved.
    pub fn check_url(&self, url: &reqwest::Url) -> Result<(), Error> {
        let host = url.host_str().unwrap_or_default();
        super::literal(host).map_or(Ok(()), |address| self.check(address))
    }
}

/// Whether `address` leads anywhere but to a host of the public internet: loopback, private, link-local,
/// shared, multicast, reserved, documentation; also where IPv6 wraps such an IPv4 address.
pub fn is_private(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => is_private_v4(address),
        IpAddr::V6(address) => is_private_v6(address),
    }
}

fn is_private_v4(address: Ipv4Addr) -> bool {
    let [a, b, c, _] = address.octets();
    address.is_private()
        || address.is_loopback()
        || address.is_link_local()
        || address.is_multicast()
        || address.is_documentation()
        || a == 0
        || a >= 240
        || (a == 100 && (64..128).contains(&b))
        || (a == 192 && b == 0 && c == 0)
        || (a == 198 && (b == 18 || b == 19))
}

fn is_private_v6(address: Ipv6Addr) -> bool {
    let [a, b, c, d, e, f, g, h] = address.segments();
    let v4 = |high: u16, low: u16| {
        let ([a, b], [c, d]) = (high.to_be_bytes(), low.to_be_bytes());
        is_private_v4(Ipv4Addr::new(a, b, c, d))
    };
    match (a, b) {
        // ::, ::1, IPv4-mapped and -compatible.
        (0, 0) if (c, d, e) == (0, 0, 0) && (f == 0xffff || f == 0) => v4(g, h),
        // NAT64; 6to4.
        (0x64, 0xff9b) => c != 0 || v4(g, h),
        (0x2002, _) => v4(b, c),
        // Teredo, benchmarking, ORCHID; documentation.
        (0x2001, 0..0x200) | (0x2001, 0xdb8) => true,
        // Everything else outside 2000::/3: unique local, link-local, site-local, multicast, unassigned.
        _ => !(0x2000..0x4000).contains(&a),
    }
}

/// Resolves for an HTTP client: only addresses that may be connected to come out.
pub(crate) struct CheckedResolver {
    pub(crate) reach: Reach,
    pub(crate) lookup: Lookup,
}

impl Resolve for CheckedResolver {
    fn resolve(&self, name: Name) -> Resolving {
        let (reach, lookup) = (self.reach.clone(), self.lookup);
        async move {
            let found = match lookup {
                Lookup::Addresses => reach.resolver.addresses(name.as_str()).await?,
                Lookup::Service => by_service(&*reach.resolver, name.as_str()).await?,
            };
            let mut refused = None;
            let mut allowed = Vec::with_capacity(found.len());
            for address in found {
                match reach.check(address.ip()) {
                    Ok(()) => allowed.push(address),
                    Err(error) => refused = Some(error),
                }
            }
            match refused {
                Some(error) if allowed.is_empty() => Err(error.into()),
                _ => Ok(Box::new(allowed.into_iter()) as Addrs),
            }
        }
        .boxed()
    }
}

/// Steps 4 to 6: by SRV record where there is one, the new name before the old, or else port 8448.
async fn by_service(resolver: &dyn Resolver, host: &str) -> Result<Vec<SocketAddr>, Error> {
    let (new, old) = join(
        resolver.services(&format!("_matrix-fed._tcp.{host}")),
        resolver.services(&format!("_matrix._tcp.{host}")),
    )
    .await;
    let unreadable = |error: Error| {
        tracing::debug!(%host, %error, "SRV look-up failed");
        Vec::new()
    };
    let mut services = new.unwrap_or_else(unreadable);
    if services.is_empty() {
        services = old.unwrap_or_else(unreadable);
    }
    if services.is_empty() {
        let found = resolver.addresses(host).await?;
        return Ok(found.into_iter().map(|address| with_port(address, DEFAULT_PORT)).collect());
    }
    services.sort_by_key(|service| (service.priority, std::cmp::Reverse(service.weight)));
    let mut found = Vec::new();
    let mut failed = None;
    for service in services.into_iter().take(MAX_SERVICES) {
        // "." says that the service is not offered.
        let target = service.target.trim_end_matches('.');
        if target.is_empty() {
            continue;
        }
        match resolver.addresses(target).await {
            Ok(addresses) => found.extend(
                addresses.into_iter().map(|address| SocketAddr::new(address.ip(), service.port)),
            ),
            Err(error) => failed = Some(error),
        }
    }
    match failed {
        Some(error) if found.is_empty() => Err(error),
        _ => Ok(found),
    }
}

fn with_port(address: SocketAddr, port: u16) -> SocketAddr {
    if address.port() == 0 { SocketAddr::new(address.ip(), port) } else { address }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;

    #[derive(Default)]
    struct Names {
        addresses: HashMap<&'static str, Vec<&'static str>>,
        services: HashMap<&'static str, Vec<Service>>,
    }

    impl Resolver for Names {
        fn addresses(&self, host: &str) -> BoxFuture<'static, Result<Vec<SocketAddr>, Error>> {
            let found = self.addresses.get(host).map(|found| {
                found.iter().map(|ip| SocketAddr::new(ip.parse().unwrap(), 0)).collect()
            });
            let result = found.ok_or_else(|| Error::Connection(format!("no {host}")));
            async move { result }.boxed()
        }

        fn services(&self, name: &str) -> BoxFuture<'static, Result<Vec<Service>, Error>> {
            let found = self.services.get(name).cloned().unwrap_or_default();
            async move { Ok(found) }.boxed()
        }
    }

    fn service(priority: u16, weight: u16, port: u16, target: &str) -> Service {
        Service { priority, weight, port, target: target.to_owned() }
    }

    async fn resolve(names: Names, allow_private_addresses: bool) -> Result<Vec<String>, String> {
        let reach = Reach { resolver: Arc::new(names), allow_private_addresses };
        let checked = CheckedResolver { reach, lookup: Lookup::Service };
        let found = checked.resolve("a.test".parse().unwrap()).await;
        found
            .map(|found| found.map(|address| address.to_string()).collect())
            .map_err(|error| error.to_string())
    }

    #[tokio::test]
    async fn without_srv_it_is_port_8448() {
        let names = Names { addresses: [("a.test", vec!["9.9.9.9"])].into(), ..Names::default() };
        assert_eq!(resolve(names, false).await.unwrap(), ["9.9.9.9:8448"]);
    }

    #[tokio::test]
    async fn the_new_srv_name_comes_before_the_old() {
        let names = Names {
            addresses: [("b.test", vec!["9.9.9.9"]), ("c.test", vec!["8.8.8.8"])].into(),
            services: [
                ("_matrix-fed._tcp.a.test", vec![service(10, 5, 1234, "b.test.")]),
                ("_matrix._tcp.a.test", vec![service(1, 5, 99, "c.test.")]),
            ]
            .into(),
        };
        assert_eq!(resolve(names, false).await.unwrap(), ["9.9.9.9:1234"]);
    }

    #[tokio::test]
    async fn the_old_srv_name_still_counts_in_order_of_priority() {
        let names = Names {
            addresses: [("b.test", vec!["9.9.9.9"]), ("c.test", vec!["8.8.8.8"])].into(),
            services: [(
                "_matrix._tcp.a.test",
                vec![service(20, 0, 2, "c.test."), service(10, 0, 1, "b.test.")],
            )]
            .into(),
        };
        assert_eq!(resolve(names, false).await.unwrap(), ["9.9.9.9:1", "8.8.8.8:2"]);
    }

    #[tokio::test]
    async fn private_addresses_do_not_come_out_unless_allowed() {
        let names = || Names {
            addresses: [("a.test", vec!["127.0.0.1", "9.9.9.9"])].into(),
            ..Names::default()
        };
        assert_eq!(resolve(names(), false).await.unwrap(), ["9.9.9.9:8448"]);
        assert_eq!(resolve(names(), true).await.unwrap().len(), 2);
        let only = Names { addresses: [("a.test", vec!["10.0.0.1"])].into(), ..Names::default() };
        assert_eq!(resolve(only, false).await.unwrap_err(), "the address 10.0.0.1 is private");
    }

    #[test]
    fn private_networks_are_known() {
        for address in [
            "0.0.0.0",
            "10.0.0.1",
            "100.64.0.1",
            "127.0.0.1",
            "169.254.0.1",
            "172.16.0.1",
            "192.0.0.1",
            "192.0.2.1",
            "192.168.1.1",
            "198.18.0.1",
            "224.0.0.1",
            "240.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "::127.0.0.1",
            "::ffff:10.0.0.1",
            "64:ff9b::a00:1",
            "64:ff9b:1::1",
            "2002:a00:1::",
            "2001::1",
            "2001:db8::1",
            "fc00::1",
            "fe80::1",
            "fec0::1",
            "ff02::1",
        ] {
            assert!(is_private(address.parse().unwrap()), "{address}");
        }
        for address in [
            "1.1.1.1",
            "100.128.0.1",
            "172.32.0.1",
            "2620:fe::9",
            "2001:4860::1",
            "64:ff9b::101:101",
        ] {
            assert!(!is_private(address.parse().unwrap()), "{address}");
        }
    }
}
