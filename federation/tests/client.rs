//! The client against a TLS server with a certificate of a test authority.

use std::{
    collections::HashMap,
    net::{IpAddr, Ipv4Addr, SocketAddr},
    path::PathBuf,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use futures_util::future::{BoxFuture, FutureExt};
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use ruma::{
    OwnedServerName, ServerName,
    api::federation::{
        authentication::XMatrix, discovery::get_server_version, query::get_profile_information,
    },
    owned_server_name, owned_user_id,
    serde::Base64,
    server_name,
};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use sealpost_federation::{
    Client, Error, SigningKey,
    client::{ClientOptions, Heard, Limits},
    discovery::dns::{Resolver, Service, is_private},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
};
use tokio_rustls::TlsAcceptor;

/// Who answered, in all tests.
static HEARD: Mutex<Vec<OwnedServerName>> = Mutex::new(Vec::new());

/// Names of the test, nothing else.
#[derive(Clone, Default)]
struct Names {
    addresses: HashMap<String, SocketAddr>,
    services: HashMap<String, Service>,
    /// What counts as private; `None`: as everywhere.
    private: Option<IpAddr>,
}

impl Resolver for Names {
    fn addresses(&self, host: &str) -> BoxFuture<'static, Result<Vec<SocketAddr>, Error>> {
        let found = self.addresses.get(host).copied();
        let missing = Error::Connection(format!("no {host}"));
        async move { found.map(|address| vec![address]).ok_or(missing) }.boxed()
    }

    fn services(&self, name: &str) -> BoxFuture<'static, Result<Vec<Service>, Error>> {
        let found = self.services.get(name).cloned().into_iter().collect();
        async move { Ok(found) }.boxed()
    }

    fn is_private(&self, address: IpAddr) -> bool {
        self.private.map_or_else(|| is_private(address), |private| private == address)
    }
}

/// A certificate authority in a folder of its own.
struct Authority {
    issuer: Issuer<'static, KeyPair>,
    folder: tempfile::TempDir,
}

impl Authority {
    fn new() -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        let certificate = params.self_signed(&key).unwrap();
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("ca.pem"), certificate.pem()).unwrap();
        Self { issuer: Issuer::new(params, key), folder }
    }

    fn file(&self) -> PathBuf {
        self.folder.path().join("ca.pem")
    }

    fn acceptor(&self, names: &[&str]) -> TlsAcceptor {
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        let key = KeyPair::generate().unwrap();
        let certificate =
            CertificateParams::new(names).unwrap().signed_by(&key, &self.issuer).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = rustls::ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(
                vec![CertificateDer::from(certificate)],
                PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der())),
            )
            .unwrap();
        TlsAcceptor::from(Arc::new(config))
    }
}

/// The requests that came in, head and body as text.
type Seen = Arc<Mutex<Vec<String>>>;

/// Serves HTTP/1.1; the answer to each path is a whole response.
async fn serve(acceptor: TlsAcceptor, answers: HashMap<String, String>) -> (SocketAddr, Seen) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let seen = Seen::default();
    let log = Arc::clone(&seen);
    let answers = Arc::new(answers);
    tokio::spawn(async move {
        while let Ok((socket, _)) = listener.accept().await {
            let (acceptor, log, answers) = (acceptor.clone(), log.clone(), answers.clone());
            tokio::spawn(async move {
                let Ok(mut stream) = acceptor.accept(socket).await else { return };
                let mut read = Vec::new();
                while !read.windows(4).any(|end| end == b"\r\n\r\n") {
                    let mut buffer = [0; 4096];
                    match stream.read(&mut buffer).await {
                        Ok(count) if count > 0 => read.extend_from_slice(&buffer[..count]),
                        _ => return,
                    }
                }
                let request = String::from_utf8(read).unwrap();
                let path = request.split(' ').nth(1).unwrap().to_owned();
                log.lock().unwrap().push(request);
                let absent = answer("404 Not Found", r#"{"errcode":"M_UNRECOGNIZED","error":"?"}"#);
                let response = answers.get(&path).cloned().unwrap_or(absent);
                let _ = stream.write_all(response.as_bytes()).await;
                let _ = stream.shutdown().await;
            });
        }
    });
    (address, seen)
}

fn answer(status: &str, body: &str) -> String {
    format!(
        "HTTP/1.1 {status}\r\ncontent-type: application/json\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    )
}

fn redirect(to: &str) -> String {
    format!(
        "HTTP/1.1 302 Found\r\nlocation: {to}\r\nconnection: close\r\ncontent-length: 0\r\n\r\n"
    )
}

fn version() -> (String, String) {
    ("/_matrix/federation/v1/version".to_owned(), answer("200 OK", r#"{"server":{"name":"peer"}}"#))
}

fn client(authority: &Authority, names: Names, allow_private_addresses: bool) -> Client {
    let options = ClientOptions {
        ca_files: vec![authority.file()],
        allow_private_addresses,
        heard: Heard::by(|server| HEARD.lock().unwrap().push(server.to_owned())),
        ..ClientOptions::default()
    };
    let key = SigningKey::from_seed("1", &[1; 32]).unwrap();
    Client::new(owned_server_name!("own.test"), key, &options, Arc::new(names)).unwrap()
}

async fn name_of(client: &Client, server: &ServerName) -> Result<String, Error> {
    let request = get_server_version::v1::Request::new();
    let response = client.send_unsigned(server, request, Limits::SMALL).await?;
    Ok(response.server.unwrap().name.unwrap())
}

fn host_of(request: &str) -> &str {
    let lines = || request.lines().map(|line| line.split_once(": ").unwrap_or_default());
    lines().find(|(name, _)| name.eq_ignore_ascii_case("host")).unwrap().1
}

#[tokio::test]
async fn without_a_port_the_host_header_has_none() {
    let authority = Authority::new();
    let (address, seen) = serve(authority.acceptor(&["a.test"]), [version()].into()).await;
    let names = Names { addresses: [("a.test".to_owned(), address)].into(), ..Names::default() };
    let client = client(&authority, names, true);
    assert_eq!(name_of(&client, server_name!("a.test")).await.unwrap(), "peer");
    assert_eq!(host_of(seen.lock().unwrap().last().unwrap()), "a.test");
}

#[tokio::test]
async fn with_a_port_the_host_header_has_it_and_no_well_known_is_asked() {
    let authority = Authority::new();
    let (address, seen) = serve(authority.acceptor(&["a.test"]), [version()].into()).await;
    let names = Names { addresses: [("a.test".to_owned(), address)].into(), ..Names::default() };
    let client = client(&authority, names, true);
    let server: OwnedServerName = format!("a.test:{}", address.port()).try_into().unwrap();
    assert_eq!(name_of(&client, &server).await.unwrap(), "peer");
    let seen = seen.lock().unwrap();
    assert_eq!(seen.len(), 1);
    assert_eq!(host_of(&seen[0]), server.as_str());
}

#[tokio::test]
async fn a_well_known_file_delegates_to_a_name_found_by_srv() {
    let authority = Authority::new();
    let file = (
        "/.well-known/matrix/server".to_owned(),
        answer("200 OK", r#"{"m.server":"matrix.a.test"}"#),
    );
    let (front, _) = serve(authority.acceptor(&["a.test"]), [file].into()).await;
    let (back, seen) = serve(authority.acceptor(&["matrix.a.test"]), [version()].into()).await;
    let service =
        Service { priority: 1, weight: 1, port: back.port(), target: "node1.test.".to_owned() };
    let names = Names {
        addresses: [("a.test".to_owned(), front), ("node1.test".to_owned(), back)].into(),
        services: [("_matrix-fed._tcp.matrix.a.test".to_owned(), service)].into(),
        private: None,
    };
    let client = client(&authority, names, true);
    assert_eq!(name_of(&client, server_name!("a.test")).await.unwrap(), "peer");
    assert_eq!(host_of(&seen.lock().unwrap()[0]), "matrix.a.test");
}

#[tokio::test]
async fn redirects_of_a_well_known_file_are_followed_but_not_for_ever() {
    let authority = Authority::new();
    let loops = "/.well-known/matrix/server".to_owned();
    let answers = [(loops, redirect("/.well-known/matrix/server")), version()].into();
    let (address, seen) = serve(authority.acceptor(&["a.test"]), answers).await;
    let names = Names { addresses: [("a.test".to_owned(), address)].into(), ..Names::default() };
    let client = client(&authority, names, true);
    // The loop ends, and the server is found without the file.
    assert_eq!(name_of(&client, server_name!("a.test")).await.unwrap(), "peer");
    assert_eq!(seen.lock().unwrap().len(), 7);
    name_of(&client, server_name!("a.test")).await.unwrap();
    assert_eq!(seen.lock().unwrap().len(), 8, "the outcome is remembered");
}

#[tokio::test]
async fn a_long_well_known_file_is_not_read() {
    let authority = Authority::new();
    let long = format!(r#"{{"m.server":"b.test","x":"{}"}}"#, "x".repeat(60_000));
    let file = ("/.well-known/matrix/server".to_owned(), answer("200 OK", &long));
    let (address, _) = serve(authority.acceptor(&["a.test"]), [file, version()].into()).await;
    let names = Names { addresses: [("a.test".to_owned(), address)].into(), ..Names::default() };
    let client = client(&authority, names, true);
    assert_eq!(name_of(&client, server_name!("a.test")).await.unwrap(), "peer");
}

#[tokio::test]
async fn a_certificate_for_another_name_or_of_another_authority_is_refused() {
    let (authority, stranger) = (Authority::new(), Authority::new());
    let (wrong, _) = serve(authority.acceptor(&["b.test"]), [version()].into()).await;
    let names = Names { addresses: [("a.test".to_owned(), wrong)].into(), ..Names::default() };
    let refused = name_of(&client(&authority, names, true), server_name!("a.test:1")).await;
    assert!(matches!(refused, Err(Error::Connection(_))), "{refused:?}");

    let (foreign, _) = serve(stranger.acceptor(&["a.test"]), [version()].into()).await;
    let names = Names { addresses: [("a.test".to_owned(), foreign)].into(), ..Names::default() };
    let refused = name_of(&client(&authority, names, true), server_name!("a.test")).await;
    assert!(matches!(refused, Err(Error::Connection(_))), "{refused:?}");
}

#[tokio::test]
async fn a_name_that_leads_to_a_private_address_is_refused() {
    let authority = Authority::new();
    let (address, seen) = serve(authority.acceptor(&["a.test"]), [version()].into()).await;
    let names = Names { addresses: [("a.test".to_owned(), address)].into(), ..Names::default() };
    let client = client(&authority, names, false);
    let port = address.port();
    let (named, short) = (format!("a.test:{port}"), format!("127.1:{port}"));
    let number = format!("2130706433:{port}");
    for server in ["a.test", &named, &address.to_string(), &short, &number, "127.1"] {
        let refused = name_of(&client, <&ServerName>::try_from(server).unwrap()).await;
        assert!(matches!(refused, Err(Error::PrivateAddress(_))), "{server}: {refused:?}");
    }
    assert!(seen.lock().unwrap().is_empty());
}

/// A machine that only this one should reach: counts who comes.
struct Inner {
    port: u16,
    came: Arc<AtomicUsize>,
}

impl Inner {
    const ADDRESS: IpAddr = IpAddr::V4(Ipv4Addr::new(127, 0, 0, 2));

    async fn start() -> Self {
        let listener = TcpListener::bind((Self::ADDRESS, 0)).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let came = Arc::new(AtomicUsize::new(0));
        let counter = came.clone();
        tokio::spawn(async move {
            while listener.accept().await.is_ok() {
                counter.fetch_add(1, Ordering::SeqCst);
            }
        });
        Self { port, came }
    }

    /// `a.test` is on the internet, `inner.test` is not.
    fn names(&self, outside: SocketAddr) -> Names {
        let inside = SocketAddr::new(Self::ADDRESS, self.port);
        Names {
            addresses: [("a.test".to_owned(), outside), ("inner.test".to_owned(), inside)].into(),
            private: Some(Self::ADDRESS),
            ..Names::default()
        }
    }

    /// Ways to write where it is.
    fn hosts(&self) -> [String; 4] {
        let port = self.port;
        ["inner.test", "127.0.0.2", "127.2", "2130706434"].map(|host| format!("{host}:{port}"))
    }
}

#[tokio::test]
async fn a_well_known_file_leads_to_no_private_address() {
    let authority = Authority::new();
    let inner = Inner::start().await;
    let file = "/.well-known/matrix/server".to_owned();
    for host in inner.hosts() {
        let away = redirect(&format!("https://{host}{file}"));
        let answers = [(file.clone(), away), version()].into();
        let (address, _) = serve(authority.acceptor(&["a.test"]), answers).await;
        let client = client(&authority, inner.names(address), false);
        assert_eq!(name_of(&client, server_name!("a.test")).await.unwrap(), "peer", "{host}");
    }
    for delegated in inner.hosts().iter().chain([&"inner.test".to_owned()]) {
        let delegation = answer("200 OK", &format!(r#"{{"m.server":"{delegated}"}}"#));
        let answers = [(file.clone(), delegation), version()].into();
        let (address, _) = serve(authority.acceptor(&["a.test"]), answers).await;
        let client = client(&authority, inner.names(address), false);
        let refused = name_of(&client, server_name!("a.test")).await;
        assert!(matches!(refused, Err(Error::PrivateAddress(_))), "{delegated}: {refused:?}");
    }
    assert_eq!(inner.came.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn content_is_not_fetched_from_private_addresses_nor_where_it_is_sent_on_to() {
    let authority = Authority::new();
    let inner = Inner::start().await;
    let elsewhere = |location: &str| {
        let body = format!(
            "--b\r\ncontent-type: application/json\r\n\r\n{{}}\r\n--b\r\n\
             location: {location}\r\n\r\n\r\n--b--\r\n"
        );
        format!(
            "HTTP/1.1 200 OK\r\ncontent-type: multipart/mixed; boundary=b\r\nconnection: close\r\n\
             content-length: {}\r\n\r\n{body}",
            body.len()
        )
    };
    let asked = "/_matrix/federation/v1/media/download/x".to_owned();
    let on = "/on".to_owned();
    let mut places: Vec<String> =
        inner.hosts().iter().map(|host| format!("https://{host}/secret")).collect();
    // Not over TLS, with a password, by way of a host that is allowed.
    places.extend([
        "http://a.test/plain".to_owned(),
        "https://me:secret@a.test/x".to_owned(),
        "https://a.test/on".to_owned(),
        "file:///etc/passwd".to_owned(),
    ]);
    let away = redirect(&format!("https://inner.test:{}/secret", inner.port));
    for place in places {
        let answers = [(asked.clone(), elsewhere(&place)), (on.clone(), away.clone())].into();
        let (address, _) = serve(authority.acceptor(&["a.test"]), answers).await;
        let client = client(&authority, inner.names(address), false);
        let wait = Duration::from_secs(20);
        let refused = client.content(server_name!("a.test"), "x", wait).await;
        let refused = refused.map(|_| "content").unwrap_err();
        assert!(
            matches!(refused, Error::PrivateAddress(_) | Error::Response(_)),
            "{place}: {refused}"
        );
    }
    assert_eq!(inner.came.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn a_request_is_signed_for_its_destination() {
    let authority = Authority::new();
    let (address, seen) = serve(authority.acceptor(&["a.test"]), HashMap::new()).await;
    let names = Names { addresses: [("a.test".to_owned(), address)].into(), ..Names::default() };
    let client = client(&authority, names, true);
    let request = get_profile_information::v1::Request::new(owned_user_id!("@bob:a.test"));
    let refused = client.send(server_name!("a.test"), request, Limits::SMALL).await.unwrap_err();
    assert!(matches!(&refused, Error::Status { status, .. } if status.as_u16() == 404));
    assert!(refused.kind().is_some() && !refused.is_outage());

    let seen = seen.lock().unwrap();
    let text = seen.last().unwrap();
    let path = text.split(' ').nth(1).unwrap();
    let header = text
        .lines()
        .find_map(|line| line.strip_prefix("authorization: "))
        .expect("the request is signed");
    let received = http::Request::get(path).body(Vec::new()).unwrap();
    let key = SigningKey::from_seed("1", &[1; 32]).unwrap();
    let keys = [(key.id().to_string(), Base64::new(key.public_key().to_vec()))].into();
    let claim = XMatrix::parse(header).unwrap();
    assert_eq!(claim.origin, "own.test");
    claim
        .verify_http_request(
            &received,
            server_name!("a.test"),
            &[("own.test".to_owned(), keys)].into(),
        )
        .unwrap();
}

#[tokio::test]
async fn an_answer_over_the_limit_is_refused() {
    let authority = Authority::new();
    let big = answer("200 OK", &format!(r#"{{"x":"{}"}}"#, "x".repeat(5_000)));
    let unannounced = big.replace("content-length: 5008\r\n", "");
    assert_ne!(big, unannounced);
    for response in [big, unannounced] {
        let answers = [("/_matrix/federation/v1/version".to_owned(), response)].into();
        let (address, _) = serve(authority.acceptor(&["a.test"]), answers).await;
        let names =
            Names { addresses: [("a.test".to_owned(), address)].into(), ..Names::default() };
        let client = client(&authority, names, true);
        let limits = Limits { timeout: Duration::from_secs(20), max_bytes: 4_000 };
        let request = get_server_version::v1::Request::new();
        let refused = client.send_unsigned(server_name!("a.test"), request, limits).await;
        assert!(matches!(refused, Err(Error::TooLarge { limit: 4_000 })), "{refused:?}");
    }
}

#[tokio::test]
async fn a_server_that_is_not_there_is_an_outage() {
    let authority = Authority::new();
    let client = client(&authority, Names::default(), true);
    let error = name_of(&client, server_name!("a.test")).await.unwrap_err();
    assert!(error.is_outage(), "{error}");
}

/// Answers the first request of all and closes the connection at the next one on it; each later connection has one answer.
async fn serve_until_asked_again(acceptor: TlsAcceptor) -> (SocketAddr, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let asked = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&asked);
    let (_, kept) = version();
    let kept = kept.replace("connection: close\r\n", "");
    tokio::spawn(async move {
        while let Ok((socket, _)) = listener.accept().await {
            let Ok(mut stream) = acceptor.accept(socket).await else { continue };
            let mut buffer = [0; 4096];
            while stream.read(&mut buffer).await.is_ok_and(|read| read > 0) {
                if count.fetch_add(1, Ordering::Relaxed) == 1 {
                    break;
                }
                stream.write_all(kept.as_bytes()).await.unwrap();
            }
        }
    });
    (address, asked)
}

#[tokio::test]
async fn a_request_on_a_connection_that_closes_is_made_again() {
    let authority = Authority::new();
    let (address, asked) = serve_until_asked_again(authority.acceptor(&["a.test"])).await;
    let names = Names { addresses: [("a.test".to_owned(), address)].into(), ..Names::default() };
    let client = client(&authority, names, true);
    let server: OwnedServerName = format!("a.test:{}", address.port()).try_into().unwrap();
    for answered in [1, 3] {
        assert_eq!(name_of(&client, &server).await.unwrap(), "peer");
        assert_eq!(asked.load(Ordering::Relaxed), answered);
    }
}

#[tokio::test]
async fn a_server_that_does_not_answer_is_given_up() {
    let authority = Authority::new();
    // Accepts connections and says nothing.
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let server: OwnedServerName = listener.local_addr().unwrap().to_string().try_into().unwrap();
    let client = client(&authority, Names::default(), true);
    let limits = Limits { timeout: Duration::from_millis(50), max_bytes: 1_000 };
    let request = get_server_version::v1::Request::new();
    let error = client.send_unsigned(&server, request, limits).await.map(|_| ()).unwrap_err();
    assert!(matches!(error, Error::Timeout));
    assert!(!HEARD.lock().unwrap().contains(&server), "it was not heard from");
}
