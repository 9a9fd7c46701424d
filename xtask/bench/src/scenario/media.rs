//! A mebibyte of media, up and down.

use std::time::Instant;

use bytes::Bytes;
use hyper::Method;

use super::Bench;
use crate::Result;
use crate::client::text;

const MIB: usize = 1024 * 1024;
const REPEATS: usize = 100;

pub async fn run(bench: &Bench) -> Result<()> {
    let mut users = bench.users("media", 1).await?;
    let Some(mut user) = users.pop() else { return Ok(()) };
    let repeats = bench.scaled(REPEATS);

    let mut uris = Vec::with_capacity(repeats);
    let mut latencies = Vec::with_capacity(repeats);
    let stopwatch = bench.stopwatch();
    for number in 0..repeats {
        // No two alike: what is there already need not be stored again.
        let mut body = vec![0x5A; MIB];
        body.splice(..8, number.to_be_bytes());
        let start = Instant::now();
        let path = "/_matrix/media/v3/upload";
        let answer = user
            .exchange(Method::POST, path, "application/octet-stream", Bytes::from(body))
            .await?;
        latencies.push(start.elapsed());
        let answer = serde_json::from_slice(&answer).map_err(|error| error.to_string())?;
        uris.push(text(&answer, "content_uri")?);
    }
    stopwatch.finish("1 MiB up", repeats, latencies).print();

    let mut latencies = Vec::with_capacity(repeats);
    let stopwatch = bench.stopwatch();
    for uri in &uris {
        let id = uri.strip_prefix("mxc://").ok_or_else(|| format!("{uri} is no mxc URI"))?;
        let start = Instant::now();
        let path = format!("/_matrix/client/v1/media/download/{id}");
        let body = user.request(Method::GET, &path, None).await?;
        latencies.push(start.elapsed());
        if body.len() != MIB {
            return Err(format!("{uri} has {} bytes", body.len()));
        }
    }
    stopwatch.finish("1 MiB down", repeats, latencies).print();
    Ok(())
}
