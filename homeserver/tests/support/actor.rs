//! Somebody at a client: `alice.join(&room)`.

use std::time::Duration;

use reqwest::{Client, Method, RequestBuilder, StatusCode};
use serde_json::{Value, json};

/// A connection to a server, with or without an access token.
#[derive(Clone)]
pub struct Connection {
    http: Client,
    base: String,
    access_token: Option<String>,
}

/// What the server said.
#[derive(Clone, Debug)]
pub struct Answer {
    pub status: StatusCode,
    pub body: Value,
}

impl Answer {
    /// The body of a success.
    #[track_caller]
    pub fn ok(self) -> Value {
        assert!(self.status.is_success(), "{} {}", self.status, self.body);
        self.body
    }

    /// Status and `errcode`, for comparing.
    pub fn error(&self) -> (u16, &str) {
        (self.status.as_u16(), self.body["errcode"].as_str().unwrap_or_default())
    }
}

impl Connection {
    pub fn new(base: String) -> Self {
        // A test that hangs says nothing.
        let http = Client::builder()
            .timeout(Duration::from_secs(60))
            // A server that stops waits a while for connections that are open.
            .pool_max_idle_per_host(0)
            .build()
            .unwrap();
        Self { http, base, access_token: None }
    }

    pub fn with_token(mut self, access_token: &str) -> Self {
        self.access_token = Some(access_token.to_owned());
        self
    }

    /// The path is sent as it stands: arguments must be percent-encoded.
    pub fn request(&self, method: Method, path: &str) -> RequestBuilder {
        let request = self.http.request(method, format!("{}{path}", self.base));
        match &self.access_token {
            Some(access_token) => request.bearer_auth(access_token),
            None => request,
        }
    }

    pub async fn send(request: RequestBuilder) -> Answer {
        let response = request.send().await.unwrap();
        let status = response.status();
        let bytes = response.bytes().await.unwrap();
        let body = serde_json::from_slice(&bytes)
            .unwrap_or_else(|_| String::from_utf8_lossy(&bytes).into_owned().into());
        Answer { status, body }
    }

    pub async fn get(&self, path: &str) -> Answer {
        Self::send(self.request(Method::GET, path)).await
    }

    pub async fn post(&self, path: &str, body: Value) -> Answer {
        Self::send(self.request(Method::POST, path).body(body.to_string())).await
    }

    pub async fn put(&self, path: &str, body: Value) -> Answer {
        Self::send(self.request(Method::PUT, path).body(body.to_string())).await
    }
}

/// A user on one device.
#[derive(Clone)]
pub struct Actor {
    pub user_id: String,
    pub device_id: String,
    pub access_token: String,
    connection: Connection,
}

impl std::ops::Deref for Actor {
    type Target = Connection;

    fn deref(&self) -> &Connection {
        &self.connection
    }
}

impl Actor {
    /// From the answer to a registration or login.
    pub fn new(connection: Connection, answer: &Value) -> Self {
        let text = |key: &str| answer[key].as_str().unwrap().to_owned();
        let access_token = text("access_token");
        Self {
            user_id: text("user_id"),
            device_id: text("device_id"),
            connection: connection.with_token(&access_token),
            access_token,
        }
    }

    /// The same device after its server has moved.
    pub fn at(&self, connection: Connection) -> Self {
        let connection = connection.with_token(&self.access_token);
        Self { connection, ..self.clone() }
    }

    /// Makes a public room and returns its id.
    pub async fn create_room(&self) -> String {
        self.create_room_with(json!({ "preset": "public_chat" })).await
    }

    pub async fn create_room_with(&self, body: Value) -> String {
        let answer = self.post("/_matrix/client/v3/createRoom", body).await.ok();
        answer["room_id"].as_str().unwrap().to_owned()
    }

    pub async fn join(&self, room: &str) {
        self.post(&in_room(room, "join"), json!({})).await.ok();
    }

    pub async fn leave(&self, room: &str) {
        self.post(&in_room(room, "leave"), json!({})).await.ok();
    }

    pub async fn invite(&self, room: &str, whom: &Actor) {
        self.post(&in_room(room, "invite"), json!({ "user_id": whom.user_id })).await.ok();
    }

    /// Sends a text and returns the event's id.
    pub async fn say(&self, room: &str, text: &str) -> String {
        let transaction = rand::random::<u64>();
        let path = in_room(room, &format!("send/m.room.message/{transaction}"));
        let answer = self.put(&path, json!({ "msgtype": "m.text", "body": text })).await.ok();
        answer["event_id"].as_str().unwrap().to_owned()
    }

    /// What is new since a token; the query is without it.
    pub async fn sync(&self, since: Option<&str>, query: &str) -> Value {
        let since = since.map(|since| format!("&since={since}")).unwrap_or_default();
        self.get(&format!("/_matrix/client/v3/sync?{query}{since}")).await.ok()
    }
}

/// A path under a room's.
pub fn in_room(room: &str, rest: &str) -> String {
    format!("/_matrix/client/v3/rooms/{}/{rest}", room.replace('!', "%21").replace(':', "%3A"))
}

/// What a sync says when nothing is new: where the client stands, and that its device has no keys.
pub fn nothing_new(next_batch: &str) -> Value {
    json!({
        "next_batch": next_batch,
        "device_one_time_keys_count": { "signed_curve25519": 0 },
        "device_unused_fallback_key_types": [],
    })
}
