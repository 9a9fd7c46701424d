//! `cargo xtask mutants MODULE`: changes one module of the encryption library in many small ways, and tells which changes
//! its own unit and vector tests do not notice. What is left, and why, is in `e2e/mutants.md`.
//!
//! One change costs a build and a run, so both are made cheap: the library alone is copied to a place that stays the
//! same and changed there, so that each build compiles what differs from the build before; without debug
//! information, and with dependencies that are optimised once.

use std::fs;
use std::path::{Path, PathBuf};

use crate::command::{command, output, run};
use crate::{Result, place, provision};

/// A run that takes so many seconds never ends.
const TIMEOUT: &str = "--timeout=20";

/// `mutants MODULE [ARGUMENT OF cargo-mutants…]`.
pub fn mutants(arguments: &[String]) -> Result<()> {
    let Some((module, rest)) = arguments.split_first() else {
        return Err("mutants wants a module of e2e/src, such as primitives or ratchet".to_owned());
    };
    let source = place::root().join("e2e/src").join(module).with_extension("rs");
    if !source.is_file() {
        return Err(format!("e2e has no module {module}"));
    }
    let place = place::target().join("mutants");
    let results = place.join(module.replace('/', "-"));
    let tree = copied(&place.join("tree"))?;
    fs::create_dir_all(&results).map_err(|error| format!("{}: {error}", results.display()))?;
    let mut tool = command(provision::cargo_mutants()?, &tree);
    tool.env("CARGO_TARGET_DIR", place.join("build"));
    tool.args(["mutants", "--in-place", "--package=sealpost-e2e", "--cargo-arg=--lib", TIMEOUT]);
    tool.arg(format!("--file=e2e/src/{module}.rs")).arg(format!("--file=e2e/src/{module}/**"));
    tool.arg("--output").arg(results).args(rest);
    tool.arg("--").arg(format!("{}::", module.replace('/', "::")));
    if !module.starts_with("machine") {
        // Its modules have names of others.
        tool.args(["--", "--skip=machine::"]);
    }
    run(&mut tool)
}

/// The library as a workspace of its own, anew.
fn copied(tree: &Path) -> Result<PathBuf> {
    let root = place::root();
    let failed = |error: std::io::Error| format!("{}: {error}", tree.display());
    let mut list = command("git", &root);
    list.args([
        "ls-files",
        "--cached",
        "--others",
        "--exclude-standard",
        "Cargo.toml",
        "Cargo.lock",
    ]);
    let files = output(list.args(["e2e/Cargo.toml", "e2e/src", "e2e/tests"]));
    if tree.exists() {
        fs::remove_dir_all(tree).map_err(failed)?;
    }
    for file in files.ok_or("git does not list the files")?.lines() {
        let (from, to) = (root.join(file), tree.join(file));
        if !from.is_file() {
            continue;
        }
        fs::create_dir_all(to.parent().unwrap_or(tree)).map_err(failed)?;
        if file == "Cargo.toml" {
            fs::write(to, alone(&fs::read_to_string(from).map_err(failed)?)).map_err(failed)?;
        } else {
            fs::copy(from, to).map_err(failed)?;
        }
    }
    Ok(tree.to_owned())
}

/// The workspace's manifest with the library as its only member.
fn alone(manifest: &str) -> String {
    let mut lines: Vec<&str> = Vec::new();
    for line in manifest.lines() {
        match line.split(' ').next() {
            Some("members") => lines.push(r#"members = ["e2e"]"#),
            Some("default-members") => {}
            _ => lines.push(line),
        }
        if line == "[profile.dev]" {
            lines.extend(["incremental = true", "debug = false"]);
        }
    }
    // The manifest's own word on debug information.
    lines.retain(|line| !line.starts_with("debug = \""));
    lines.push("[profile.dev.package.\"*\"]\nopt-level = 2\n");
    lines.join("\n")
}
