//! `cargo xtask run`: builds everything and starts a homeserver that only this machine can reach.

use crate::server::{self, Running};
use crate::{Result, artefact, place};

const PORT: u16 = 8008;

/// Builds, starts, and stays until the server ends. Argument: `--port N`.
pub fn run(arguments: &[String]) -> Result<()> {
    let mut port = PORT;
    let mut words = arguments.iter();
    while let Some(word) = words.next() {
        match word.as_str() {
            "--port" => {
                port = words
                    .next()
                    .and_then(|value| value.parse().ok())
                    .ok_or("--port wants a number between 1 and 65535")?;
            }
            _ => return Err(format!("run does not know {word}; it knows --port N")),
        }
    }
    if server::answers(port, "/health") {
        return Err(format!("a server answers on port {port} already; choose one with --port N"));
    }
    // A server without its page is still a server: somebody without Node.js can run it too.
    if let Err(message) = artefact::web() {
        eprintln!("The page at / is not built: {message}");
    }
    artefact::wasm_for_node()?;
    let program = artefact::server()?;
    let folder = place::target().join("run").join(port.to_string());
    let configuration = server::configure(&folder, port, "")?;
    let running = Running::sealpost(&program, &configuration, port)?;
    println!(
        "
Sealpost   http://localhost:{port}
log in     any Matrix client, homeserver http://localhost:{port}; anyone on this machine may register
data       {}
stop       Ctrl-C
",
        folder.display()
    );
    running.wait()
}
