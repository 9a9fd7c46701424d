//! What the project builds: the wasm module, the web client, the server.

use std::path::{Path, PathBuf};

use crate::command::{cargo, command, run};
use crate::{Result, place, provision};

/// Curve arithmetic on 64-bit limbs is faster also where pointers have 32 bits, and SIMD is in every browser.
pub const WASM_FLAGS: &str = "-Ctarget-feature=+simd128 --cfg=curve25519_dalek_bits=\"64\"";

/// The wasm crate as two Node modules; the JavaScript file of the first, beside which the second is.
pub fn wasm_for_node() -> Result<PathBuf> {
    let folder = place::target().join("wasm/nodejs");
    wasm(&folder, "nodejs")?;
    Ok(folder.join("sealpost_e2e.js"))
}

/// The machine's module, then the one with what is seldom needed.
fn wasm(folder: &Path, target: &str) -> Result<()> {
    provision::wasm_target()?;
    for (name, features) in [("sealpost_e2e", ""), ("sealpost_e2e_extra", "extra")] {
        let mut build = cargo(&[
            "build",
            "--package=sealpost-e2e-wasm",
            "--target=wasm32-unknown-unknown",
            "--profile=wasm",
            "--features",
            features,
        ]);
        run(build.env("CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_RUSTFLAGS", WASM_FLAGS))?;
        let compiled = place::target().join("wasm32-unknown-unknown/wasm/sealpost_e2e_wasm.wasm");
        let mut bind = cargo(&["run", "--quiet", "--package=xtask-wasm", "--"]);
        run(bind.arg(compiled).arg(folder).args([target, name]))?;
    }
    Ok(())
}

/// The web client with the encryption modules, in `web/dist`, from where the server embeds it.
pub fn web() -> Result<()> {
    provision::npm_packages(&place::web())?;
    wasm(&place::web().join("generated"), "web")?;
    run(command("npm", &place::web()).args(["run", "build"]))
}

/// The server as a debug build; the program.
pub fn server() -> Result<PathBuf> {
    debug_build("sealpost")
}

/// The load generator as a debug build; the program.
pub fn load_generator() -> Result<PathBuf> {
    debug_build("xtask-bench")
}

/// A device of the encryption library that is asked over its standard input; the program.
pub fn interop_peer() -> Result<PathBuf> {
    let workspace = ["build", "--workspace", "--exclude=sealpost-e2e-wasm", "--exclude=xtask-wasm"];
    run(cargo(&workspace).arg("--example=peer"))?;
    Ok(place::built("debug", "examples/peer"))
}

/// Chosen by program, not by package: then dependencies have the features that the tests have compiled them
/// with, and need not be compiled again.
fn debug_build(program: &str) -> Result<PathBuf> {
    let workspace = ["build", "--workspace", "--exclude=sealpost-e2e-wasm", "--exclude=xtask-wasm"];
    run(cargo(&workspace).arg(format!("--bin={program}")))?;
    Ok(place::built("debug", program))
}

/// The server as people install it.
pub fn server_release() -> Result<PathBuf> {
    run(&mut cargo(&["build", "--release", "--package=sealpost-homeserver"]))?;
    Ok(place::built("release", "sealpost"))
}
