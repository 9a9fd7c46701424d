//! One user with a connection of its own, and the few calls that the scenarios need.

use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper::{Method, Request, header};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::net::TcpStream;

use crate::Result;

const PASSWORD: &str = "correct horse battery staple";
/// No request may take longer; one that does is a failure, for example a deadlock.
const LIMIT: Duration = Duration::from_secs(60);

/// A logged-in device.
pub struct User {
    pub id: String,
    pub device: String,
    token: String,
    address: String,
    connection: Option<SendRequest<Full<Bytes>>>,
}

impl User {
    /// Makes an account, in one request (`m.login.dummy`).
    pub async fn register(address: &str, name: &str) -> Result<Self> {
        let body = json!({ "username": name, "password": PASSWORD,
            "auth": { "type": "m.login.dummy" } });
        Self::enter(address, "/_matrix/client/v3/register", &body).await
    }

    /// The same user on a new device.
    pub async fn another_device(&self) -> Result<Self> {
        let body = json!({ "type": "m.login.password", "password": PASSWORD,
            "identifier": { "type": "m.id.user", "user": self.id } });
        Self::enter(&self.address, "/_matrix/client/v3/login", &body).await
    }

    async fn enter(address: &str, path: &str, body: &Value) -> Result<Self> {
        let mut user = Self {
            id: String::new(),
            device: String::new(),
            token: String::new(),
            address: address.to_owned(),
            connection: None,
        };
        let answer = user.post(path, body).await?;
        user.id = text(&answer, "user_id")?;
        user.device = text(&answer, "device_id")?;
        user.token = text(&answer, "access_token")?;
        Ok(user)
    }

    /// Makes a public room.
    pub async fn create_room(&mut self) -> Result<String> {
        let body = json!({ "preset": "public_chat", "name": "bench", "room_version": "11" });
        text(&self.post("/_matrix/client/v3/createRoom", &body).await?, "room_id")
    }

    pub async fn join(&mut self, room: &str) -> Result<()> {
        let path = format!("/_matrix/client/v3/join/{}", encode(room));
        self.post(&path, &json!({})).await.map(drop)
    }

    /// Sends a text; the event's id.
    pub async fn send(&mut self, room: &str, transaction: &str, body: &str) -> Result<String> {
        let path = format!(
            "/_matrix/client/v3/rooms/{}/send/m.room.message/{}",
            encode(room),
            encode(transaction)
        );
        let content = json!({ "msgtype": "m.text", "body": body });
        let answer = self.request(Method::PUT, &path, Some(&content)).await?;
        text(&parse(&answer)?, "event_id")
    }

    /// `query` is everything after the `?`.
    pub async fn sync(&mut self, query: &str) -> Result<Value> {
        self.get(&format!("/_matrix/client/v3/sync?{query}")).await
    }

    /// One page of history.
    pub async fn messages(&mut self, room: &str, query: &str) -> Result<Value> {
        self.get(&format!("/_matrix/client/v3/rooms/{}/messages?{query}", encode(room))).await
    }

    pub async fn get(&mut self, path: &str) -> Result<Value> {
        parse(&self.request(Method::GET, path, None).await?)
    }

    pub async fn put(&mut self, path: &str, body: &Value) -> Result<Value> {
        parse(&self.request(Method::PUT, path, Some(body)).await?)
    }

    pub async fn post(&mut self, path: &str, body: &Value) -> Result<Value> {
        parse(&self.request(Method::POST, path, Some(body)).await?)
    }

    /// Any request; the body of a 2xx answer.
    pub async fn request(
        &mut self,
        method: Method,
        path: &str,
        body: Option<&Value>,
    ) -> Result<Bytes> {
        let body = body.map_or_else(Bytes::new, |body| Bytes::from(body.to_string()));
        self.exchange(method, path, "application/json", body).await
    }

    /// A request with a body of any type; the body of a 2xx answer.
    pub async fn exchange(
        &mut self,
        method: Method,
        path: &str,
        content_type: &str,
        body: Bytes,
    ) -> Result<Bytes> {
        let what = format!("{method} {path}");
        let exchange = async {
            let mut request =
                Request::builder().method(method).uri(path).header(header::HOST, &self.address);
            if !self.token.is_empty() {
                request = request.header(header::AUTHORIZATION, format!("Bearer {}", self.token));
            }
            let request = request
                .header(header::CONTENT_TYPE, content_type)
                .body(Full::new(body))
                .map_err(|error| error.to_string())?;
            let response = self
                .connected()
                .await?
                .send_request(request)
                .await
                .map_err(|error| error.to_string())?;
            let status = response.status();
            let bytes = response.into_body().collect().await.map_err(|e| e.to_string())?.to_bytes();
            if status.is_success() {
                return Ok(bytes);
            }
            let shown: String = String::from_utf8_lossy(&bytes).chars().take(200).collect();
            Err(format!("{status} {shown}"))
        };
        match tokio::time::timeout(LIMIT, exchange).await {
            Ok(answer) => answer.map_err(|error| format!("{what}: {error}")),
            Err(_) => Err(format!("{what}: no answer within {} s", LIMIT.as_secs())),
        }
    }

    async fn connected(&mut self) -> Result<&mut SendRequest<Full<Bytes>>> {
        let mut open = match self.connection.take() {
            Some(connection) => connection,
            None => connect(&self.address).await?,
        };
        // The server may have closed a connection that was idle.
        if open.ready().await.is_err() {
            open = connect(&self.address).await?;
        }
        Ok(self.connection.insert(open))
    }
}

async fn connect(address: &str) -> Result<SendRequest<Full<Bytes>>> {
    let stream = TcpStream::connect(address).await.map_err(|error| error.to_string())?;
    stream.set_nodelay(true).map_err(|error| error.to_string())?;
    let (sender, connection) =
        handshake(TokioIo::new(stream)).await.map_err(|error| error.to_string())?;
    tokio::spawn(connection);
    Ok(sender)
}

fn parse(bytes: &Bytes) -> Result<Value> {
    serde_json::from_slice(bytes).map_err(|error| format!("not JSON: {error}"))
}

/// A string of an object.
pub fn text(value: &Value, key: &str) -> Result<String> {
    value[key].as_str().map(str::to_owned).ok_or_else(|| format!("no {key} in {value}"))
}

/// Percent-encodes a path segment or query value.
pub fn encode(text: &str) -> String {
    text.bytes()
        .map(|byte| match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                char::from(byte).to_string()
            }
            _ => format!("%{byte:02X}"),
        })
        .collect()
}
