//! The listeners, and what happens to every request: which listener, which route, CORS, metrics.

use std::{
    io,
    net::{IpAddr, SocketAddr, TcpListener},
    sync::Arc,
    time::{Duration, Instant},
};

use actix_web::{
    App as ActixApp, HttpRequest, HttpResponse, HttpServer,
    dev::Server,
    http::{
        Method,
        header::{self, HeaderMap, HeaderName, HeaderValue},
    },
    web,
};
use ipnet::IpNet;
use socket2::{Domain, Socket, Type};
use tokio_util::sync::CancellationToken;

use super::{
    app::App,
    assets, error,
    metrics::Metrics,
    proxy,
    router::Found,
    routes::{Route, Routes, Side},
    ruma::{Body, Call, Ctx},
    tls::Certificate,
};

/// What a listener gives access to.
#[derive(Clone, Debug)]
pub enum Serves {
    Matrix { client: bool, federation: bool },
    Metrics,
}

/// A bound address, not yet served.
pub struct Bound {
    pub serves: Serves,
    pub trusted_proxies: Vec<IpNet>,
    pub certificate: Option<Arc<Certificate>>,
    listener: TcpListener,
    address: SocketAddr,
}

impl Bound {
    pub fn bind(
        address: SocketAddr,
        serves: Serves,
        trusted_proxies: Vec<IpNet>,
        certificate: Option<Arc<Certificate>>,
    ) -> io::Result<Self> {
        let socket = Socket::new(Domain::for_address(address), Type::STREAM, None)?;
        socket.set_reuse_address(true)?;
        if address.is_ipv6() && !address.ip().is_unspecified() {
            socket.set_only_v6(true)?;
        }
        socket.set_nonblocking(true)?;
        socket.bind(&address.into())?;
        socket.listen(1024)?;
        let listener = TcpListener::from(socket);
        let address = listener.local_addr()?;
        Ok(Self { serves, trusted_proxies, certificate, listener, address })
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

/// What every worker thread shares.
struct Front {
    app: web::Data<App>,
    routes: Routes,
    metrics: Metrics,
    listeners: Vec<Access>,
}

struct Access {
    address: SocketAddr,
    serves: Serves,
    trusted_proxies: Vec<IpNet>,
}

/// How long requests in flight may take after the signal to stop.
const STOP_WITHIN_SECONDS: u64 = 8;
/// How long an idle connection is kept.
const KEEP_ALIVE: Duration = Duration::from_secs(75);

/// Serves until `stopping` is cancelled and what is in flight is answered.
pub fn serve(
    app: App,
    routes: Routes,
    metrics: Metrics,
    bound: Vec<Bound>,
    stopping: CancellationToken,
) -> io::Result<Server> {
    let listeners = bound
        .iter()
        .map(|bound| Access {
            address: bound.address,
            serves: bound.serves.clone(),
            trusted_proxies: bound.trusted_proxies.clone(),
        })
        .collect();
    let front = web::Data::new(Front { app: web::Data::new(app), routes, metrics, listeners });
    let mut server = HttpServer::new(move || {
        ActixApp::new().app_data(front.clone()).default_service(web::to(dispatch))
    })
    .tcp_nodelay(true)
    .keep_alive(KEEP_ALIVE)
    .client_request_timeout(Duration::from_secs(30))
    .shutdown_signal(stopping.cancelled_owned())
    .shutdown_timeout(STOP_WITHIN_SECONDS);
    for bound in bound {
        server = match bound.certificate {
            Some(certificate) => {
                server.listen_rustls_0_23(bound.listener, certificate.server_config()?)?
            }
            None => server.listen(bound.listener)?,
        };
    }
    Ok(server.run())
}

async fn dispatch(request: HttpRequest, payload: web::Payload) -> HttpResponse {
    let Some(front) = request.app_data::<web::Data<Front>>().cloned() else {
        return error::unknown_path();
    };
    let local = request.app_config().local_addr();
    let Some(access) = front.listeners.iter().find(|access| access.address == local) else {
        return error::unknown_path();
    };
    let path = request.uri().path();
    match access.serves {
        Serves::Metrics if path == "/metrics" => HttpResponse::Ok()
            .content_type("text/plain; version=0.0.4")
            .body(front.metrics.text(&front.routes)),
        Serves::Metrics => error::unknown_path(),
        Serves::Matrix { .. } if path == "/health" => {
            HttpResponse::Ok().content_type("text/plain").body("OK")
        }
        Serves::Matrix { client, federation } => {
            let open_to_other_pages =
                path.starts_with("/_matrix/") || path.starts_with("/.well-known/");
            let mut response = if open_to_other_pages && request.method() == Method::OPTIONS {
                HttpResponse::Ok().insert_header((header::ACCESS_CONTROL_MAX_AGE, "86400")).finish()
            } else {
                let served = match Side::of(path) {
                    Side::Client => client,
                    Side::Federation => federation,
                };
                answer(&front, access, &request, payload, served).await
            };
            if open_to_other_pages {
                allow_other_origins(response.headers_mut());
            }
            response
        }
    }
}

async fn answer(
    front: &Front,
    access: &Access,
    request: &HttpRequest,
    payload: web::Payload,
    served: bool,
) -> HttpResponse {
    if !served {
        return error::unknown_path();
    }
    let path = request.uri().path();
    match front.routes.find(request.method(), path) {
        Found::Route(route, arguments) => {
            let address = caller_address(access, request);
            let ctx = Ctx::new(front.app.clone(), address);
            let body = Body::new(payload, route.body_limit);
            run(route, ctx, Call { http: request.clone(), body, arguments }).await
        }
        Found::OtherMethod => error::unknown_method(),
        Found::Nothing if path.starts_with("/_") || path.starts_with("/.") => error::unknown_path(),
        Found::Nothing => assets::respond(request),
    }
}

async fn run(route: &Route, ctx: Ctx, call: Call) -> HttpResponse {
    let began = Instant::now();
    let _in_flight = route.metrics.begin();
    let response = match (route.run)(ctx, call).await {
        Ok(response) => response,
        Err(error) => error::respond(&error, route.name),
    };
    let took = began.elapsed();
    route.metrics.record(response.status(), took);
    tracing::debug!(
        method = %route.method,
        path = route.name,
        status = response.status().as_u16(),
        ?took,
        "answered"
    );
    response
}

fn caller_address(access: &Access, request: &HttpRequest) -> Option<IpAddr> {
    let peer = request.peer_addr()?.ip();
    if access.trusted_proxies.is_empty() {
        return Some(peer);
    }
    Some(proxy::caller(peer, request.headers(), &access.trusted_proxies))
}

fn allow_other_origins(headers: &mut HeaderMap) {
    const ALLOWED: [(HeaderName, &str); 3] = [
        (header::ACCESS_CONTROL_ALLOW_ORIGIN, "*"),
        (header::ACCESS_CONTROL_ALLOW_METHODS, "GET, POST, PUT, DELETE, OPTIONS"),
        (
            header::ACCESS_CONTROL_ALLOW_HEADERS,
            "X-Requested-With, Content-Type, Authorization, Date",
        ),
    ];
    for (name, value) in ALLOWED {
        headers.insert(name, HeaderValue::from_static(value));
    }
}
