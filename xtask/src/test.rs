//! `cargo xtask test`: every test of every part. Nothing is skipped: what is missing is a failure.

use std::path::PathBuf;
use std::process::Command;

use crate::command::{cargo, command, run, run_counted};
use crate::server::fresh_folder;
use crate::summary::{Step, run_steps};
use crate::{
    Counts, Result, artefact, clients, differential, fuzz, peer, place, portable, provision, soak,
    synapse,
};

/// In this order: the server embeds the page that `web` builds.
const STEPS: [Step; 11] = [
    ("web", web),
    ("wasm", wasm),
    ("portable", portable::portable),
    ("rust", rust),
    ("interop", interop),
    ("browser", browser),
    ("clients", clients::clients),
    ("differential", differential::differential),
    ("peer", peer::peer),
    ("soak", soak::short),
    ("fuzz", fuzz::short),
];

/// Runs the chosen steps, or all.
pub fn test(chosen: &[String]) -> Result<()> {
    run_steps(&STEPS, chosen)
}

fn web() -> Result<Counts> {
    artefact::web()?;
    run_counted(command("npm", &place::web()).args(["test"]))
}

/// The encryption library against a second implementation, in Python, of `docs/protocol.md`.
fn interop() -> Result<Counts> {
    let folder = place::root().join("e2e/tests/interop");
    let python = provision::python_environment("interop", &folder.join("requirements.txt"))?;
    let peer = artefact::interop_peer()?;
    run_counted(command(python, &folder).arg("talk.py").arg(peer))
}

/// The web client in a browser, on two servers that federate, and on a Synapse.
fn browser() -> Result<Counts> {
    let python = synapse::python()?;
    run_counted(in_browser("test:browser", artefact::server)?.env("SYNAPSE_PYTHON", python))
}

/// Pictures of the web client, to be looked at.
pub fn screenshots() -> Result<()> {
    let folder = fresh_folder("screenshots")?;
    run(in_browser("screenshots", artefact::server)?.env("SCREENSHOTS", &folder))?;
    println!("{}", folder.display());
    Ok(())
}

/// An npm script that drives Chromium at a server, which `server` builds with the web client in it.
pub fn in_browser(script: &str, server: fn() -> Result<PathBuf>) -> Result<Command> {
    artefact::web()?;
    let chromium = provision::chromium()?;
    provision::debian_packages(&["openssl"], "the servers of the browser tests want certificates")?;
    let program = server()?;
    let mut npm = command("npm", &place::web());
    npm.args(["run", script]).env("SEALPOST_PROGRAM", program);
    npm.env("SEALPOST_FOLDER", fresh_folder("browser")?).env("CHROMIUM", chromium);
    Ok(npm)
}

fn wasm() -> Result<Counts> {
    let module = artefact::wasm_for_node()?;
    let mut node = command("node", &place::root());
    node.env("SEALPOST_WASM", module).args(["--test", "e2e/wasm/tests/"]);
    run_counted(&mut node)
}

fn rust() -> Result<Counts> {
    provision::postgresql()?;
    run_counted(&mut cargo(&[
        "test",
        "--workspace",
        "--exclude=sealpost-e2e-wasm",
        "--exclude=xtask-wasm",
        "--features=sealpost-homeserver/fault-injection",
        "--no-fail-fast",
    ]))
}
