//! Clients that nobody here wrote, against a real server process: matrix-nio and matrix-js-sdk.

use std::fs;
use std::path::{Path, PathBuf};

use crate::bench::LIGHT;
use crate::command::{command, run_counted};
use crate::server::{Running, configure, free_port, fresh_folder};
use crate::{Counts, Result, artefact, place, provision};

/// Both, one after the other, on a server of their own.
pub fn clients() -> Result<Counts> {
    let server = server("clients")?;
    let mut counts = nio(&server)?;
    counts += js_sdk(&server)?;
    Ok(counts)
}

/// A debug build on an empty database in a folder of this name, without rate limits.
pub fn server(folder: &str) -> Result<Running> {
    let program = artefact::server()?;
    let port = free_port()?;
    let configuration = configure(&fresh_folder(folder)?, port, LIGHT)?;
    Running::sealpost(&program, &configuration, port)
}

fn nio(server: &Running) -> Result<Counts> {
    let folder = place::root().join("tests/clients/nio");
    run_counted(command(nio_python()?, &folder).arg("two_users.py").arg(server.url()))
}

/// The Python of an environment that has matrix-nio, and aiohttp with it.
pub fn nio_python() -> Result<PathBuf> {
    let requirements = place::root().join("tests/clients/nio/requirements.txt");
    provision::python_environment("nio", &requirements)
}

fn js_sdk(server: &Running) -> Result<Counts> {
    let folder = place::root().join("tests/clients/js-sdk");
    provision::npm_packages(&folder)?;
    // It leaves timers behind, which would keep Node waiting.
    let mut node = command(node_of(&folder), &folder);
    node.args(["--test", "--test-force-exit", "--test-concurrency=1"]);
    node.args(["two-users.test.mjs", "talk.test.mjs", "encryption.test.mjs"]);
    run_counted(node.env("SEALPOST_URL", server.url()))
}

/// The SDK wants a newer Node.js than many machines have: npm brings one along for Linux.
fn node_of(folder: &Path) -> PathBuf {
    fs::read_dir(folder.join("node_modules"))
        .into_iter()
        .flatten()
        .flatten()
        .filter(|entry| entry.file_name().to_string_lossy().starts_with("node-linux-"))
        .map(|entry| entry.path().join("bin/node"))
        .find(|program| program.is_file())
        .unwrap_or_else(|| PathBuf::from("node"))
}
