//! Who may read what of a room: one table over every read path, each history visibility, and each of a reader's
//! memberships. Its cells come from [`sees`] and [`tells`], which are written from the specification.

use serde_json::{Value, json};

use super::{
    actor::{Actor, in_room},
    relations::{ids, path_of, relate, v1},
    server::{TestServer, on_both},
};

const VISIBILITIES: [&str; 4] = ["world_readable", "shared", "invited", "joined"];

/// What the reader is in each phase of the room.
const MEMBERSHIPS: [&str; 5] = ["leave", "invite", "join", "leave", "join"];

/// The phases at whose end is read.
const INVITED: usize = 1;
const JOINED: usize = 2;
const LEFT: usize = 3;
const REJOINED: usize = 4;

#[derive(Clone, Copy, Debug, PartialEq)]
enum Path {
    Sync,
    SlidingSync,
    MessagesBackward,
    MessagesForward,
    Context,
    Event,
    Relations,
    Threads,
    TimestampToEvent,
    Notifications,
}

const PATHS: [Path; 10] = [
    Path::Sync,
    Path::SlidingSync,
    Path::MessagesBackward,
    Path::MessagesForward,
    Path::Context,
    Path::Event,
    Path::Relations,
    Path::Threads,
    Path::TimestampToEvent,
    Path::Notifications,
];

/// The rule ("Room History Visibility"): may the reader, now in a phase, see an event of another?
fn sees(visibility: &str, now: usize, at: usize) -> bool {
    let was = MEMBERSHIPS[at];
    match visibility {
        "world_readable" => true,
        _ if was == "join" => true,
        "shared" => MEMBERSHIPS[at..=now].contains(&"join"),
        "invited" => was == "invite",
        "joined" => false,
        other => panic!("{other}"),
    }
}

/// What of it a path tells.
fn tells(path: Path, visibility: &str, now: usize, at: usize) -> bool {
    // A room is read page by page by those who are or were in it, and by anybody where that is allowed; for who
    // left it ends there.
    let may_page = now >= JOINED || visibility == "world_readable";
    let has_ended = now == LEFT && at == LEFT;
    sees(visibility, now, at)
        && match path {
            Path::Event => true,
            Path::Relations => !has_ended,
            Path::Context => may_page,
            Path::MessagesBackward
            | Path::MessagesForward
            | Path::Threads
            | Path::TimestampToEvent => may_page && !has_ended,
            Path::Sync => now >= JOINED && !has_ended,
            // A connection that begins is told nothing of rooms that were left.
            Path::SlidingSync => now == JOINED || now == REJOINED,
            // Since the reader is in it.
            Path::Notifications => MEMBERSHIPS[now] == "join" && at == now,
        }
}

/// What is sent in a phase.
struct Phase {
    root: String,
    reply: String,
    sent_at: i64,
    /// Just before the end of the phase.
    token: String,
}

/// Sends a message with a thread, by another than the reader.
async fn phase(alice: &Actor, room: &str, at: usize) -> Phase {
    let topic = json!({ "topic": format!("phase {at}") });
    alice.put(&in_room(room, "state/m.room.topic/"), topic).await.ok();
    tokio::time::sleep(std::time::Duration::from_millis(3)).await;
    let root = alice.say(room, "root").await;
    tokio::time::sleep(std::time::Duration::from_millis(3)).await;
    let reply = relate(alice, room, "m.thread", &root).await;
    let event = alice.get(&in_room(room, &format!("event/{}", path_of(&root)))).await.ok();
    let sent_at = event["origin_server_ts"].as_i64().unwrap();
    let token = alice.sync(None, "").await["next_batch"].as_str().unwrap().to_owned();
    Phase { root, reply, sent_at, token }
}

/// What the reader is told on a path of each phase, and all the text of it.
async fn read(path: Path, reader: &Actor, room: &str, phases: &[Phase]) -> (Vec<bool>, String) {
    let listed = |text: &Value| {
        let text = text.to_string();
        (phases.iter().map(|phase| text.contains(&phase.root)).collect(), text)
    };
    let page = async |rest: &str, base: fn(&str, &str) -> String| {
        let answer = reader.get(&base(room, rest)).await;
        if !answer.status.is_success() {
            assert_eq!(answer.error(), (403, "M_FORBIDDEN"), "{rest}");
        }
        listed(&answer.body)
    };
    match path {
        Path::Sync => {
            let filter = "filter=%7B%22room%22:%7B%22include_leave%22:true,\
                          %22timeline%22:%7B%22limit%22:100%7D%7D%7D";
            listed(&reader.sync(None, filter).await)
        }
        Path::SlidingSync => {
            let list = json!({ "conn_id": "table", "lists": { "all": {
                "ranges": [[0, 9]], "timeline_limit": 50, "required_state": [],
            } } });
            let path = "/_matrix/client/unstable/org.matrix.simplified_msc3575/sync";
            listed(&reader.post(path, list).await.ok())
        }
        Path::MessagesBackward => page("messages?dir=b&limit=100", in_room).await,
        Path::MessagesForward => page("messages?dir=f&limit=100", in_room).await,
        Path::Threads => page("threads?limit=50", v1).await,
        Path::Notifications => {
            let path = "/_matrix/client/v3/notifications?limit=100";
            listed(&reader.get(path).await.ok())
        }
        Path::Context | Path::Event | Path::Relations | Path::TimestampToEvent => {
            let (mut told, mut texts) = (Vec::new(), String::new());
            for phase in phases {
                let (one, text) = read_one(path, reader, room, phase).await;
                told.push(one);
                texts.push_str(&text);
            }
            (told, texts)
        }
    }
}

async fn read_one(path: Path, reader: &Actor, room: &str, phase: &Phase) -> (bool, String) {
    let root = path_of(&phase.root);
    let at = match path {
        Path::Context => in_room(room, &format!("context/{root}?limit=100")),
        Path::Event => in_room(room, &format!("event/{root}")),
        Path::Relations => v1(room, &format!("relations/{root}")),
        _ => v1(room, &format!("timestamp_to_event?dir=f&ts={}", phase.sent_at)),
    };
    let answer = reader.get(&at).await;
    if !answer.status.is_success() {
        let error = answer.error();
        let is_hidden = error == (404, "M_NOT_FOUND");
        let is_refused = error == (403, "M_FORBIDDEN");
        let may_be_refused = matches!(path, Path::Context | Path::TimestampToEvent);
        assert!(is_hidden || (is_refused && may_be_refused), "{path:?} {error:?}");
        return (false, String::new());
    }
    let told = match path {
        Path::Context => answer.body["event"]["event_id"] == phase.root.as_str(),
        Path::Relations => ids(&answer.body["chunk"]).contains(&phase.reply.as_str()),
        _ => answer.body["event_id"] == phase.root.as_str(),
    };
    (told, answer.body.to_string())
}

/// Compares every path with the table.
async fn check(reader: &Actor, room: &str, visibility: &str, phases: &[Phase], late: &str) {
    let now = phases.len() - 1;
    for path in PATHS {
        let (told, text) = read(path, reader, room, phases).await;
        for (at, told) in told.into_iter().enumerate() {
            let cell = format!("{path:?}, {visibility}, phase {at} read in {now}");
            assert_eq!(told, tells(path, visibility, now, at), "{cell}: {text}");
            // Neither in a bundle nor anywhere else.
            let hidden = [&phases[at].root, &phases[at].reply].into_iter();
            let leaks = hidden.filter(|event| text.contains(event.as_str())).count() > 0;
            assert!(sees(visibility, now, at) || !leaks, "{cell}: {text}");
        }
        if now >= LEFT && !sees(visibility, now, LEFT) {
            assert!(!text.contains(late), "{path:?}, {visibility}, read in {now}: {text}");
        }
    }
    check_state(reader, room, visibility, phases).await;
}

/// State now, or as it was at the leaving, and members at each phase.
async fn check_state(reader: &Actor, room: &str, visibility: &str, phases: &[Phase]) {
    let now = phases.len() - 1;
    let topic = reader.get(&in_room(room, "state/m.room.topic/")).await;
    if now < JOINED && visibility != "world_readable" {
        assert_eq!(topic.error(), (403, "M_FORBIDDEN"));
        let members = reader.get(&in_room(room, &format!("members?at={}", phases[0].token))).await;
        assert_eq!(members.error(), (403, "M_FORBIDDEN"));
        return;
    }
    let last = if now == LEFT { JOINED } else { now };
    assert_eq!(topic.ok()["topic"], format!("phase {last}"), "{visibility}, in {now}");
    for (at, phase) in phases.iter().enumerate() {
        let members = in_room(room, &format!("members?at={}", phase.token));
        let members = reader.get(&members).await.ok();
        let own = members["chunk"].as_array().unwrap().iter();
        let own = own.clone().find(|member| member["state_key"] == reader.user_id.as_str());
        let own = own.map_or("leave", |member| member["content"]["membership"].as_str().unwrap());
        assert_eq!(own, MEMBERSHIPS[at], "{visibility}, members of {at} in {now}");
    }
}

async fn visits(server: &TestServer, alice: &Actor, visibility: &str) {
    let reader = server.register(&visibility.replace('_', "-")).await;
    let content = json!({ "history_visibility": visibility });
    let room = alice
        .create_room_with(json!({
            "preset": "public_chat",
            "initial_state": [{ "type": "m.room.history_visibility", "content": content }],
        }))
        .await;
    let mut phases = vec![phase(alice, &room, 0).await];
    alice.invite(&room, &reader).await;
    phases.push(phase(alice, &room, INVITED).await);
    check(&reader, &room, visibility, &phases, "").await;
    reader.join(&room).await;
    phases.push(phase(alice, &room, JOINED).await);
    check(&reader, &room, visibility, &phases, "").await;
    reader.leave(&room).await;
    // More of a thread that the reader saw begin.
    let late = relate(alice, &room, "m.thread", &phases[JOINED].root).await;
    phases.push(phase(alice, &room, LEFT).await);
    check(&reader, &room, visibility, &phases, &late).await;
    reader.join(&room).await;
    phases.push(phase(alice, &room, REJOINED).await);
    check(&reader, &room, visibility, &phases, &late).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_read_path_tells_what_the_history_visibility_allows() {
    on_both(async |server| {
        let alice = server.register("alice").await;
        for visibility in VISIBILITIES {
            visits(server, &alice, visibility).await;
        }
    })
    .await;
}

#[tokio::test]
async fn a_stranger_reads_only_what_is_world_readable() {
    on_both(async |server| {
        let alice = server.register("alice").await;
        let stranger = server.register("stranger").await;
        for (visibility, readable) in [("shared", false), ("world_readable", true)] {
            let content = json!({ "history_visibility": visibility });
            let room = alice
                .create_room_with(json!({
                    "initial_state": [{ "type": "m.room.history_visibility", "content": content }],
                }))
                .await;
            alice.say(&room, "hello").await;
            for path in ["messages?dir=b", "state", "state/m.room.create/", "members"] {
                let answer = stranger.get(&in_room(&room, path)).await;
                assert_eq!(answer.status.is_success(), readable, "{visibility} {path}");
                if !readable {
                    assert_eq!(answer.error(), (403, "M_FORBIDDEN"), "{path}");
                }
            }
        }
    })
    .await;
}

#[tokio::test]
async fn who_left_sees_the_state_as_it_was_then() {
    on_both(async |server| {
        let alice = server.register("alice").await;
        let bob = server.register("bob").await;
        let room = alice.create_room_with(json!({ "preset": "public_chat", "name": "Then" })).await;
        bob.join(&room).await;
        bob.leave(&room).await;
        alice.put(&in_room(&room, "state/m.room.name/"), json!({ "name": "Now" })).await.ok();
        let name = bob.get(&in_room(&room, "state/m.room.name/")).await.ok();
        assert_eq!(name["name"], "Then");
        let send = bob.put(&in_room(&room, "send/m.room.message/1"), json!({ "body": "?" })).await;
        assert_eq!(send.error(), (403, "M_FORBIDDEN"));
    })
    .await;
}
