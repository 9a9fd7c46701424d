//! `cargo xtask lint`: everything that is checked without running the product.

use crate::command::{cargo, command, run};
use crate::summary::{Step, run_steps};
use crate::{Counts, Result, place, provision};

const STEPS: [Step; 5] =
    [("fmt", format), ("clippy", clippy), ("wasm", wasm), ("licences", licences), ("web", web)];

/// Runs the chosen steps, or all.
pub fn lint(chosen: &[String]) -> Result<()> {
    run_steps(&STEPS, chosen)
}

fn format() -> Result<Counts> {
    run(&mut cargo(&["fmt", "--all", "--check"]))?;
    run(&mut cargo(&["fmt", "--manifest-path=fuzz/Cargo.toml", "--check"]))?;
    Ok(Counts::passed(1))
}

/// All targets as the tests are built, then the server as it is shipped.
fn clippy() -> Result<Counts> {
    let tested = ["--workspace", "--exclude=sealpost-e2e-wasm", "--all-targets", "--all-features"];
    let shipped = ["--package=sealpost-homeserver"];
    for chosen in [&tested[..], &shipped] {
        run(cargo(&["clippy"]).args(chosen).args(["--", "--deny=warnings"]))?;
    }
    Ok(Counts::passed(2))
}

fn wasm() -> Result<Counts> {
    provision::wasm_target()?;
    for features in ["", "extra"] {
        run(&mut cargo(&[
            "clippy",
            "--package=sealpost-e2e-wasm",
            "--target=wasm32-unknown-unknown",
            "--features",
            features,
            "--",
            "--deny=warnings",
        ]))?;
    }
    provision::npm_packages(&place::web())?;
    run(command("node", &place::root()).args([
        "web/node_modules/typescript/bin/tsc",
        "--project",
        "e2e/wasm/face/tsconfig.json",
    ]))?;
    Ok(Counts::passed(3))
}

/// Licences, bans and sources of dependencies, as `deny.toml` says.
fn licences() -> Result<Counts> {
    let deny = provision::cargo_deny()?;
    let mut check = command(deny, &place::root());
    run(check.args(["--log-level=error", "check", "licenses", "bans", "sources"]))?;
    Ok(Counts::passed(1))
}

fn web() -> Result<Counts> {
    provision::npm_packages(&place::web())?;
    for script in ["lint", "check"] {
        run(command("npm", &place::web()).args(["run", script]))?;
    }
    Ok(Counts::passed(2))
}
