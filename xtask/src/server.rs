//! A Sealpost process in a folder of its own, on loopback.

use std::fs;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::thread::sleep;
use std::time::{Duration, Instant};

use crate::Result;

/// How long a server may take until it answers.
const PATIENCE: Duration = Duration::from_secs(30);

/// Writes the configuration of a server for this machine alone: anyone here may register.
///
/// A file that is there already is left as it is.
pub fn configure(folder: &Path, port: u16, more: &str) -> Result<PathBuf> {
    let file = folder.join("sealpost.toml");
    if file.exists() {
        return Ok(file);
    }
    let text = format!(
        "server_name = \"localhost:{port}\"
public_base_url = \"http://localhost:{port}\"
signing_key_file = \"signing.key\"

[[listeners]]
bind = \"127.0.0.1\"
port = {port}
serves = [\"client\"]

[database]
url = \"sqlite://sealpost.db\"

[registration]
enabled = true

[federation]
enabled = false
{more}"
    );
    fs::create_dir_all(folder)
        .and_then(|()| fs::write(&file, text))
        .map_err(|error| format!("{}: {error}", file.display()))?;
    Ok(file)
}

/// Starts the server and waits until it answers.
pub fn start(program: &Path, configuration: &Path, port: u16) -> Result<Child> {
    let mut child = Command::new(program)
        .arg("--config")
        .arg(configuration)
        .spawn()
        .map_err(|error| format!("{} cannot be started: {error}", program.display()))?;
    let asked = Instant::now();
    loop {
        if is_ready(port) {
            return Ok(child);
        }
        if let Ok(Some(status)) = child.try_wait() {
            return Err(format!("the server ended before it answered: {status}"));
        }
        if asked.elapsed() > PATIENCE {
            // The child may have ended in between: then there is nothing to kill.
            let _ = child.kill();
            let _ = child.wait();
            return Err(format!("the server did not answer on port {port}"));
        }
        sleep(Duration::from_millis(50));
    }
}

/// Whether `GET /health` answers 200.
pub fn is_ready(port: u16) -> bool {
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let asked = || -> std::io::Result<[u8; 12]> {
        let mut stream = TcpStream::connect_timeout(&address, Duration::from_secs(1))?;
        stream.set_read_timeout(Some(Duration::from_secs(5)))?;
        stream
            .write_all(b"GET /health HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")?;
        let mut status = [0; 12];
        stream.read_exact(&mut status)?;
        Ok(status)
    };
    asked().is_ok_and(|status| status.ends_with(b" 200"))
}
