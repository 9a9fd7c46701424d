//! Server processes on loopback, each in a folder of its own.

use std::fs;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::thread::sleep;
use std::time::{Duration, Instant};

use crate::{Result, place};

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

/// A port that nobody listens on now.
pub fn free_port() -> Result<u16> {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
        .and_then(|listener| listener.local_addr())
        .map(|address| address.port())
        .map_err(|error| format!("no free port: {error}"))
}

/// A folder that is empty.
pub fn fresh_folder(name: &str) -> Result<PathBuf> {
    let folder = place::target().join(name);
    if folder.exists() {
        fs::remove_dir_all(&folder).map_err(|error| format!("{}: {error}", folder.display()))?;
    }
    fs::create_dir_all(&folder).map_err(|error| format!("{}: {error}", folder.display()))?;
    Ok(folder)
}

/// A server that runs; it ends when this is dropped.
pub struct Running {
    child: Child,
    pub port: u16,
}

impl Running {
    /// Starts a server and waits until `GET path` answers 200.
    pub fn start(command: &mut Command, port: u16, path: &str) -> Result<Self> {
        let child =
            command.spawn().map_err(|error| format!("the server cannot be started: {error}"))?;
        let mut running = Self { child, port };
        let asked = Instant::now();
        while !answers(port, path) {
            if let Ok(Some(status)) = running.child.try_wait() {
                return Err(format!("the server ended before it answered: {status}"));
            }
            if asked.elapsed() > PATIENCE {
                return Err(format!("the server did not answer on port {port}"));
            }
            sleep(Duration::from_millis(50));
        }
        Ok(running)
    }

    /// A Sealpost with this configuration.
    pub fn sealpost(program: &Path, configuration: &Path, port: u16) -> Result<Self> {
        Self::start(Command::new(program).arg("--config").arg(configuration), port, "/health")
    }

    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    pub fn process(&self) -> u32 {
        self.child.id()
    }

    /// Stays until the server ends by itself, or because somebody pressed Ctrl-C.
    pub fn wait(mut self) -> Result<()> {
        let ended = self.child.wait().map_err(|error| format!("lost the server: {error}"))?;
        if ended.success() { Ok(()) } else { Err(format!("the server ended: {ended}")) }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if let Ok(Some(_)) = self.child.try_wait() {
            return;
        }
        // Asked first, so that it leaves its database in order; the standard library can only kill.
        let asked = Command::new("kill").arg(self.child.id().to_string()).status();
        let until = Instant::now() + Duration::from_secs(10);
        while asked.is_ok() && Instant::now() < until {
            if let Ok(Some(_)) = self.child.try_wait() {
                return;
            }
            sleep(Duration::from_millis(20));
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Whether `GET path` answers 200.
pub fn answers(port: u16, path: &str) -> bool {
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let request = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
    let asked = || -> std::io::Result<[u8; 12]> {
        let mut stream = TcpStream::connect_timeout(&address, Duration::from_secs(1))?;
        stream.set_read_timeout(Some(Duration::from_secs(5)))?;
        stream.write_all(request.as_bytes())?;
        let mut status = [0; 12];
        stream.read_exact(&mut status)?;
        Ok(status)
    };
    asked().is_ok_and(|status| status.ends_with(b" 200"))
}
