//! The socket beside the signing key through which commands reach a running server: a line of JSON each
//! way. Only the server's own user may open it.

use std::{
    fs,
    io::{self, BufRead as _, BufReader as StdBufReader, Write as _},
    os::unix::{fs::PermissionsExt as _, net::UnixStream as StdUnixStream},
    path::{Path, PathBuf},
    sync::Arc,
};

use tokio::{
    io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader},
    net::{UnixListener, UnixStream},
};
use tokio_util::sync::CancellationToken;

use crate::service::commands::{Command, Commands, Outcome};

/// The largest command, in bytes.
const LARGEST: u64 = 64 * 1024;

/// Where the socket is, given where the signing key is.
pub fn path(signing_key_file: &Path) -> PathBuf {
    signing_key_file.with_file_name("sealpost.sock")
}

/// Makes the socket. One that is there already is of a server that has died: the database's lock is ours.
pub fn bind(path: &Path) -> io::Result<UnixListener> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        Ok(()) | Err(_) => {}
    }
    let listener = UnixListener::bind(path)?;
    fs::set_permissions(path, fs::Permissions::from_mode(0o600))?;
    Ok(listener)
}

/// Answers commands until `stopping` is cancelled, then removes the socket.
pub async fn serve(
    listener: UnixListener,
    path: PathBuf,
    commands: Arc<Commands>,
    stopping: CancellationToken,
) {
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = stopping.cancelled() => break,
        };
        match accepted {
            Ok((stream, _)) => {
                let commands = Arc::clone(&commands);
                tokio::spawn(async move {
                    if let Err(error) = answer(stream, &commands).await {
                        tracing::debug!(%error, "command not answered");
                    }
                });
            }
            Err(error) => tracing::warn!(%error, "command socket"),
        }
    }
    // Gone already is as good.
    let _ = fs::remove_file(&path);
}

async fn answer(mut stream: UnixStream, commands: &Commands) -> io::Result<()> {
    let (reader, mut writer) = stream.split();
    let mut line = String::new();
    BufReader::new(reader).take(LARGEST).read_line(&mut line).await?;
    let command: Command = serde_json::from_str(&line)?;
    let mut outcome = serde_json::to_vec(&commands.run(command).await)?;
    outcome.push(b'\n');
    writer.write_all(&outcome).await
}

/// Has a running server run a command. `None`: there is no server.
pub fn ask(path: &Path, command: &Command) -> io::Result<Option<Outcome>> {
    let mut stream = match StdUnixStream::connect(path) {
        Ok(stream) => stream,
        Err(error) => {
            return match error.kind() {
                // The last: a path that is too long for a socket, so that no server has one.
                io::ErrorKind::NotFound
                | io::ErrorKind::ConnectionRefused
                | io::ErrorKind::InvalidInput => Ok(None),
                _ => Err(error),
            };
        }
    };
    let mut line = serde_json::to_vec(command)?;
    line.push(b'\n');
    stream.write_all(&line)?;
    let mut answer = String::new();
    StdBufReader::new(stream).read_line(&mut answer)?;
    Ok(Some(serde_json::from_str(&answer)?))
}
