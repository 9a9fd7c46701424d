//! `cargo xtask fuzz`: hostile bytes for every parser that sees a peer's, ten minutes each; `test` does it for
//! seconds.
//!
//! What is known to reach far is in `fuzz/corpus/<target>`. What a run finds besides is kept in
//! `target/fuzz/corpus` and built upon by the next; an input that breaks something is left in
//! `target/fuzz/artifacts`. To add a target: `fuzz/targets/<name>.rs`, a `[[bin]]` in `fuzz/Cargo.toml`, a
//! corpus, and its name below.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Command, Stdio};

use crate::command::{command, run};
use crate::{Counts, Result, place, provision};

const TARGETS: [&str; 10] = [
    "envelope",
    "pdu",
    "x_matrix",
    "key_answer",
    "transaction",
    "state_answer",
    "well_known",
    "e2e_bytes",
    "e2e_json",
    "e2e_machine",
];
const SECONDS: u32 = 600;
const SHORT_SECONDS: u32 = 5;
/// Longer inputs find what shorter ones do, and take their time.
const MAX_LENGTH: u32 = 8192;

/// `fuzz [TARGET…] [--seconds N]`.
pub fn fuzz(arguments: &[String]) -> Result<()> {
    let mut seconds = SECONDS;
    let mut chosen = Vec::new();
    let mut words = arguments.iter();
    while let Some(word) = words.next() {
        if word == "--seconds" {
            let number = words.next().ok_or("--seconds wants a number")?;
            seconds = number.parse().map_err(|_| format!("{number} is no number of seconds"))?;
        } else if let Some(target) = TARGETS.iter().find(|target| *target == word) {
            chosen.push(*target);
        } else {
            return Err(format!("{word} is no fuzz target; there are: {}", TARGETS.join(" ")));
        }
    }
    if chosen.is_empty() {
        chosen.extend(TARGETS);
    }
    build()?;
    chosen.iter().try_for_each(|target| run_one(target, seconds))
}

/// The same, as a step of `test`.
pub fn short() -> Result<Counts> {
    build()?;
    let mut counts = Counts::default();
    for target in TARGETS {
        match run_one(target, SHORT_SECONDS) {
            Ok(()) => counts.passed += 1,
            Err(error) => {
                eprintln!("{error}");
                counts += Counts::failed(&error);
            }
        }
    }
    Ok(counts)
}

fn build() -> Result<()> {
    provision::cpp_compiler()?;
    run(&mut cargo_fuzz("build")?)
}

fn run_one(target: &str, seconds: u32) -> Result<()> {
    eprintln!("\nfuzzing {target} for {seconds} s");
    let (found, broken) = (kept("corpus", target)?, kept("artifacts", target)?);
    let known = place::root().join("fuzz/corpus").join(target);
    let mut fuzz = cargo_fuzz("run")?;
    fuzz.arg(target).arg(found).arg(known).arg("--");
    fuzz.args([
        format!("-max_total_time={seconds}"),
        format!("-max_len={MAX_LENGTH}"),
        "-timeout=10".to_owned(),
        "-verbosity=0".to_owned(),
        "-print_final_stats=1".to_owned(),
        format!("-artifact_prefix={}/", broken.display()),
    ]);
    run_quietly(&mut fuzz)
}

/// Without the dictionary that libFuzzer recommends at the end: hundreds of lines that nobody asked for.
fn run_quietly(fuzz: &mut Command) -> Result<()> {
    let failed = |error: std::io::Error| format!("cargo-fuzz cannot be run: {error}");
    let mut child = fuzz.stderr(Stdio::piped()).spawn().map_err(failed)?;
    let lines = child.stderr.take().map(|stderr| BufReader::new(stderr).split(b'\n'));
    for line in lines.into_iter().flatten().map_while(std::io::Result::ok) {
        let line = String::from_utf8_lossy(&line);
        if !line.starts_with(['"', '#']) {
            eprintln!("{line}");
        }
    }
    let status = child.wait().map_err(failed)?;
    if status.success() { Ok(()) } else { Err(format!("a fuzz target failed: {status}")) }
}

/// Sanitizers need an unstable compiler, and this code has no `unsafe` to find fault with. The build folder is that
/// of everything else: build scripts and macros are there already.
fn cargo_fuzz(what: &str) -> Result<Command> {
    let mut fuzz = command(provision::cargo_fuzz()?, &place::root());
    fuzz.args([what, "--dev", "--sanitizer", "none", "--codegen-units", "16", "--target-dir"]);
    fuzz.arg(place::target());
    Ok(fuzz)
}

fn kept(what: &str, target: &str) -> Result<PathBuf> {
    let folder = place::target().join("fuzz").join(what).join(target);
    fs::create_dir_all(&folder).map_err(|error| format!("{}: {error}", folder.display()))?;
    Ok(folder)
}
