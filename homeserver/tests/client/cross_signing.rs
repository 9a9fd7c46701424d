//! Keys of users: uploaded with a proof where they replace others, and their signatures, which are verified.

use ruma::{
    CanonicalJsonObject,
    signatures::{KeyPair as _, to_canonical_json_string_for_signing},
};
use sealpost_federation::SigningKey;
use serde_json::{Value, json};

use super::{
    actor::Actor,
    keys::{QUERY, UPLOAD},
    server::on_both,
};

const KEYS: &str = "/_matrix/client/v3/keys/device_signing/upload";
const SIGNATURES: &str = "/_matrix/client/v3/keys/signatures/upload";

/// A key pair that signs as clients do.
struct Pair(SigningKey);

impl Pair {
    fn new(seed: u8) -> Self {
        Self(SigningKey::from_seed("1", &[seed; 32]).unwrap())
    }

    fn public(&self) -> String {
        use base64::{Engine as _, engine::general_purpose::STANDARD_NO_PAD};
        STANDARD_NO_PAD.encode(self.0.public_key())
    }

    fn id(&self) -> String {
        format!("ed25519:{}", self.public())
    }

    /// Adds a signature in the name of `user`.
    fn sign(&self, object: &mut Value, user: &Actor, key_id: &str) {
        let canonical: CanonicalJsonObject = serde_json::from_value(object.clone()).unwrap();
        let form = to_canonical_json_string_for_signing(&canonical).unwrap();
        let signature = self.0.sign(form.as_bytes()).base64();
        object["signatures"][&user.user_id][key_id] = signature.into();
    }
}

/// The three keys of a user.
struct Identity {
    user: Actor,
    master: Pair,
    self_signing: Pair,
    user_signing: Pair,
}

impl Identity {
    fn new(user: &Actor, seed: u8) -> Self {
        let pair = |n| Pair::new(seed + n);
        let (master, self_signing, user_signing) = (pair(0), pair(1), pair(2));
        Self { user: user.clone(), master, self_signing, user_signing }
    }

    fn key(&self, pair: &Pair, usage: &str) -> Value {
        let mut key = json!({
            "user_id": self.user.user_id, "usage": [usage], "keys": { pair.id(): pair.public() },
        });
        if usage != "master" {
            self.master.sign(&mut key, &self.user, &self.master.id());
        }
        key
    }

    fn keys(&self) -> Value {
        json!({
            "master_key": self.key(&self.master, "master"),
            "self_signing_key": self.key(&self.self_signing, "self_signing"),
            "user_signing_key": self.key(&self.user_signing, "user_signing"),
        })
    }
}

/// Keys of the actor's device, signed by it.
fn device(actor: &Actor, pair: &Pair) -> Value {
    let id = format!("ed25519:{}", actor.device_id);
    let mut keys = json!({
        "user_id": actor.user_id, "device_id": actor.device_id, "algorithms": [],
        "keys": { &id: pair.public() },
    });
    pair.sign(&mut keys, actor, &id);
    keys
}

async fn query(by: &Actor, of: &Actor) -> Value {
    by.post(QUERY, json!({ "device_keys": { &of.user_id: [] } })).await.ok()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_first_keys_are_free_and_others_take_a_password() {
    on_both(async |server| {
        let (alice, bob) = (server.register("alice").await, server.register("bob").await);
        let identity = Identity::new(&alice, 10);
        let upload = async |body: Value| alice.post(KEYS, body).await;
        let mut unsigned = identity.keys();
        unsigned["self_signing_key"].as_object_mut().unwrap().remove("signatures");
        assert_eq!(upload(unsigned).await.error(), (400, "M_INVALID_SIGNATURE"));
        let mut alone = identity.keys();
        alone.as_object_mut().unwrap().remove("master_key");
        assert_eq!(upload(alone).await.error(), (400, "M_MISSING_PARAM"));
        let of_bob = Identity::new(&bob, 10).keys();
        assert_eq!(upload(of_bob).await.error(), (400, "M_INVALID_PARAM"));
        let mut wrong = identity.keys();
        wrong["master_key"]["keys"] = json!({ "ed25519:short": "short" });
        assert_eq!(upload(wrong).await.error(), (400, "M_INVALID_PARAM"));

        upload(identity.keys()).await.ok();
        upload(identity.keys()).await.ok();
        let unstable = "/_matrix/client/unstable/keys/device_signing/upload";
        alice.post(unstable, identity.keys()).await.ok();
        let own = query(&alice, &alice).await;
        let keys = identity.keys();
        assert_eq!(own["master_keys"][&alice.user_id], keys["master_key"]);
        assert_eq!(own["self_signing_keys"][&alice.user_id], keys["self_signing_key"]);
        assert_eq!(own["user_signing_keys"][&alice.user_id], keys["user_signing_key"]);
        let seen = query(&bob, &alice).await;
        assert_eq!(seen["master_keys"][&alice.user_id], keys["master_key"]);
        assert!(seen.get("user_signing_keys").is_none(), "{seen}");

        let other = Identity::new(&alice, 20);
        let challenge = upload(other.keys()).await;
        assert_eq!(challenge.status.as_u16(), 401);
        let mut proved = other.keys();
        proved["auth"] = json!({
            "type": "m.login.password", "password": "alice",
            "session": challenge.body["session"],
            "identifier": { "type": "m.id.user", "user": alice.user_id },
        });
        upload(proved).await.ok();
        let seen = query(&bob, &alice).await;
        assert_eq!(seen["master_keys"][&alice.user_id], other.keys()["master_key"]);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn signatures_are_verified_and_seen_by_those_who_may() {
    on_both(async |server| {
        let (alice, bob) = (server.register("alice").await, server.register("bob").await);
        let carol = server.register("carol").await;
        let room = alice.create_room().await;
        bob.join(&room).await;
        let (of_alice, of_bob) = (Identity::new(&alice, 30), Identity::new(&bob, 40));
        let pair = Pair::new(50);
        let mut own_device = device(&alice, &pair);
        alice.post(UPLOAD, json!({ "device_keys": own_device })).await.ok();
        alice.post(KEYS, of_alice.keys()).await.ok();
        bob.post(KEYS, of_bob.keys()).await.ok();
        let token = |sync: Value| sync["next_batch"].as_str().unwrap().to_owned();
        let since = token(alice.sync(None, "").await);
        let since_of_bob = token(bob.sync(None, "").await);

        // A device by the self-signing key, the master key by the device, for all to see.
        of_alice.self_signing.sign(&mut own_device, &alice, &of_alice.self_signing.id());
        let mut own_master = of_alice.key(&of_alice.master, "master");
        pair.sign(&mut own_master, &alice, &format!("ed25519:{}", alice.device_id));
        let body = json!({ &alice.user_id: {
            &alice.device_id: own_device, of_alice.master.public(): own_master } });
        let answer = alice.post(SIGNATURES, body).await.ok();
        assert_eq!(answer["failures"], json!({}));
        let seen = query(&bob, &alice).await;
        let shown = &seen["device_keys"][&alice.user_id][&alice.device_id];
        assert_eq!(shown["signatures"], own_device["signatures"]);
        assert_eq!(seen["master_keys"][&alice.user_id], own_master);
        let told = bob.sync(Some(&since_of_bob), "timeout=30000").await;
        assert_eq!(told["device_lists"]["changed"], json!([alice.user_id]));

        // The same keys again take no signature away.
        alice.post(UPLOAD, json!({ "device_keys": device(&alice, &pair) })).await.ok();
        alice.post(KEYS, of_alice.keys()).await.ok();
        let seen = query(&bob, &alice).await;
        let shown = &seen["device_keys"][&alice.user_id][&alice.device_id];
        assert_eq!(shown["signatures"], own_device["signatures"]);
        assert_eq!(seen["master_keys"][&alice.user_id], own_master);

        // Another's master key by the user-signing key, for the signer alone.
        let mut of_other = of_bob.key(&of_bob.master, "master");
        of_alice.user_signing.sign(&mut of_other, &alice, &of_alice.user_signing.id());
        let body = json!({ &bob.user_id: { of_bob.master.public(): of_other } });
        let unstable = "/_matrix/client/unstable/keys/signatures/upload";
        assert_eq!(alice.post(unstable, body).await.ok()["failures"], json!({}));
        assert_eq!(query(&alice, &bob).await["master_keys"][&bob.user_id], of_other);
        let plain = of_bob.key(&of_bob.master, "master");
        assert_eq!(query(&bob, &bob).await["master_keys"][&bob.user_id], plain);
        assert_eq!(query(&carol, &bob).await["master_keys"][&bob.user_id], plain);
        let told = alice.sync(Some(&since), "timeout=0").await;
        assert_eq!(told["device_lists"]["changed"], json!([alice.user_id, bob.user_id]));

        // What is forged, changed or not there is told one by one.
        let mut forged = device(&alice, &pair);
        of_bob.self_signing.sign(&mut forged, &alice, &of_alice.self_signing.id());
        let mut changed = of_bob.key(&of_bob.master, "master");
        changed["extra"] = json!(1);
        of_alice.user_signing.sign(&mut changed, &alice, &of_alice.user_signing.id());
        let body = json!({
            &alice.user_id: { &alice.device_id: forged, "NONE": forged },
            &bob.user_id: { of_bob.master.public(): changed, "other": changed },
        });
        let failures = alice.post(SIGNATURES, body).await.ok()["failures"].clone();
        let code = |user: &Actor, key: &str| failures[&user.user_id][key]["errcode"].clone();
        assert_eq!(code(&alice, &alice.device_id), "M_INVALID_SIGNATURE");
        assert_eq!(code(&alice, "NONE"), "M_NOT_FOUND");
        assert_eq!(code(&bob, &of_bob.master.public()), "M_INVALID_SIGNATURE");
        assert_eq!(code(&bob, "other"), "M_NOT_FOUND");
        let body = json!({ &alice.user_id: { of_alice.master.public(): own_master } });
        let answer = carol.post(SIGNATURES, body).await.ok();
        assert_eq!(
            answer["failures"][&alice.user_id][of_alice.master.public()]["errcode"],
            "M_NOT_FOUND"
        );
    })
    .await;
}
