//! What the steps need on the machine: installed where that can be done without asking, otherwise named.

use std::fs;
use std::path::{Path, PathBuf};

use crate::command::{cargo, command, output, run};
use crate::{Result, place};

/// The standard library for wasm.
pub fn wasm_target() -> Result<()> {
    rust_target("wasm32-unknown-unknown")
}

/// The standard library of a target.
pub fn rust_target(name: &str) -> Result<()> {
    let root = place::root();
    let mut ask = command("rustc", &root);
    ask.args(["--print", "target-libdir", "--target", name]);
    if output(&mut ask).is_some_and(|folder| Path::new(&folder).is_dir()) {
        return Ok(());
    }
    run(command("rustup", &root).args(["target", "add", name]))
        .map_err(|_| format!("the Rust target {name} is missing and rustup could not add it"))
}

/// The packages of a folder's `package-lock.json`, reinstalled only when that file has changed.
pub fn npm_packages(folder: &Path) -> Result<()> {
    if place::on_path("npm").is_none() {
        return Err("npm is missing: install Node.js 20.19 or later".to_owned());
    }
    let wanted = fs::read_to_string(folder.join("package-lock.json"))
        .map_err(|error| format!("{}: no package-lock.json: {error}", folder.display()))?;
    let stamp = folder.join("node_modules/.installed-lock.json");
    if fs::read_to_string(&stamp).is_ok_and(|installed| installed == wanted) {
        return Ok(());
    }
    run(command("npm", folder).arg("ci"))?;
    fs::write(&stamp, wanted).map_err(|error| format!("{}: {error}", stamp.display()))
}

pub fn cargo_deny() -> Result<PathBuf> {
    cargo_tool("cargo-deny", &["--version", "^0.20"])
}

pub fn cargo_fuzz() -> Result<PathBuf> {
    cargo_tool("cargo-fuzz", &["--version", "^0.13"])
}

pub fn cargo_mutants() -> Result<PathBuf> {
    cargo_tool("cargo-mutants", &[])
}

/// A tool of cargo's, from the path or built into the project's own folder. Built without optimisation: it has
/// little to do itself, and compiles in two minutes instead of ten.
fn cargo_tool(name: &str, version: &[&str]) -> Result<PathBuf> {
    let own = place::tools().join("bin").join(name);
    if let Some(found) = place::on_path(name).or_else(|| own.is_file().then(|| own.clone())) {
        return Ok(found);
    }
    let mut install = cargo(&["install", "--locked", "--debug", name]);
    run(install.args(version).arg("--root").arg(place::tools()))?;
    Ok(own)
}

/// What compiles libFuzzer.
pub fn cpp_compiler() -> Result<()> {
    if std::env::var_os("CXX").is_some() || place::on_path("c++").is_some() {
        return Ok(());
    }
    debian_package("g++", "the fuzz targets are linked with libFuzzer, which is C++")
}

/// The Python of a virtual environment with the packages of a `requirements.txt`, made anew when that changes.
pub fn python_environment(name: &str, requirements: &Path) -> Result<PathBuf> {
    let wanted = fs::read_to_string(requirements)
        .map_err(|error| format!("{}: {error}", requirements.display()))?;
    let folder = place::python(name);
    let python = folder.join("bin/python");
    let stamp = folder.join("installed.txt");
    if fs::read_to_string(&stamp).is_ok_and(|installed| installed == wanted) {
        return Ok(python);
    }
    if place::on_path("python3").is_none() {
        return Err(
            "python3 is missing: install Python 3.10 or later with its module venv".to_owned()
        );
    }
    let root = place::root();
    run(command("python3", &root).args(["-m", "venv", "--clear"]).arg(&folder))
        .map_err(|message| format!("{message} (on Debian: install python3-venv)"))?;
    let mut install = command(&python, &root);
    install.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "-r"]);
    run(install.arg(requirements))?;
    fs::write(&stamp, wanted).map_err(|error| format!("{}: {error}", stamp.display()))?;
    Ok(python)
}

/// Debian's PostgreSQL server, which the storage tests start in folders of their own.
pub fn postgresql() -> Result<()> {
    let installed = fs::read_dir("/usr/lib/postgresql").is_ok_and(|mut versions| {
        versions.any(|version| version.is_ok_and(|v| v.path().join("bin/postgres").is_file()))
    });
    if installed || place::on_path("postgres").is_some() {
        return Ok(());
    }
    debian_package("postgresql", "the storage tests run on PostgreSQL too")
}

/// Debian's Chromium, in which the page is looked at; the program.
pub fn chromium() -> Result<PathBuf> {
    let find = || place::on_path("chromium");
    if find().is_none() {
        debian_package("chromium", "the page is tested in a browser")?;
    }
    find().ok_or_else(|| "chromium is not on the path".to_owned())
}

fn debian_package(name: &str, why: &str) -> Result<()> {
    debian_packages(&[name], why)
}

/// Installs those of Debian's packages that are not there.
pub fn debian_packages(names: &[&str], why: &str) -> Result<()> {
    let root = place::root();
    let missing: Vec<&str> = names
        .iter()
        .copied()
        .filter(|name| {
            let mut ask = command("dpkg-query", &root);
            ask.args(["--show", "--showformat=${db:Status-Status}", name]);
            output(&mut ask).is_none_or(|status| status != "installed")
        })
        .collect();
    if missing.is_empty() {
        return Ok(());
    }
    let is_root = output(command("id", &root).arg("-u")).is_some_and(|id| id == "0");
    if !is_root || place::on_path("apt-get").is_none() {
        let missing = missing.join(" ");
        return Err(format!("missing ({why}): install the packages {missing}"));
    }
    run(command("apt-get", &root).arg("update"))?;
    let mut install = command("apt-get", &root);
    install.env("DEBIAN_FRONTEND", "noninteractive");
    run(install.args(["install", "--yes", "--no-install-recommends"]).args(&missing))
}
