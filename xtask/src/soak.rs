//! `cargo xtask soak`: sixteen clients in one room and in a hundred, ten minutes; `test` does it for seconds.
//! `soak e2e`: random schedules of the encryption library against a model, 10,000 steps.
//! `soak federation`: what the tests between servers do a few times, many times and large.

use crate::command::{cargo, command, run};
use crate::{Counts, Result, artefact, clients, place};

const SECONDS: u32 = 600;
const SHORT_SECONDS: u32 = 20;

/// `soak [--seconds N]`.
pub fn soak(arguments: &[String]) -> Result<()> {
    match arguments {
        [] => run_for(SECONDS),
        [flag, seconds] if flag == "--seconds" => {
            run_for(seconds.parse().map_err(|_| format!("{seconds} is no number of seconds"))?)
        }
        [part] if part == "federation" => federation(),
        [part] if part == "e2e" => e2e(),
        _ => Err("soak knows only --seconds N, e2e and federation".to_owned()),
    }
}

/// The test names each schedule's seed before it begins.
fn e2e() -> Result<()> {
    let mut tests = cargo(&["test", "--release", "--package=sealpost-e2e", "--test=machine", "--"]);
    tests.args(["model::", "--nocapture"]).env("SEALPOST_STEPS", "10000");
    run(&mut tests)
}

/// So many schedules of faults, and a room of so many members and other state events to join.
const SCHEDULES: &str = "200";
const LARGE_JOIN: &str = "10000,40000";

/// The tests themselves say what is wrong, with the seed.
fn federation() -> Result<()> {
    let mut tests = cargo(&["test", "--package=sealpost-homeserver", "--test=federation", "--"]);
    tests.args(["schedules::", "large_join::", "--nocapture", "--test-threads=1"]);
    tests.env("SEALPOST_SCHEDULES", SCHEDULES).env("SEALPOST_LARGE_JOIN", LARGE_JOIN);
    run(&mut tests)
}

/// The same, as a step of `test`.
pub fn short() -> Result<Counts> {
    run_for(SHORT_SECONDS)?;
    Ok(Counts::passed(2))
}

fn run_for(seconds: u32) -> Result<()> {
    let program = artefact::load_generator()?;
    let server = clients::server("soak")?;
    let mut load = command(program, &place::root());
    let seconds = seconds.to_string();
    run(load.args(["soak", "--url", &server.url(), "--seconds", &seconds]))
}
