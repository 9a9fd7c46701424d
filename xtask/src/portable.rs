//! The tests of the encryption library as wasm, in Node and in Chromium: the same programs that run natively, built for
//! `wasm32-wasip1`, which has the arguments and the output that a test program needs. `e2e/tests/wasm` runs them.

use crate::artefact::WASM_FLAGS;
use crate::command::{cargo, run_counted};
use crate::{Counts, Result, place, provision};

const TARGET: &str = "wasm32-wasip1";

/// As a step of `test`.
pub fn portable() -> Result<Counts> {
    provision::rust_target(TARGET)?;
    provision::npm_packages(&place::web())?;
    let chromium = provision::chromium()?;
    let mut counts = tests(&mut cargo(&[]))?;
    counts += tests(cargo(&[]).env("CHROMIUM", chromium))?;
    Ok(counts)
}

fn tests(command: &mut std::process::Command) -> Result<Counts> {
    command.args(["test", "--package=sealpost-e2e", "--lib", "--test=machine", "--no-fail-fast"]);
    run_counted(for_wasm(command))
}

/// Built with the flags of the browser's module, and run by our own runner.
pub fn for_wasm(command: &mut std::process::Command) -> &mut std::process::Command {
    let runner = place::root().join("e2e/tests/wasm/run.mjs");
    command
        .arg(format!("--target={TARGET}"))
        .env("CARGO_TARGET_WASM32_WASIP1_RUSTFLAGS", WASM_FLAGS)
        .env("CARGO_TARGET_WASM32_WASIP1_RUNNER", format!("node {}", runner.display()))
}

/// The standard library that [`for_wasm`] needs.
pub fn provide() -> Result<()> {
    provision::rust_target(TARGET)
}
