//! `cargo xtask test`: every test of every part. Nothing is skipped: what is missing is a failure.

use crate::command::{cargo, command, run_counted};
use crate::summary::{Step, run_steps};
use crate::{Counts, Result, artefact, place, provision};

/// In this order: the server embeds the page that `web` builds.
const STEPS: [Step; 3] = [("web", web), ("wasm", wasm), ("rust", rust)];

/// Runs the chosen steps, or all.
pub fn test(chosen: &[String]) -> Result<()> {
    run_steps(&STEPS, chosen)
}

fn web() -> Result<Counts> {
    artefact::web()?;
    run_counted(command("npm", &place::web()).args(["test"]))
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
        "--no-fail-fast",
    ]))
}
