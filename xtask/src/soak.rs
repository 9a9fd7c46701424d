//! `cargo xtask soak`: sixteen clients in one room and in a hundred, ten minutes; `test` does it for seconds.

use crate::command::{command, run};
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
        _ => Err("soak knows only --seconds N".to_owned()),
    }
}

/// The same, as a step of `test`.
pub fn short() -> Result<Counts> {
    run_for(SHORT_SECONDS)?;
    Ok(Counts { passed: 2, failed: 0 })
}

fn run_for(seconds: u32) -> Result<()> {
    let program = artefact::load_generator()?;
    let server = clients::server("soak")?;
    let mut load = command(program, &place::root());
    let seconds = seconds.to_string();
    run(load.args(["soak", "--url", &server.url(), "--seconds", &seconds]))
}
