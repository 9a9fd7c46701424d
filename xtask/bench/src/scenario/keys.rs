//! Keys and to-device messages of two users: uploads of fifty one-time keys, claims of one, messages to one
//! device.

use std::time::Instant;

use serde_json::{Map, Value, json};

use super::Bench;
use crate::Result;
use crate::client::User;

const UPLOADS: usize = 100;
const KEYS: usize = 50;
/// Synapse takes 500 keys of a device.
const UPLOADS_OF_A_DEVICE: usize = 10;
const CLAIMS: usize = 2_000;
const MESSAGES: usize = 2_000;

pub async fn run(bench: &Bench) -> Result<()> {
    let uploads = bench.scaled(UPLOADS);
    let mut bobs = bench.users("keys", uploads.div_ceil(UPLOADS_OF_A_DEVICE) + 1).await?;
    let Some(mut alice) = bobs.pop() else { return Ok(()) };
    for bob in &mut bobs {
        bob.post("/_matrix/client/v3/keys/upload", &device_keys(bob)).await?;
    }

    let mut latencies = Vec::with_capacity(uploads);
    let stopwatch = bench.stopwatch();
    for upload in 0..uploads {
        let Some(bob) = bobs.get_mut(upload / UPLOADS_OF_A_DEVICE) else { break };
        let keys = one_time_keys(bob, upload);
        let start = Instant::now();
        bob.post("/_matrix/client/v3/keys/upload", &keys).await?;
        latencies.push(start.elapsed());
    }
    stopwatch.finish("upload of 50 keys", uploads, latencies).print();

    let claims = bench.scaled(CLAIMS);
    let mut latencies = Vec::with_capacity(claims);
    let stopwatch = bench.stopwatch();
    for bob in bobs.iter().cycle().take(claims) {
        let wanted = json!({ "one_time_keys": { &bob.id: { &bob.device: "signed_curve25519" } } });
        let start = Instant::now();
        alice.post("/_matrix/client/v3/keys/claim", &wanted).await?;
        latencies.push(start.elapsed());
    }
    stopwatch.finish("key claim", claims, latencies).print();

    let Some(bob) = bobs.first() else { return Ok(()) };
    let messages = bench.scaled(MESSAGES);
    let body = json!({ "messages": { &bob.id: { &bob.device: {
        "algorithm": "m.olm.v1.curve25519-aes-sha2", "ciphertext": "x".repeat(400) } } } });
    let mut latencies = Vec::with_capacity(messages);
    let stopwatch = bench.stopwatch();
    for message in 0..messages {
        let path = format!("/_matrix/client/v3/sendToDevice/m.room.encrypted/bench{message}");
        let start = Instant::now();
        alice.put(&path, &body).await?;
        latencies.push(start.elapsed());
    }
    stopwatch.finish("to-device message", messages, latencies).print();
    Ok(())
}

/// The server never looks inside: any text is a key.
fn device_keys(user: &User) -> Value {
    json!({ "device_keys": {
        "user_id": user.id, "device_id": user.device,
        "algorithms": ["m.olm.v1.curve25519-aes-sha2", "m.megolm.v1.aes-sha2"],
        "keys": {
            format!("curve25519:{}", user.device): "A".repeat(43),
            format!("ed25519:{}", user.device): "B".repeat(43),
        },
        "signatures": { &user.id: { format!("ed25519:{}", user.device): "C".repeat(86) } },
    } })
}

fn one_time_keys(user: &User, upload: usize) -> Value {
    let signature = format!("ed25519:{}", user.device);
    let keys: Map<String, Value> = (0..KEYS)
        .map(|number| {
            let id = upload * KEYS + number;
            let key = json!({
                "key": format!("{id:A>43}"),
                "signatures": { &user.id: { &signature: "D".repeat(86) } },
            });
            (format!("signed_curve25519:K{id}"), key)
        })
        .collect();
    json!({ "one_time_keys": keys })
}
