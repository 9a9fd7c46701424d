//! A Synapse to compare with: from PyPI in a virtual environment, on SQLite, without rate limits.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::command::{command, run};
use crate::server::{Running, free_port};
use crate::{Result, place, provision};

/// Its Python, which has the libraries that sign as Matrix does.
pub fn python() -> Result<PathBuf> {
    let requirements = place::root().join("tests/clients/synapse/requirements.txt");
    provision::python_environment("synapse", &requirements)
}

/// Starts one in this folder. `more` goes into its configuration.
pub fn start(folder: &Path, more: &str) -> Result<Running> {
    let python = python()?;
    let port = free_port()?;
    let file = folder.join("homeserver.yaml");
    fs::write(&file, configuration(folder, port) + more)
        .map_err(|error| format!("{}: {error}", file.display()))?;
    let synapse = ["-m", "synapse.app.homeserver", "--config-path"];
    run(command(&python, folder).args(synapse).arg(&file).arg("--generate-keys"))?;
    let log = fs::File::create(folder.join("synapse.log")).map_err(|error| error.to_string())?;
    let mut server: Command = command(&python, folder);
    server.args(synapse).arg(&file).stdout(Stdio::null()).stderr(log);
    Running::start(&mut server, port, "/_matrix/client/versions")
}

/// Passwords are hashed with the least work, so that making a thousand users takes no minutes; logging in
/// is not what is compared.
fn configuration(folder: &Path, port: u16) -> String {
    let folder = folder.display();
    let unlimited = "{per_second: 1000000, burst_count: 1000000}";
    format!(
        "server_name: localhost
listeners:
  - port: {port}
    type: http
    bind_addresses: [127.0.0.1]
    resources: [{{names: [client]}}]
database: {{name: sqlite3, args: {{database: {folder}/homeserver.db}}}}
media_store_path: {folder}/media
signing_key_path: {folder}/signing.key
pid_file: {folder}/pid
macaroon_secret_key: only-on-this-machine
form_secret: only-on-this-machine
enable_registration: true
enable_registration_without_verification: true
bcrypt_rounds: 4
report_stats: false
trusted_key_servers: []
rc_message: {unlimited}
rc_registration: {unlimited}
rc_login: {{address: {unlimited}, account: {unlimited}, failed_attempts: {unlimited}}}
rc_joins: {{local: {unlimited}, remote: {unlimited}}}
rc_joins_per_room: {unlimited}
rc_invites: {{per_room: {unlimited}, per_user: {unlimited}, per_issuer: {unlimited}}}
rc_room_creation: {unlimited}
"
    )
}
