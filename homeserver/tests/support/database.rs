//! Fresh databases for tests: a SQLite file in a folder of its own, or a database in a PostgreSQL that
//! the tests start themselves.
//!
//! `SEALPOST_TEST_POSTGRES` may hold the URL of a server to use. Otherwise the first test process starts
//! one from Debian's packages on a Unix socket, as the user `postgres` when root; all processes share it,
//! and a watcher stops it when none of them is left. Its data are for tests: it never syncs.

use std::{
    fs::{self, File},
    os::unix::fs::{MetadataExt, chown},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::{
        OnceLock,
        atomic::{AtomicU64, Ordering},
    },
};

use diesel::{Connection, PgConnection, connection::SimpleConnection};
use tempfile::TempDir;

/// A fresh, empty database; gone when dropped.
pub struct TestDatabase {
    pub url: String,
    kind: Kind,
}

enum Kind {
    Sqlite { _folder: TempDir },
    Postgres { server: &'static str, name: String },
}

impl TestDatabase {
    pub fn sqlite() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let url = format!("sqlite://{}", folder.path().join("sealpost.db").display());
        Self { url, kind: Kind::Sqlite { _folder: folder } }
    }

    /// `None`, with a printed line, where PostgreSQL is not installed; an error in CI.
    pub fn postgres() -> Option<Self> {
        static NUMBER: AtomicU64 = AtomicU64::new(0);
        let server = server()?;
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let name = format!("test_{}_{number}", std::process::id());
        let mut conn = PgConnection::establish(server).unwrap();
        conn.batch_execute(&format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)")).unwrap();
        conn.batch_execute(&format!("CREATE DATABASE {name}")).unwrap();
        Some(Self { url: with_database(server, &name), kind: Kind::Postgres { server, name } })
    }

    /// One of each kind there is.
    pub fn both() -> Vec<Self> {
        [Some(Self::sqlite()), Self::postgres()].into_iter().flatten().collect()
    }
}

impl Drop for TestDatabase {
    fn drop(&mut self) {
        if let Kind::Postgres { server, name } = &self.kind
            && let Ok(mut conn) = PgConnection::establish(server)
        {
            let _ = conn.batch_execute(&format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)"));
        }
    }
}

fn with_database(server: &str, name: &str) -> String {
    let (place, query) = server.split_once('?').unwrap_or((server, ""));
    let scheme = place.find("://").map_or(0, |at| at + 3);
    let authority = place[scheme..].split('/').next().unwrap_or_default();
    format!("{}{authority}/{name}?{query}", &place[..scheme])
}

/// The URL of the server, started if need be.
fn server() -> Option<&'static str> {
    static SERVER: OnceLock<Option<String>> = OnceLock::new();
    SERVER
        .get_or_init(|| {
            if let Ok(url) = std::env::var("SEALPOST_TEST_POSTGRES") {
                return Some(url);
            }
            let Some(programs) = programs() else {
                assert!(
                    std::env::var("CI").as_deref() != Ok("true"),
                    "PostgreSQL is not installed, and CI wants both databases"
                );
                println!("skipped on PostgreSQL: it is not installed");
                return None;
            };
            Some(join_server(&programs))
        })
        .as_deref()
}

/// The folder of initdb and pg_ctl, of the newest version.
fn programs() -> Option<PathBuf> {
    let mut versions: Vec<_> = fs::read_dir("/usr/lib/postgresql")
        .ok()?
        .filter_map(|entry| Some(entry.ok()?.path().join("bin")))
        .filter(|folder| folder.join("initdb").exists())
        .collect();
    versions.sort();
    versions.pop()
}

fn join_server(programs: &Path) -> String {
    let own = fs::metadata("/proc/self").unwrap().uid();
    let folder = std::env::temp_dir().join(format!("sealpost-test-postgres-{own}"));
    fs::create_dir_all(&folder).unwrap();
    let starting = lock_file(&folder, "starting");
    starting.lock().unwrap();
    // Held shared by each test process for its whole life.
    static USER: OnceLock<File> = OnceLock::new();
    USER.get_or_init(|| {
        let users = lock_file(&folder, "users");
        users.lock_shared().unwrap();
        users
    });
    let url = format!("postgres:///postgres?host={}&user=postgres", folder.display());
    if PgConnection::establish(&url).is_err() {
        start(programs, &folder, own == 0);
    }
    url
}

fn lock_file(folder: &Path, name: &str) -> File {
    File::options().create(true).append(true).open(folder.join(name)).unwrap()
}

fn start(programs: &Path, folder: &Path, root: bool) {
    let data = folder.join("data");
    let _ = fs::remove_dir_all(&data);
    fs::create_dir(&data).unwrap();
    if root {
        let id = |flag| {
            let output = Command::new("id").args([flag, "postgres"]).output().unwrap();
            String::from_utf8(output.stdout).unwrap().trim().parse().unwrap()
        };
        for owned in [folder, &data] {
            chown(owned, Some(id("-u")), Some(id("-g"))).unwrap();
        }
    }
    let run = |program: &str| {
        let program = programs.join(program);
        if root {
            let mut command = Command::new("setpriv");
            command.args(["--reuid=postgres", "--regid=postgres", "--clear-groups"]).arg(program);
            command
        } else {
            Command::new(program)
        }
    };
    let check = |command: &mut Command| {
        let output = command.current_dir(folder).stdin(Stdio::null()).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    };
    check(
        run("initdb")
            .args(["--auth=trust", "--username=postgres", "--encoding=UTF8", "--locale=C"])
            .args(["--no-sync", "--pgdata"])
            .arg(&data),
    );
    let settings = format!(
        "-c listen_addresses= -c unix_socket_directories={} -c fsync=off -c full_page_writes=off \
         -c max_connections=400 -c shared_buffers=64MB",
        folder.display()
    );
    // Its output goes to a file: a pipe of ours would stay open as long as the server runs.
    let status = run("pg_ctl")
        .args(["start", "--wait", "--timeout=60", "--pgdata"])
        .arg(&data)
        .arg("--log")
        .arg(data.join("log"))
        .args(["--options", &settings])
        .current_dir(folder)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .status()
        .unwrap();
    assert!(status.success(), "{}", fs::read_to_string(data.join("log")).unwrap_or_default());

    let stop = run("pg_ctl");
    let stop: Vec<_> = std::iter::once(stop.get_program())
        .chain(stop.get_args())
        .map(|word| word.to_str().unwrap().to_owned())
        .collect();
    // Left behind on purpose, in the background of a shell that ends at once.
    let watcher = format!(
        "(while sleep 15; do \
            flock starting sh -c 'flock -n -x users {} stop -m immediate -D data && rm -r data'; \
            [ -e data/postmaster.pid ] || exit; \
        done) &",
        stop.join(" ")
    );
    let status = Command::new("sh")
        .args(["-c", &watcher])
        .current_dir(folder)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .unwrap();
    assert!(status.success());
}
