//! What becomes of what another server refuses: nothing is lost that it would take.

use std::sync::Arc;

use parking_lot::Mutex;
use reqwest::Method;
use sealpost_homeserver::storage::{Tx, destinations};
use serde_json::{Value, json};

use crate::{
    network::Network,
    puppet::{Puppet, Reply, now},
    user::User,
};

/// What a puppet took of messages to devices, in order, and when it refuses.
#[derive(Clone, Default)]
struct Inbox {
    taken: Arc<Mutex<Vec<u64>>>,
    /// The path of the last transaction that was taken: it comes again when the sender stops before it has noted that.
    last: Arc<Mutex<String>>,
    refused: Arc<Mutex<usize>>,
    /// The answer to transactions with a message in them that is `bad`, or to all if it is 403; 503 while there is
    /// none.
    to_bad: Arc<Mutex<Option<u16>>>,
}

impl Inbox {
    fn of(puppet: &Puppet) -> Self {
        let inbox = Self::default();
        let own = inbox.clone();
        puppet.script.set(move |asked| {
            if !asked.path.contains("/send/") {
                return None;
            }
            let error = json!({ "errcode": "M_BAD_JSON", "error": "no" });
            let Some(to_bad) = *own.to_bad.lock() else { return Some(Reply::Json(503, error)) };
            if to_bad == 403 || (to_bad != 200 && asked.body.contains("bad")) {
                *own.refused.lock() += 1;
                return Some(Reply::Json(to_bad, error));
            }
            if std::mem::replace(&mut *own.last.lock(), asked.path.clone()) == asked.path {
                return Some(Reply::Json(200, json!({ "pdus": {} })));
            }
            let body: Value = serde_json::from_str(&asked.body).unwrap();
            let edus = body["edus"].as_array().cloned().unwrap_or_default();
            let messages = edus.iter().filter(|edu| edu["edu_type"] == "m.direct_to_device");
            own.taken.lock().extend(messages.map(|edu| {
                edu["content"]["messages"]["@mallory:puppet.test"]["D"]["n"].as_u64().unwrap()
            }));
            Some(Reply::Json(200, json!({ "pdus": {} })))
        });
        inbox
    }

    async fn takes(&self, puppet: &Puppet, numbers: &[u64]) {
        let done = seen(puppet, || *self.taken.lock() == numbers).await;
        assert!(done, "{:?} and not {numbers:?}", self.taken.lock());
    }

    async fn refuses_once_more(&self, puppet: &Puppet) {
        let before = *self.refused.lock();
        assert!(seen(puppet, || *self.refused.lock() > before).await, "nothing came to be refused");
    }
}

/// Whether it comes to be; the puppet shows itself meanwhile, so that no pause is waited for.
async fn seen(puppet: &Puppet, is: impl Fn() -> bool) -> bool {
    let waiting = async {
        while !is() {
            let _ = puppet.transaction("a.test", Vec::new(), Vec::new()).await;
            tokio::time::sleep(std::time::Duration::from_millis(100)).await;
        }
    };
    tokio::time::timeout(std::time::Duration::from_secs(90), waiting).await.is_ok()
}

async fn send(from: &User, number: u64, text: &str) {
    let path = format!("sendToDevice/m.test/{number}");
    let content = json!({ "n": number, "text": text });
    let body = json!({ "messages": { "@mallory:puppet.test": { "D": content } } });
    from.call(Method::PUT, &path, body).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_server_refuses_is_found_waits_and_is_given_up_late_and_the_rest_comes_through() {
    let network = Network::new();
    let a = network.start("a.test").await;
    let alice = a.register("alice").await;
    let puppet = Puppet::start(&network, "puppet.test").await;
    let inbox = Inbox::of(&puppet);
    for number in 0..9 {
        send(&alice, number, if number == 5 { "bad" } else { "good" }).await;
    }

    // Refused for a reason that says nothing of what was sent: all of it waits.
    *inbox.to_bad.lock() = Some(403);
    inbox.refuses_once_more(&puppet).await;
    assert!(inbox.taken.lock().is_empty());

    // What is before the bad one comes through, and the bad one is not dropped.
    *inbox.to_bad.lock() = Some(400);
    inbox.takes(&puppet, &[0, 1, 2, 3, 4]).await;
    *inbox.to_bad.lock() = Some(200);
    inbox.takes(&puppet, &[0, 1, 2, 3, 4, 5, 6, 7, 8]).await;

    // Refused for a long time, it is.
    *inbox.to_bad.lock() = Some(400);
    for number in 9..12 {
        send(&alice, number, if number == 10 { "bad" } else { "good" }).await;
    }
    inbox.takes(&puppet, &[0, 1, 2, 3, 4, 5, 6, 7, 8, 9]).await;
    // The next attempt tells that a has noted what was taken: it would begin with that again, and be well.
    inbox.refuses_once_more(&puppet).await;
    a.stop().await;
    let store = network.database("a.test").await;
    let long_ago = move |tx: &mut Tx<'_>| {
        let mut row = destinations::get(tx, "puppet.test")?.unwrap();
        row.failing_since = Some(now() - 11 * 60 * 1_000);
        destinations::set(tx, &row)
    };
    store.write(long_ago).await.unwrap();
    store.close().await;
    let a = network.start("a.test").await;
    inbox.takes(&puppet, &[0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 11]).await;
    a.stop().await;
}
