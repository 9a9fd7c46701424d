//! The `sealpost` binary: its commands, its exit codes, and how it starts and stops.

use std::{
    fs,
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::{SocketAddr, TcpStream},
    os::unix::fs::PermissionsExt as _,
    path::Path,
    process::{Child, ChildStderr, Command, Output, Stdio},
};

use tempfile::TempDir;

fn sealpost(folder: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_sealpost"));
    command.current_dir(folder).stdin(Stdio::null());
    command
}

fn run(folder: &Path, arguments: &[&str]) -> (Option<i32>, String, String) {
    outcome(sealpost(folder).args(arguments).output().unwrap())
}

fn run_with_input(folder: &Path, arguments: &[&str], input: &str) -> (Option<i32>, String, String) {
    let mut child = sealpost(folder)
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    outcome(child.wait_with_output().unwrap())
}

fn outcome(output: Output) -> (Option<i32>, String, String) {
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (output.status.code(), text(output.stdout), text(output.stderr))
}

/// A folder with a configuration for tests.
fn configured() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let config = "server_name = \"sealpost.test\"\n\
                  password_hashing = { memory_kib = 8, iterations = 1 }\n\
                  [[listeners]]\nport = 0\n";
    fs::write(folder.path().join("sealpost.toml"), config).unwrap();
    folder
}

/// A server process, killed when dropped.
struct Server {
    child: Child,
    address: SocketAddr,
    log: BufReader<ChildStderr>,
}

impl Server {
    fn start(folder: &Path) -> Self {
        let mut child = sealpost(folder)
            .args(["--config", "sealpost.toml"])
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut log = BufReader::new(child.stderr.take().unwrap());
        let mut line = String::new();
        while !line.contains(" ready ") {
            line.clear();
            assert_ne!(log.read_line(&mut line).unwrap(), 0, "the server ended");
        }
        let address = line.split(['[', ']']).nth(1).unwrap().parse().unwrap();
        Self { child, address, log }
    }

    fn get(&self, path: &str) -> String {
        let mut stream = TcpStream::connect(self.address).unwrap();
        write!(stream, "GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
            .unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    }

    /// Sends a signal and waits for the end.
    fn end_by(mut self, signal: &str) -> (Option<i32>, String) {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").args([signal, &pid]).status().unwrap().success());
        let mut rest = String::new();
        self.log.read_to_string(&mut rest).unwrap();
        (self.child.wait().unwrap().code(), rest)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Ended already, after end_by().
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn init_writes_what_a_server_needs_and_overwrites_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let (code, said, _) = run(folder.path(), &["init", "sealpost.test"]);
    assert_eq!(code, Some(0));
    assert!(said.contains("sealpost --config sealpost.toml user create"), "{said}");
    let key = folder.path().join("signing.key");
    assert_eq!(fs::metadata(&key).unwrap().permissions().mode() & 0o777, 0o600);
    let config = fs::read_to_string(folder.path().join("sealpost.toml")).unwrap();
    assert!(config.contains("\nserver_name = \"sealpost.test\"\n"));

    let before = fs::read(&key).unwrap();
    let (code, _, said) = run(folder.path(), &["init", "sealpost.test"]);
    assert_eq!((code, said.as_str()), (Some(1), "sealpost: sealpost.toml is there already\n"));
    fs::remove_file(folder.path().join("sealpost.toml")).unwrap();
    let (code, _, said) = run(folder.path(), &["init", "sealpost.test"]);
    assert_eq!((code, said.as_str()), (Some(1), "sealpost: signing.key is there already\n"));
    assert_eq!(fs::read(&key).unwrap(), before);

    let (code, _, said) = run(folder.path(), &["init", "not a name"]);
    assert_eq!(code, Some(2), "{said}");
}

#[test]
fn a_faulty_configuration_is_told_in_one_line_and_nothing_is_created() {
    for (config, said) in [
        ("server_nam = \"a.test\"", "`server_nam`: unknown key, did you mean `server_name`?"),
        ("server_name = \"a.test\"\nrooms.default_version = 12", "`rooms.default_version`: "),
        (
            "server_name = \"a.test\"\n[[listeners]]\ntls = true\ncert_file = \"sealpost.toml\"\n\
             key_file = \"sealpost.toml\"",
            "`listeners.cert_file`: ",
        ),
    ] {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("sealpost.toml"), config).unwrap();
        let (code, _, error) = run(folder.path(), &["--config", "sealpost.toml"]);
        assert_eq!(code, Some(2), "{error}");
        assert!(error.starts_with(&format!("sealpost: sealpost.toml: {said}")), "{error}");
        assert_eq!(error.lines().count(), 1, "{error}");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }
}

#[test]
fn commands_work_without_a_server_and_beside_one() {
    let folder = configured();
    let folder = folder.path();
    let create =
        |name: &str| run_with_input(folder, &["user", "create", name, "--password-stdin"], "x\n");
    let made = |name: &str| (Some(0), format!("Created @{name}:sealpost.test.\n"), String::new());
    assert_eq!(create("alice"), made("alice"));

    let server = Server::start(folder);
    assert_eq!(create("bob"), made("bob"));
    for name in ["alice", "bob"] {
        let (code, _, said) = create(name);
        assert_eq!((code, said.as_str()), (Some(1), "sealpost: The user name is taken\n"));
    }
    let arguments = ["registration-token", "create", "--uses", "3", "--expires", "2999-12-31"];
    let (code, token, _) = run(folder, &arguments);
    assert_eq!(code, Some(0));
    let token = token.trim();
    assert_eq!(server.end_by("-INT").0, Some(0));

    let (_, list, _) = run(folder, &["registration-token", "list"]);
    assert_eq!(list, format!("{token}  used 0 of 3, until 2999-12-31\n"));
    assert_eq!(run(folder, &["registration-token", "revoke", token]).0, Some(0));
    assert_eq!(run(folder, &["registration-token", "revoke", token]).0, Some(1));
    assert_eq!(run(folder, &["registration-token", "list"]).1, "");
}

#[test]
fn a_server_is_ready_when_it_says_so_and_stops_in_order() {
    let folder = configured();
    let server = Server::start(folder.path());
    assert!(server.get("/health").starts_with("HTTP/1.1 200 OK\r\n"));
    assert!(server.get("/_matrix/client/versions").contains("v1.10"));
    assert!(folder.path().join("sealpost.db").exists());
    let (code, log) = server.end_by("-TERM");
    assert_eq!(code, Some(0), "{log}");
    assert!(log.contains("stopped"), "{log}");

    let again = Server::start(folder.path());
    assert!(again.get("/health").ends_with("OK"));
}

#[test]
fn a_second_server_on_the_same_database_refuses() {
    let folder = configured();
    let first = Server::start(folder.path());
    let (code, _, said) = run(folder.path(), &["--config", "sealpost.toml"]);
    assert_eq!(code, Some(1));
    assert!(said.contains("another process"), "{said}");
    assert!(first.get("/health").ends_with("OK"));
}

#[test]
fn users_are_listed_locked_made_administrators_and_deactivated() {
    let folder = configured();
    let user = |arguments: &[&str], input: &str| {
        let all: Vec<&str> = ["user"].iter().chain(arguments).copied().collect();
        let (code, said, error) = run_with_input(folder.path(), &all, input);
        assert_eq!(code, Some(0), "{arguments:?}: {error}");
        said
    };
    user(&["create", "alice", "--password-stdin"], "hush\n");
    user(&["create", "bob", "--password-stdin"], "hush\n");
    user(&["make-admin", "alice"], "");
    user(&["lock", "@bob:sealpost.test"], "");
    let list = user(&["list"], "");
    let lines: Vec<&str> = list.lines().collect();
    assert!(lines[0].starts_with("@alice:sealpost.test  since "), "{list}");
    assert!(lines[0].ends_with(", administrator"), "{list}");
    assert!(lines[1].ends_with(", locked"), "{list}");

    user(&["unlock", "bob"], "");
    assert!(user(&["reset-password", "bob", "--password-stdin"], "new\n").contains("logged out"));
    let (code, _, said) = run_with_input(folder.path(), &["user", "deactivate", "bob"], "no\n");
    assert_eq!((code, said.as_str()), (Some(1), "sealpost: nothing was done\n"));
    user(&["deactivate", "bob"], "bob\n");
    assert!(user(&["list"], "").contains("deactivated"));
    let again = run_with_input(folder.path(), &["user", "deactivate", "bob", "--yes"], "");
    assert_eq!(again.0, Some(1));
    let (code, _, said) = run(folder.path(), &["user", "lock", "nobody"]);
    assert_eq!((code, said.as_str()), (Some(1), "sealpost: There is no such user here\n"));

    let (code, said, _) = run(folder.path(), &["report", "list"]);
    assert_eq!((code, said.as_str()), (Some(0), "Nothing has been reported.\n"));
}
