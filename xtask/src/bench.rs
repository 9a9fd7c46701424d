//! `cargo xtask bench`: Sealpost (release) and Synapse in turn under the same load, in one table.
//!
//! Each server starts on an empty database; the load comes from `xtask/bench`, which measures from outside.
//! Compare the processor time of one operation: on a shared machine it moves less than the throughput does.
//! What goes on between servers is measured by `tests/peer/bench.py`: [`federation`]; the web client, in a browser, by
//! `web/e2e/bench.mjs`: [`web`].

use std::collections::HashMap;
use std::process::Stdio;

use crate::clients::nio_python;
use crate::command::{cargo, command, run};
use crate::server::{Running, configure, free_port, fresh_folder};
use crate::test::in_browser;
use crate::{Result, artefact, place, portable, synapse};

/// Scenario, and the aim in milliseconds of processor time for one operation.
const TABLE: [(&str, f64); 16] = [
    ("send, one client", 0.4),
    ("send, 8 clients in one room", 0.4),
    ("send, 8 clients in 8 rooms", 0.3),
    ("fan-out to 50 long polls", 8.0),
    ("initial sync of 50 rooms", 15.0),
    ("lazy initial sync", 12.0),
    ("sliding sync of 50 rooms", 10.0),
    ("empty incremental sync", 0.1),
    ("back-pagination, per event", 0.02),
    ("join, room growing to 1,000", 5.0),
    ("members of a room of 1,000", 6.0),
    ("upload of 50 keys", 1.0),
    ("key claim", 0.12),
    ("to-device message", 0.12),
    ("1 MiB up", 1.2),
    ("1 MiB down", 0.5),
];
/// Memory in MiB, and its aims.
const MEMORY: [(&str, f64); 2] = [("idle", 40.0), ("after", 120.0)];

/// A line that `xtask-bench measure` prints.
#[derive(Clone, Copy, Default)]
struct Measured {
    per_second: f64,
    p50_ms: f64,
    p99_ms: f64,
    cpu_ms: f64,
    rss_mib: f64,
}

type Measurements = HashMap<String, Measured>;

/// `bench [server] [--scale F] [--only A,B] [--without-synapse]`, `bench federation [--scale F]`, `bench web
/// [--scale F]`, or `bench store [EVENTS MEMBERS]`.
pub fn bench(arguments: &[String]) -> Result<()> {
    match arguments.split_first().map(|(what, rest)| (what.as_str(), rest)) {
        Some(("store", rest)) => return store(rest),
        Some(("federation", rest)) => return federation(scale_alone("federation", rest)?),
        Some(("web", rest)) => return web(scale_alone("web", rest)?),
        Some(("e2e", [])) => return e2e(),
        _ => {}
    }
    let mut load = Vec::new();
    let mut with_synapse = true;
    let mut words = arguments.iter();
    while let Some(word) = words.next() {
        match word.as_str() {
            "server" => {}
            "--without-synapse" => with_synapse = false,
            "--scale" | "--only" => {
                load.push(word.as_str());
                load.push(words.next().ok_or_else(|| format!("{word} wants a value"))?);
            }
            _ => return Err(format!("bench does not know {word}")),
        }
    }
    run(&mut cargo(&["build", "--release", "--package=xtask-bench"]))?;
    let program = artefact::server_release()?;
    let ours = {
        let port = free_port()?;
        let configuration = configure(&fresh_folder("bench/sealpost")?, port, LIGHT)?;
        measure(&Running::sealpost(&program, &configuration, port)?, &load)?
    };
    let theirs = if with_synapse {
        measure(
            &synapse::start(&fresh_folder("bench/synapse")?, "presence: {enabled: false}\n")?,
            &load,
        )?
    } else {
        Measurements::new()
    };
    print(&ours, &theirs);
    if let Some(scale) = load.windows(2).find(|pair| pair[0] == "--scale").map(|pair| pair[1]) {
        println!(
            "with {scale} times the rooms, members and messages: not the numbers of a whole run"
        );
    }
    Ok(())
}

/// A Sealpost and a Synapse that join the same room of a Synapse, take in the same events and deliver them.
fn federation(scale: &str) -> Result<()> {
    let program = artefact::server_release()?;
    let mut driver = command(nio_python()?, &place::root().join("tests/peer"));
    driver.arg("-B").arg("bench.py").arg(program).arg(synapse::python()?);
    run(driver.arg(fresh_folder("bench/federation")?).arg(scale))
}

/// What the web client costs, in headless Chromium: bytes of the first load, start, scrolling, echo.
fn web(scale: &str) -> Result<()> {
    run(in_browser("bench", artefact::server_release)?.env("BENCH_SCALE", scale))
}

fn scale_alone<'a>(what: &str, arguments: &'a [String]) -> Result<&'a str> {
    match arguments {
        [] => Ok("1"),
        [flag, scale] if flag == "--scale" => Ok(scale),
        _ => Err(format!("bench {what} knows --scale F alone")),
    }
}

/// What encryption costs, in time and bytes, on one thread, beside vodozemac; then the same as wasm in Node.
fn e2e() -> Result<()> {
    let example = ["run", "--release", "--package=sealpost-e2e-oracle", "--example=cost"];
    run(&mut cargo(&example))?;
    portable::provide()?;
    println!("\nas wasm:");
    run(portable::for_wasm(&mut cargo(&example)))
}

/// What the store and a large room cost, without HTTP around them.
fn store(sizes: &[String]) -> Result<()> {
    let package = "--package=sealpost-homeserver";
    run(&mut cargo(&["run", "--release", package, "--example=storage_cost"]))?;
    run(cargo(&["bench", package, "--bench=store_bounds", "--"]).args(sizes))
}

/// Little said, no rate limits, and passwords hashed with the least work: logging in is not what is compared.
pub const LIGHT: &str = "
[log]
level = \"error\"

[rate_limits]
enabled = false

[password_hashing]
memory_kib = 8
iterations = 1
parallelism = 1
";

fn measure(server: &Running, load: &[&str]) -> Result<Measurements> {
    let mut generator = command(place::built("release", "xtask-bench"), &place::root());
    generator.args(["measure", "--url", &server.url(), "--pid", &server.process().to_string()]);
    let output = generator
        .args(load)
        .stderr(Stdio::inherit())
        .output()
        .map_err(|error| format!("xtask-bench cannot be started: {error}"))?;
    if !output.status.success() {
        return Err("xtask-bench failed".to_owned());
    }
    Ok(String::from_utf8_lossy(&output.stdout).lines().filter_map(read).collect())
}

fn read(line: &str) -> Option<(String, Measured)> {
    let (scenario, numbers) = line.split_once('\t')?;
    let numbers: Vec<f64> = numbers.split('\t').filter_map(|n| n.parse().ok()).collect();
    let [per_second, p50_ms, p99_ms, cpu_ms, rss_mib] = numbers.try_into().ok()?;
    Some((scenario.to_owned(), Measured { per_second, p50_ms, p99_ms, cpu_ms, rss_mib }))
}

fn print(ours: &Measurements, theirs: &Measurements) {
    println!(
        "\n{:<28} {:>43} {:>43}\n{:<28} {} {} {:>7} {:>8}",
        "", "Sealpost", "Synapse", "", HEAD, HEAD, "ratio", "aim CPU"
    );
    for (scenario, aim) in TABLE {
        let (one, other) = (ours.get(scenario), theirs.get(scenario));
        if one.is_none() && other.is_none() {
            continue;
        }
        let ratio = ratio(one.map(|m| m.cpu_ms), other.map(|m| m.cpu_ms));
        println!("{scenario:<28} {} {} {ratio:>7} {aim:>8}", columns(one), columns(other));
    }
    for (moment, aim) in MEMORY {
        let of = |measurements: &Measurements| measurements.get(moment).map(|m| m.rss_mib);
        let shown = |value: Option<f64>| value.map_or_else(String::new, |mib| format!("{mib:.0}"));
        println!(
            "{:<28} {:>43} {:>43} {:>7} {aim:>8}",
            format!("memory, {moment} (MiB)"),
            shown(of(ours)),
            shown(of(theirs)),
            ratio(of(ours), of(theirs)),
        );
    }
    println!("\nratio: how many times less processor time (or memory) Sealpost takes than Synapse");
}

const HEAD: &str = "      op/s     p50 ms     p99 ms  CPU ms/op";

fn columns(measured: Option<&Measured>) -> String {
    measured.map_or_else(
        || " ".repeat(HEAD.len()),
        |m| {
            format!(
                "{:>10.0} {:>10.2} {:>10.2} {:>10.3}",
                m.per_second, m.p50_ms, m.p99_ms, m.cpu_ms
            )
        },
    )
}

fn ratio(ours: Option<f64>, theirs: Option<f64>) -> String {
    match (ours, theirs) {
        (Some(ours), Some(theirs)) if ours > 0.0 => format!("{:.1}", theirs / ours),
        _ => String::new(),
    }
}
