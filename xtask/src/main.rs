//! `cargo xtask COMMAND`: build, run, test, measure. The only entry point a person types.
//!
//! | command | module |
//! |---|---|
//! | `run` | [`run`]: builds everything and starts a homeserver on loopback |
//! | `web` | [`artefact`]: the web client alone, for the server to embed |
//! | `screenshots` | [`test`]: every main screen of the web client, as pictures |
//! | `test` | [`test`]: every test of every part, after installing what they need |
//! | `lint` | [`lint`]: formatting, clippy, licences, web lint and types |
//! | `check` | `lint`, then `test`: exactly what CI checks |
//! | `bench` | [`bench`]: Sealpost and Synapse under the same load, in one table; the web client in a browser; and more |
//! | `soak` | [`soak`]: sixteen clients for ten minutes, then everything they were told is checked; random faults between servers |
//! | `fuzz` | [`fuzz`]: hostile bytes for every parser of a peer's |
//! | `mutants` | [`mutants`]: changes that no test of a module of the encryption library notices |
//! | `sytest` | [`sytest`]: a peer suite, compared with what passed before |
//!
//! To add a step to `test` or `lint`: write a function that returns [`Counts`] and name it in the
//! list of its module. What a step needs on the machine goes to [`provision`].

mod artefact;
mod bench;
mod clients;
mod command;
mod counts;
mod differential;
mod failures;
mod fuzz;
mod lint;
mod mutants;
mod peer;
mod place;
mod portable;
mod provision;
mod run;
mod server;
mod soak;
mod summary;
mod synapse;
mod sytest;
mod test;

use std::process::ExitCode;

use counts::Counts;

const USAGE: &str = "usage: cargo xtask COMMAND

  run              build, then start a homeserver on this machine (loopback only, open registration)
  web              build the web client, which the server embeds when it is built afterwards
  screenshots      pictures of the web client's screens, light and dark, wide and narrow
  test [STEP…]     every test; or some of: web wasm portable rust interop browser clients
                   differential peer soak fuzz
  lint [STEP…]     every check; or some of: fmt clippy wasm licences web
  check            lint, then test
  bench            measure against Synapse; --scale F, --only send,fan_out,sync,history,join,keys,media,
                   --without-synapse
  bench federation between servers: joining a room of 2,000 members, taking in events, delivering; --scale F
  bench web        the web client in a browser: bytes of the first load, start, scrolling, echo; --scale F
  bench e2e        what encryption costs, in time and bytes
  bench store      the store alone, and the bounds of a large room; sizes: EVENTS MEMBERS
  soak             sixteen clients for ten minutes; --seconds N
  soak e2e         10,000 random steps of the encryption library, against a model
  soak federation  200 random schedules of faults between servers, and a join of a room of 10,000 members
  fuzz [TARGET…]   hostile bytes for what reads a peer's, ten minutes each; --seconds N
  mutants MODULE   changes of a module of e2e that its own tests do not notice
  sytest CHECKOUT GROUP…
                   groups of the peer suite matrix-org/sytest; --accept writes the lists of what passes";

/// What went wrong, in one readable message.
type Result<T> = std::result::Result<T, String>;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let outcome = match arguments.split_first() {
        Some((command, rest)) => dispatch(command, rest),
        None => Err(USAGE.to_owned()),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("{message}");
            ExitCode::FAILURE
        }
    }
}

fn dispatch(command: &str, rest: &[String]) -> Result<()> {
    match command {
        "run" => run::run(rest),
        "web" => artefact::web(),
        "screenshots" => test::screenshots(),
        "test" => test::test(rest),
        "lint" => lint::lint(rest),
        "bench" => bench::bench(rest),
        "soak" => soak::soak(rest),
        "fuzz" => fuzz::fuzz(rest),
        "mutants" => mutants::mutants(rest),
        "sytest" => sytest::sytest(rest),
        "check" => lint::lint(&[]).and_then(|()| test::test(&[])),
        _ => Err(USAGE.to_owned()),
    }
}
