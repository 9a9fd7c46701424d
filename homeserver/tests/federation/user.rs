//! A person with a client: a few requests, and a sync that is read until what is awaited has come.

use std::{sync::Arc, time::Duration};

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

/// How long anything may take to arrive.
const PATIENCE: Duration = Duration::from_secs(90);

pub struct User {
    pub id: String,
    http: reqwest::Client,
    base: String,
    token: String,
}

/// An HTTP client that trusts nobody's proxy, and of authorities these alone.
pub fn http(roots: rustls::RootCertStore) -> reqwest::ClientBuilder {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let tls = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    reqwest::Client::builder().no_proxy().tls_backend_preconfigured(tls)
}

/// One that needs no TLS.
fn http_in_clear() -> reqwest::Client {
    http(rustls::RootCertStore::empty()).build().unwrap()
}

impl User {
    pub async fn register(base: &str, name: &str) -> Self {
        let http = http_in_clear();
        let body = json!({
            "username": name, "password": "correct horse", "auth": { "type": "m.login.dummy" },
        });
        let url = format!("{base}/_matrix/client/v3/register");
        let answer = http.post(url).body(body.to_string()).send().await.unwrap();
        let answer: Value = serde_json::from_str(&answer.text().await.unwrap()).unwrap();
        let token = answer["access_token"].as_str().unwrap_or_else(|| panic!("{answer}"));
        Self {
            id: answer["user_id"].as_str().unwrap().to_owned(),
            token: token.to_owned(),
            http,
            base: base.to_owned(),
        }
    }

    /// Somebody without a name of their own, and without a password.
    pub async fn register_guest(base: &str) -> Self {
        let http = http_in_clear();
        let url = format!("{base}/_matrix/client/v3/register?kind=guest");
        let answer = http.post(url).body("{}").send().await.unwrap();
        let answer: Value = serde_json::from_str(&answer.text().await.unwrap()).unwrap();
        let (id, token) = (answer["user_id"].as_str(), answer["access_token"].as_str());
        Self {
            id: id.unwrap_or_else(|| panic!("{answer}")).to_owned(),
            token: token.unwrap().to_owned(),
            http,
            base: base.to_owned(),
        }
    }

    /// The same person after their server has moved.
    pub fn at(&self, base: &str) -> Self {
        let (id, token, http) = (self.id.clone(), self.token.clone(), self.http.clone());
        Self { id, token, http, base: base.to_owned() }
    }

    /// A request that may not be answered.
    pub async fn attempt(&self, method: Method, path: &str, body: Value) -> Option<StatusCode> {
        let url = format!("{}/_matrix/client/v3/{path}", self.base);
        let request = self.http.request(method, url).bearer_auth(&self.token);
        request.body(body.to_string()).send().await.ok().map(|response| response.status())
    }

    pub async fn try_call(&self, method: Method, path: &str, body: Value) -> (StatusCode, Value) {
        let url = format!("{}/_matrix/client/v3/{path}", self.base);
        let mut request = self.http.request(method.clone(), url).bearer_auth(&self.token);
        if method != Method::GET {
            request = request.body(body.to_string());
        }
        let response = request.send().await.unwrap();
        let status = response.status();
        (status, serde_json::from_str(&response.text().await.unwrap()).unwrap())
    }

    pub async fn call(&self, method: Method, path: &str, body: Value) -> Value {
        let (status, answer) = self.try_call(method, path, body).await;
        assert!(status.is_success(), "{path}: {status} {answer}");
        answer
    }

    /// A request at an address of its own.
    pub async fn request_at(&self, method: Method, url: &str, body: Value) -> Value {
        let request = self.http.request(method, url).bearer_auth(&self.token);
        let answer = request.body(body.to_string()).send().await.unwrap();
        serde_json::from_str(&answer.text().await.unwrap()).unwrap()
    }

    /// Uploads a file and answers its address without `mxc://`.
    pub async fn upload(&self, query: &str, kind: &str, bytes: Vec<u8>) -> String {
        let url = format!("{}/_matrix/media/v3/upload?{query}", self.base);
        let request = self.http.post(url).bearer_auth(&self.token).header("content-type", kind);
        let answer = request.body(bytes).send().await.unwrap().text().await.unwrap();
        let answer: Value = serde_json::from_str(&answer).unwrap();
        answer["content_uri"].as_str().unwrap().strip_prefix("mxc://").unwrap().to_owned()
    }

    /// Gets a file or thumbnail.
    pub async fn media(&self, path: &str) -> reqwest::Response {
        let url = format!("{}/_matrix/client/v1/media/{path}", self.base);
        self.http.get(url).bearer_auth(&self.token).send().await.unwrap()
    }

    pub async fn create_room(&self, body: Value) -> String {
        let answer = self.call(Method::POST, "createRoom", body).await;
        answer["room_id"].as_str().unwrap().to_owned()
    }

    pub async fn join(&self, room: &str, via: &str) {
        let path = format!("join/{}?via={via}", encode(room));
        self.call(Method::POST, &path, json!({})).await;
    }

    pub async fn send(&self, room: &str, body: &str) -> String {
        let transaction = encode(body);
        let path = format!("rooms/{}/send/m.room.message/{transaction}", encode(room));
        let content = json!({ "msgtype": "m.text", "body": body });
        let answer = self.call(Method::PUT, &path, content).await;
        answer["event_id"].as_str().unwrap().to_owned()
    }

    pub async fn set_state(&self, room: &str, event_type: &str, content: Value) {
        self.set_state_id(room, event_type, content).await;
    }

    /// The same, and the id of the event.
    pub async fn set_state_id(&self, room: &str, event_type: &str, content: Value) -> String {
        let path = format!("rooms/{}/state/{event_type}/", encode(room));
        let answer = self.call(Method::PUT, &path, content).await;
        answer["event_id"].as_str().unwrap().to_owned()
    }

    pub async fn state(&self, room: &str, event_type: &str) -> Value {
        let path = format!("rooms/{}/state/{event_type}/", encode(room));
        self.call(Method::GET, &path, json!({})).await
    }

    /// What `user` is in the room.
    pub async fn membership(&self, room: &str, user: &str) -> String {
        let path = format!("rooms/{}/state/m.room.member/{}", encode(room), encode(user));
        let member = self.call(Method::GET, &path, json!({})).await;
        member["membership"].as_str().unwrap().to_owned()
    }

    /// The ids of the events of the room's current state, sorted.
    pub async fn state_ids(&self, room: &str) -> Vec<String> {
        let path = format!("rooms/{}/state", encode(room));
        let answer = self.call(Method::GET, &path, json!({})).await;
        let mut ids: Vec<String> = answer
            .as_array()
            .unwrap()
            .iter()
            .map(|event| event["event_id"].as_str().unwrap().to_owned())
            .collect();
        ids.sort();
        ids
    }

    /// The bodies of the room's messages, oldest first.
    pub async fn bodies(&self, room: &str) -> Vec<String> {
        let path = format!("rooms/{}/messages?dir=b&limit=500", encode(room));
        let answer = self.call(Method::GET, &path, json!({})).await;
        let mut bodies: Vec<String> = answer["chunk"]
            .as_array()
            .unwrap()
            .iter()
            .filter_map(|event| event["content"]["body"].as_str().map(str::to_owned))
            .collect();
        bodies.reverse();
        bodies
    }

    /// Syncs until a message with each of `bodies` is in the room's history.
    pub async fn sees(&self, room: &str, bodies: &[&str]) {
        self.sync_until(&format!("{bodies:?}"), async || {
            let seen = self.bodies(room).await;
            bodies.iter().all(|body| seen.iter().any(|seen| seen == body))
        })
        .await;
    }

    /// Syncs until the invite to `room` is there, and answers its stripped state.
    pub async fn invited(&self, room: &str) -> Value {
        let mut since = String::new();
        let waiting = async {
            loop {
                let answer = self.sync(&since).await;
                let invite = &answer["rooms"]["invite"][room]["invite_state"]["events"];
                if !invite.is_null() {
                    return invite.clone();
                }
                since = answer["next_batch"].as_str().unwrap().to_owned();
            }
        };
        tokio::time::timeout(PATIENCE, waiting).await.expect("the invite did not come")
    }

    /// Looks whenever sync brings something.
    pub async fn sync_until(&self, what: &str, mut looks: impl AsyncFnMut() -> bool) {
        let mut since = String::new();
        let waiting = async {
            loop {
                let answer = self.sync(&since).await;
                if looks().await {
                    return;
                }
                since = answer["next_batch"].as_str().unwrap().to_owned();
            }
        };
        let done = tokio::time::timeout(PATIENCE, waiting).await;
        assert!(done.is_ok(), "{} waited in vain for {what}", self.id);
    }

    async fn sync(&self, since: &str) -> Value {
        let path = match since {
            "" => "sync?timeout=0".to_owned(),
            since => format!("sync?timeout=5000&since={since}"),
        };
        self.call(Method::GET, &path, json!({})).await
    }
}

/// What makes a room that anybody enters, and whose state anybody in it changes.
pub fn where_all_change_the_state() -> Value {
    json!({
        "preset": "public_chat",
        "room_version": "11",
        "power_level_content_override": { "state_default": 0 },
    })
}

/// Percent-encodes what a path segment may not hold.
pub fn encode(segment: &str) -> String {
    segment
        .bytes()
        .map(|byte| match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' => {
                char::from(byte).to_string()
            }
            _ => format!("%{byte:02X}"),
        })
        .collect()
}
