//! A backup made while users write, and what a restored server knows.

use std::{
    path::Path,
    process::Command,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use serde_json::json;

use crate::{
    actor::{Actor, in_room},
    database::TestDatabase,
    server::{TestServer, on_both},
};

fn back_up(config: &Path, folder: &Path) -> (bool, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_sealpost"))
        .arg("--config")
        .arg(config)
        .arg("backup")
        .arg(folder)
        .output()
        .unwrap();
    (output.status.success(), String::from_utf8(output.stderr).unwrap())
}

/// A new database of the same kind with what was backed up.
fn restored(url: &str, backup: &Path) -> TestDatabase {
    let same = |database: &TestDatabase| database.url.split(':').next() == url.split(':').next();
    let database = TestDatabase::both().into_iter().find(same).unwrap();
    match database.url.strip_prefix("sqlite://") {
        Some(file) => {
            std::fs::copy(backup.join("sealpost.db"), file).unwrap();
        }
        None => {
            let restored = Command::new("pg_restore")
                .args(["--no-owner", "--dbname", &database.url])
                .arg(backup.join("sealpost.dump"))
                .status()
                .unwrap();
            assert!(restored.success());
        }
    }
    database
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_acknowledged_before_a_backup_is_in_it() {
    on_both(async |server| {
        let alice = server.register("alice").await;
        let room = alice.create_room().await;
        let media = server.folder().join("media/ab");
        std::fs::create_dir_all(&media).unwrap();
        std::fs::write(media.join("abc"), "content").unwrap();
        let mut before = Vec::new();
        for number in 0..5 {
            before.push(alice.say(&room, &number.to_string()).await);
        }

        let stop = Arc::new(AtomicBool::new(false));
        let writer = {
            let (alice, room, stop) = (alice.clone(), room.clone(), stop.clone());
            tokio::spawn(async move {
                while !stop.load(Ordering::Relaxed) {
                    alice.say(&room, "meanwhile").await;
                }
            })
        };
        let (config, folder) = (server.config_file(), server.folder().join("backup"));
        let into = folder.clone();
        let (done, said) =
            tokio::task::spawn_blocking(move || back_up(&config, &into)).await.unwrap();
        assert!(done, "{said}");
        stop.store(true, Ordering::Relaxed);
        writer.await.unwrap();
        assert_eq!(std::fs::read(folder.join("media/ab/abc")).unwrap(), b"content");
        assert!(folder.join("signing.key").is_file());
        let (again, said) = back_up(&server.config_file(), &folder);
        assert!(!again && said.contains("is there already and not empty"), "{said}");

        for number in 0..30 {
            alice.say(&room, &format!("lost {number}")).await;
        }
        let later = alice.sync(None, "timeout=0").await["next_batch"].as_str().unwrap().to_owned();

        let database = restored(server.database_url(), &folder);
        let mut other = TestServer::start(database, "").await;
        let login = json!({ "type": "m.login.password", "password": "alice",
            "identifier": { "type": "m.id.user", "user": "alice" } });
        let answer = other.stranger().post("/_matrix/client/v3/login", login).await.ok();
        let alice = Actor::new(other.stranger(), &answer);
        for event in &before {
            alice.get(&in_room(&room, &format!("event/{event}"))).await.ok();
        }
        // A token from the time that is lost: everything is new.
        let news = alice.sync(Some(&later), "timeout=0&full_state=false").await;
        let state = news["rooms"]["join"][&room]["state"]["events"].as_array().unwrap();
        assert!(state.iter().any(|event| event["type"] == "m.room.create"), "{news}");
        alice.say(&room, "it goes on").await;
        other.stop().await;
    })
    .await;
}
