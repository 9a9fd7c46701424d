//! Measures and soaks a Matrix homeserver from outside, over the client-server API only.
//!
//! `xtask-bench measure --url URL --pid PID` prints one tab-separated line for each scenario; `xtask-bench
//! soak --url URL --seconds N` keeps sixteen clients busy and then checks what they were told. Both are
//! started by `cargo xtask`, which also starts the servers. Single-threaded on purpose: it can take one
//! core at most away from the server that it measures.

mod client;
mod measure;
mod scenario;
mod soak;
mod usage;

use std::process::ExitCode;

/// What went wrong, in one readable message.
type Result<T> = std::result::Result<T, String>;

const USAGE: &str =
    "usage: xtask-bench measure --url http://HOST:PORT --pid PID [--scale F] [--only A,B]
       xtask-bench soak --url http://HOST:PORT --seconds N";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match start(&arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("{message}");
            ExitCode::FAILURE
        }
    }
}

fn start(arguments: &[String]) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| error.to_string())?;
    let option = |name: &str| {
        let at = arguments.iter().position(|word| word == name)?;
        arguments.get(at + 1).map(String::as_str)
    };
    let number = |name: &str| option(name).and_then(|text| text.parse::<f64>().ok());
    let address = option("--url")
        .and_then(|url| url.strip_prefix("http://"))
        .ok_or(USAGE)?
        .trim_end_matches('/');
    match arguments.first().map(String::as_str) {
        Some("measure") => {
            let bench = scenario::Bench {
                address: address.to_owned(),
                process: option("--pid").and_then(|pid| pid.parse().ok()).ok_or(USAGE)?,
                scale: number("--scale").unwrap_or(1.0),
            };
            runtime.block_on(scenario::run(&bench, option("--only")))
        }
        Some("soak") => {
            let seconds = number("--seconds").ok_or(USAGE)?;
            runtime.block_on(soak::run(address, seconds))
        }
        _ => Err(USAGE.to_owned()),
    }
}
