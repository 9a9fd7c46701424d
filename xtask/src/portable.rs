//! The tests of the encryption library as wasm, in Node and in Chromium: the same programs that run natively, built for
//! `wasm32-wasip1`, which has the arguments and the output that a test program needs. `e2e/tests/wasm` runs them, in
//! both places at the same time.

use std::process::Command;

use crate::artefact::WASM_FLAGS;
use crate::command::{cargo, run_counted};
use crate::{Counts, Result, place, provision};

const TARGET: &str = "wasm32-wasip1";

/// As a step of `test`. Optimised a little: what that costs the compiler is won several times over, twice.
pub fn portable() -> Result<Counts> {
    provide()?;
    provision::npm_packages(&place::web())?;
    let mut tests = cargo(&["test", "--package=sealpost-e2e", "--lib", "--test=machine"]);
    tests.arg("--no-fail-fast").env("CARGO_PROFILE_DEV_OPT_LEVEL", "1");
    tests.env("CHROMIUM", provision::chromium()?);
    run_counted(for_wasm(&mut tests))
}

/// Built with the flags of the browser's module, and run by our own runner.
pub fn for_wasm(command: &mut Command) -> &mut Command {
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
