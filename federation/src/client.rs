//! Requests to other servers: found by [`crate::discovery`], over TLS, signed, with limits of time and size.

use std::{borrow::Cow, error::Error as _, fmt, fs, path::PathBuf, sync::Arc, time::Duration};

use bytes::Bytes;
use futures_util::{
    StreamExt,
    future::{BoxFuture, FutureExt},
};
use http::{HeaderMap, HeaderValue, header};
use ruma::{
    MilliSecondsSinceUnixEpoch, OwnedServerName, ServerName, UInt,
    api::{
        IncomingResponseExt, MatrixVersion, OutgoingBody, OutgoingRequest, SupportedVersions,
        auth_scheme::NoAuthentication,
        error::{FromHttpResponseError, IntoHttpError},
        federation::{
            authentication::ServerSignatures,
            discovery::{ServerSigningKeys, get_remote_server_keys, get_server_keys},
        },
        path_builder::{PathBuilder, SinglePath, VersionHistory},
    },
    serde::Raw,
};
use rustls::pki_types::{CertificateDer, pem::PemObject};
use tokio::io::{AsyncSeekExt, AsyncWriteExt};

use crate::{
    Error, OwnKeys, Policy,
    discovery::{
        Discovery, Lookup,
        dns::{CheckedResolver, Reach, Resolver},
        well_known::WellKnown,
    },
    keyring::KeySource,
    media, request_auth,
};

/// What a [`Client`] is made with.
#[derive(Clone, Debug, Default)]
pub struct ClientOptions {
    /// PEM files of trust anchors beside the system's.
    pub ca_files: Vec<PathBuf>,
    /// Whether loopback and private addresses may be connected to.
    pub allow_private_addresses: bool,
    /// Whom to send to; all others are refused before anything is looked up.
    pub policy: Policy,
    /// Who is told which server has answered a request.
    pub heard: Heard,
}

/// Hears of every server that answers a request itself: a sign of life.
#[derive(Clone, Default)]
pub struct Heard(Option<Arc<Hear>>);

type Hear = dyn Fn(&ServerName) + Send + Sync;

impl Heard {
    /// Calls `hear`, which must be quick.
    pub fn by(hear: impl Fn(&ServerName) + Send + Sync + 'static) -> Self {
        Self(Some(Arc::new(hear)))
    }
}

impl fmt::Debug for Heard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Heard").finish_non_exhaustive()
    }
}

/// Bounds of one request.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// From the first look-up to the last byte.
    pub timeout: Duration,
    /// The most bytes in the answer's body.
    pub max_bytes: usize,
}

impl Limits {
    /// For small answers: 30 seconds, 1 MiB.
    pub const SMALL: Self = Self { timeout: Duration::from_secs(30), max_bytes: 1 << 20 };
    /// For lists of at most a hundred events: a minute, 8 MiB.
    pub const EVENTS: Self = Self { timeout: Duration::from_secs(60), max_bytes: 8 << 20 };
    /// For lists of event ids: five minutes, since they take long to make, 32 MiB.
    pub const EVENT_IDS: Self = Self { timeout: Duration::from_secs(300), max_bytes: 32 << 20 };
    /// For what authorises one event: five minutes, 64 MiB.
    pub const AUTH_CHAIN: Self = Self { timeout: Duration::from_secs(300), max_bytes: 64 << 20 };
    /// For the state of a room: five minutes, 256 MiB.
    pub const STATE: Self = Self { timeout: Duration::from_secs(300), max_bytes: 256 << 20 };
    /// For what is spooled of a room that is joined: ten minutes, 1 GiB.
    pub const JOIN: Self = Self { timeout: Duration::from_secs(600), max_bytes: 1 << 30 };
}

/// Sends requests to other servers in the name of this one. Cheap to clone.
#[derive(Clone)]
pub struct Client(Arc<Inner>);

struct Inner {
    own_name: OwnedServerName,
    keys: OwnKeys,
    policy: Policy,
    heard: Heard,
    discovery: Discovery,
    reach: Reach,
    /// For routes with [`Lookup::Addresses`] and [`Lookup::Service`].
    by_address: reqwest::Client,
    by_service: reqwest::Client,
}

/// The ways in which ruma's request types for servers find their path.
pub trait Path: PathBuilder {
    /// What the path is chosen by.
    fn input() -> Self::Input<'static>;
}

impl Path for SinglePath {
    fn input() {}
}

impl Path for VersionHistory {
    fn input() -> Cow<'static, SupportedVersions> {
        Cow::Owned(SupportedVersions {
            versions: [MatrixVersion::V1_11].into(),
            features: Default::default(),
        })
    }
}

impl Client {
    /// `keys` are those of this server, the one in use signs; `resolver` answers for DNS.
    pub fn new(
        own_name: OwnedServerName,
        keys: impl Into<OwnKeys>,
        options: &ClientOptions,
        resolver: Arc<dyn Resolver>,
    ) -> Result<Self, Error> {
        let tls = tls_config(&options.ca_files)?;
        let allow_private_addresses = options.allow_private_addresses;
        let reach = Reach { resolver, allow_private_addresses };
        let client = |lookup| {
            let checked = CheckedResolver { reach: reach.clone(), lookup };
            http_client(tls.clone(), checked)
                .redirect(reqwest::redirect::Policy::none())
                .build()
                .map_err(|error| Error::Tls(error.to_string()))
        };
        let well_known = WellKnown::new(tls.clone(), reach.clone())?;
        let (by_address, by_service) = (client(Lookup::Addresses)?, client(Lookup::Service)?);
        Ok(Self(Arc::new(Inner {
            own_name,
            keys: keys.into(),
            policy: options.policy.clone(),
            heard: options.heard.clone(),
            discovery: Discovery::new(well_known, reach.clone()),
            reach,
            by_address,
            by_service,
        })))
    }

    /// Sends a request that is signed with this server's key.
    pub async fn send<R>(
        &self,
        destination: &ServerName,
        request: R,
        limits: Limits,
    ) -> Result<R::IncomingResponse, Error>
    where
        R: OutgoingRequest<
                Authentication = ServerSignatures,
                EndpointError = ruma::api::error::Error,
            >,
        R::PathBuilder: Path,
    {
        let built = self.signed(destination, request)?;
        self.answered::<R>(destination, built, limits).await
    }

    /// Sends a request that needs no signature.
    pub async fn send_unsigned<R>(
        &self,
        destination: &ServerName,
        request: R,
        limits: Limits,
    ) -> Result<R::IncomingResponse, Error>
    where
        R: OutgoingRequest<
                Authentication = NoAuthentication,
                EndpointError = ruma::api::error::Error,
            >,
        R::PathBuilder: Path,
    {
        let built = build(request)?;
        self.answered::<R>(destination, built, limits).await
    }

    fn signed<R>(
        &self,
        destination: &ServerName,
        request: R,
    ) -> Result<http::Request<Vec<u8>>, Error>
    where
        R: OutgoingRequest<Authentication = ServerSignatures>,
        R::PathBuilder: Path,
    {
        let Inner { own_name, keys, .. } = &*self.0;
        let mut built = build(request)?;
        request_auth::sign(&mut built, own_name, destination, &keys.current())?;
        Ok(built)
    }

    async fn answered<R>(
        &self,
        destination: &ServerName,
        built: http::Request<Vec<u8>>,
        limits: Limits,
    ) -> Result<R::IncomingResponse, Error>
    where
        R: OutgoingRequest<EndpointError = ruma::api::error::Error>,
    {
        let exchange = self.exchange(destination, built, limits.max_bytes);
        let response =
            tokio::time::timeout(limits.timeout, exchange).await.map_err(|_| Error::Timeout)??;
        let (parts, body) = response.into_parts();
        R::IncomingResponse::try_from_http_response(http::Response::from_parts(parts, &*body))
            .map_err(from_answer)
    }

    /// Sends a signed request whose answer is taken as it comes in; an error where it is no success.
    pub(crate) async fn open<R>(
        &self,
        destination: &ServerName,
        request: R,
    ) -> Result<(HeaderMap, media::Body), Error>
    where
        R: OutgoingRequest<
                Authentication = ServerSignatures,
                EndpointError = ruma::api::error::Error,
            >,
        R::PathBuilder: Path,
    {
        let built = self.signed(destination, request)?;
        let response = self.begin(destination, built).await?;
        if response.status().is_success() {
            return Ok((response.headers().clone(), media::body(response)));
        }
        let answer = whole(response, Limits::SMALL.max_bytes).await?;
        let (parts, body) = answer.into_parts();
        let answer = http::Response::from_parts(parts, &*body);
        match R::IncomingResponse::try_from_http_response(answer) {
            Ok(_) => Err(Error::Response("no success and no error".to_owned())),
            Err(error) => Err(from_answer(error)),
        }
    }

    /// Sends a signed request and writes the body of its answer to a file in `folder`, which has no name and
    /// goes when it is closed. It is at its beginning.
    pub async fn spool<R>(
        &self,
        destination: &ServerName,
        request: R,
        limits: Limits,
        folder: &std::path::Path,
    ) -> Result<fs::File, Error>
    where
        R: OutgoingRequest<
                Authentication = ServerSignatures,
                EndpointError = ruma::api::error::Error,
            >,
        R::PathBuilder: Path,
    {
        let failed = |error: std::io::Error| Error::File {
            path: folder.display().to_string(),
            reason: error.to_string(),
        };
        let spooling = async {
            let (_, mut body) = self.open(destination, request).await?;
            let mut file = tokio::fs::File::from_std(nameless(folder).map_err(failed)?);
            let mut written = 0_usize;
            while let Some(piece) = body.next().await {
                let piece = piece?;
                written = written.saturating_add(piece.len());
                if written > limits.max_bytes {
                    return Err(Error::TooLarge { limit: limits.max_bytes });
                }
                file.write_all(&piece).await.map_err(failed)?;
            }
            file.flush().await.map_err(failed)?;
            file.rewind().await.map_err(failed)?;
            Ok(file.into_std().await)
        };
        tokio::time::timeout(limits.timeout, spooling).await.map_err(|_| Error::Timeout)?
    }

    /// Gets what another server refers to: a host by its name, over TLS, without a signature, and where it
    /// refers on that is not followed.
    pub(crate) async fn open_location(
        &self,
        location: &str,
    ) -> Result<(HeaderMap, media::Body), Error> {
        let refused = || Error::Response("content at an address that is not asked".to_owned());
        let url = reqwest::Url::parse(location).map_err(|_| refused())?;
        let has_name = url.domain().is_some();
        if url.scheme() != "https" || !has_name || !url.username().is_empty() {
            return Err(refused());
        }
        let response = self.0.by_address.get(url).send().await.map_err(from_reqwest)?;
        if response.status() != http::StatusCode::OK {
            return Err(Error::Response(format!("content elsewhere: {}", response.status())));
        }
        Ok((response.headers().clone(), media::body(response)))
    }

    async fn exchange(
        &self,
        destination: &ServerName,
        request: http::Request<Vec<u8>>,
        max_bytes: usize,
    ) -> Result<http::Response<Bytes>, Error> {
        whole(self.begin(destination, request).await?, max_bytes).await
    }

    /// Up to the head of the answer.
    async fn begin(
        &self,
        destination: &ServerName,
        request: http::Request<Vec<u8>>,
    ) -> Result<reqwest::Response, Error> {
        if destination == self.0.own_name {
            return Err(Error::Request("the destination is this server".to_owned()));
        }
        self.0.policy.check(destination)?;
        let route = self.0.discovery.route(destination).await?;
        let (mut parts, body) = request.into_parts();
        let path = parts.uri.path_and_query().map_or("/", |path| path.as_str());
        parts.uri = format!("{}{path}", route.base_url)
            .parse()
            .map_err(|error: http::uri::InvalidUri| Error::Request(error.to_string()))?;
        if let Some(host) = &route.host {
            let host = HeaderValue::from_str(host).map_err(|e| Error::Request(e.to_string()))?;
            parts.headers.insert(header::HOST, host);
        }
        let http = match route.lookup {
            Lookup::Addresses => &self.0.by_address,
            Lookup::Service => &self.0.by_service,
        };
        let request = reqwest::Request::try_from(http::Request::from_parts(parts, body))
            .map_err(|error| Error::Request(error.to_string()))?;
        // In a URL `127.1` and `2130706433` are addresses too, which no resolver is asked about.
        self.0.reach.check_url(request.url())?;
        let response = execute(http, request).await.inspect_err(|error| {
            if matches!(error, Error::Connection(_) | Error::Timeout) {
                self.0.discovery.doubt(destination);
            }
        })?;
        // An error of the server's side may be of something before it, that lives while it does not.
        if let Some(hear) = &self.0.heard.0
            && !response.status().is_server_error()
        {
            hear(destination);
        }
        Ok(response)
    }
}

/// A server may close a connection that was kept just when a request goes out on it (RFC 9112 §9.5). What servers ask of
/// each other can be repeated, so what was cut off before its answer is asked once more. At worst a claim of keys takes
/// one more of them.
async fn execute(
    http: &reqwest::Client,
    request: reqwest::Request,
) -> Result<reqwest::Response, Error> {
    let again = request.try_clone();
    let outcome = match (http.execute(request).await, again) {
        (Err(error), Some(again)) if is_cut_off(&error) => http.execute(again).await,
        (outcome, _) => outcome,
    };
    outcome.map_err(from_reqwest)
}

fn is_cut_off(error: &reqwest::Error) -> bool {
    error.is_request() && !error.is_connect() && !error.is_timeout()
}

/// A new file that is gone from its folder already.
fn nameless(folder: &std::path::Path) -> std::io::Result<fs::File> {
    let path = folder.join(format!(".spool-{:032x}", rand::random::<u128>()));
    let mut options = fs::OpenOptions::new();
    options.read(true).write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let file = options.open(&path)?;
    fs::remove_file(&path)?;
    Ok(file)
}

/// A request with a placeholder for its destination, without a signature: what is signed is the path, and the
/// route is found later.
fn build<R>(request: R) -> Result<http::Request<Vec<u8>>, Error>
where
    R: OutgoingRequest,
    R::PathBuilder: Path,
{
    let failed = |error: IntoHttpError| Error::Request(error.to_string());
    let input = <R::PathBuilder as Path>::input();
    let (mut parts, body) = request
        .try_into_http_request_inner("https://destination.invalid", input)
        .map_err(failed)?
        .into_parts();
    if let Some(content_type) = body.content_type() {
        parts.headers.entry(header::CONTENT_TYPE).or_insert(content_type);
    }
    let body = body.try_into_buf().map_err(|error| failed(error.into()))?;
    Ok(http::Request::from_parts(parts, body))
}

async fn whole(
    response: reqwest::Response,
    max_bytes: usize,
) -> Result<http::Response<Bytes>, Error> {
    let mut answer = http::Response::builder().status(response.status());
    if let Some(headers) = answer.headers_mut() {
        headers.clone_from(response.headers());
    }
    let body = read_body(response, max_bytes).await?;
    answer.body(body).map_err(|error| Error::Response(error.to_string()))
}

fn from_answer(error: FromHttpResponseError<ruma::api::error::Error>) -> Error {
    match error {
        FromHttpResponseError::Server(error) => Error::from_answer(error),
        unreadable => Error::Response(unreadable.to_string()),
    }
}

impl KeySource for Client {
    fn fetch(&self, server: &ServerName) -> BoxFuture<'_, Result<Raw<ServerSigningKeys>, Error>> {
        let server = server.to_owned();
        async move {
            let limits = Limits { timeout: Duration::from_secs(10), max_bytes: 64 << 10 };
            let request = get_server_keys::v2::Request::new();
            Ok(self.send_unsigned(&server, request, limits).await?.server_key)
        }
        .boxed()
    }

    fn query(
        &self,
        notary: &ServerName,
        server: &ServerName,
        valid_until: i64,
    ) -> BoxFuture<'_, Result<Vec<Raw<ServerSigningKeys>>, Error>> {
        let (notary, server) = (notary.to_owned(), server.to_owned());
        async move {
            let limits = Limits { timeout: Duration::from_secs(20), max_bytes: 256 << 10 };
            let valid_until = UInt::new_saturating(u64::try_from(valid_until).unwrap_or_default());
            let valid_until = MilliSecondsSinceUnixEpoch(valid_until);
            let request = get_remote_server_keys::v2::Request::new(server, valid_until);
            Ok(self.send_unsigned(&notary, request, limits).await?.server_keys)
        }
        .boxed()
    }
}

/// The certificates in PEM files, at least one in each.
pub fn ca_certificates(ca_files: &[PathBuf]) -> Result<Vec<CertificateDer<'static>>, Error> {
    let mut certificates = Vec::new();
    for path in ca_files {
        let failed = |reason: String| Error::File { path: path.display().to_string(), reason };
        let pem = fs::read(path).map_err(|error| failed(error.to_string()))?;
        let before = certificates.len();
        for certificate in CertificateDer::pem_slice_iter(&pem) {
            certificates.push(certificate.map_err(|error| failed(error.to_string()))?);
        }
        if certificates.len() == before {
            return Err(failed("no certificate in this file".to_owned()));
        }
    }
    Ok(certificates)
}

/// TLS with the system's trust anchors and those in `ca_files`.
pub(crate) fn tls_config(ca_files: &[PathBuf]) -> Result<rustls::ClientConfig, Error> {
    let mut roots = rustls::RootCertStore::empty();
    let system = rustls_native_certs::load_native_certs();
    for error in &system.errors {
        tracing::warn!(%error, "a trust anchor of the system is unreadable");
    }
    roots.add_parsable_certificates(system.certs);
    for certificate in ca_certificates(ca_files)? {
        roots.add(certificate).map_err(|error| Error::Tls(error.to_string()))?;
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| Error::Tls(error.to_string()))?
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(config)
}

/// What all HTTP clients of federation have in common.
pub(crate) fn http_client(
    tls: rustls::ClientConfig,
    resolver: CheckedResolver,
) -> reqwest::ClientBuilder {
    reqwest::Client::builder()
        .tls_backend_preconfigured(tls)
        .dns_resolver(Arc::new(resolver))
        .no_proxy()
        .https_only(true)
        .user_agent(concat!("Sealpost/", env!("CARGO_PKG_VERSION")))
        .connect_timeout(Duration::from_secs(5))
        // Below the minute after which other servers close a connection.
        .pool_idle_timeout(Duration::from_secs(45))
        .pool_max_idle_per_host(4)
        .http2_keep_alive_interval(Duration::from_secs(20))
        .http2_keep_alive_timeout(Duration::from_secs(10))
}

/// Reads a body of at most `limit` bytes.
pub(crate) async fn read_body(
    mut response: reqwest::Response,
    limit: usize,
) -> Result<Bytes, Error> {
    let too_large = || Error::TooLarge { limit };
    let announced = response.content_length().unwrap_or(0);
    if announced > limit as u64 {
        return Err(too_large());
    }
    let mut body = Vec::with_capacity(announced.min(1 << 20) as usize);
    while let Some(chunk) = response.chunk().await.map_err(from_reqwest)? {
        if chunk.len() > limit - body.len() {
            return Err(too_large());
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body.into())
}

/// The innermost cause is what a person wants to read.
pub(crate) fn from_reqwest(error: reqwest::Error) -> Error {
    // Of a server that is not even reached more is known.
    if error.is_timeout() && !error.is_connect() {
        return Error::Timeout;
    }
    let mut cause = error.source();
    let mut message = error.to_string();
    while let Some(inner) = cause {
        if let Some(Error::PrivateAddress(address)) = inner.downcast_ref::<Error>() {
            return Error::PrivateAddress(*address);
        }
        message = inner.to_string();
        cause = inner.source();
    }
    Error::Connection(message)
}
