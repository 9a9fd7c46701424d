//! `cargo xtask test`: every test of every part. Nothing is skipped: what is missing is a failure.

use crate::command::{cargo, command, run_counted};
use crate::summary::{Step, run_steps};
use crate::{Counts, Result, artefact, clients, differential, fuzz, peer, place, provision, soak};

/// In this order: the server embeds the page that `web` builds.
const STEPS: [Step; 10] = [
    ("web", web),
    ("wasm", wasm),
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

/// The page as a browser shows it, from a real server.
fn browser() -> Result<Counts> {
    artefact::web()?;
    let chromium = provision::chromium()?;
    let server = clients::server("browser")?;
    let mut npm = command("npm", &place::web());
    npm.args(["run", "test:browser"]).env("SEALPOST_URL", server.url()).env("CHROMIUM", chromium);
    run_counted(&mut npm)
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
