use std::{
    fs::{self, File},
    io::Cursor,
    path::{Path, PathBuf},
    time::{Duration, SystemTime},
};

use image::{ImageFormat, RgbImage};
use reqwest::{Method, Response, StatusCode};
use serde_json::{Value, json};

use crate::{
    actor::{Actor, Answer, Connection},
    server::{on_both, on_both_with},
};

const UPLOAD: &str = "/_matrix/media/v3/upload";

/// Uploads, and returns what stands behind `mxc://`.
async fn upload(who: &Actor, query: &str, kind: &str, body: impl Into<reqwest::Body>) -> String {
    try_upload(who, query, kind, body).await.ok()["content_uri"]
        .as_str()
        .unwrap()
        .strip_prefix("mxc://")
        .unwrap()
        .to_owned()
}

async fn try_upload(
    who: &Actor,
    query: &str,
    kind: &str,
    body: impl Into<reqwest::Body>,
) -> Answer {
    let request = who.request(Method::POST, &format!("{UPLOAD}?{query}"));
    Connection::send(request.header("content-type", kind).body(body)).await
}

async fn fill(who: &Actor, id: &str, body: &'static str) -> Answer {
    let path = format!("{UPLOAD}/{id}");
    Connection::send(who.request(Method::PUT, &path).body(body)).await
}

async fn create(who: &Actor) -> String {
    let created = who.post("/_matrix/media/v1/create", json!({})).await.ok();
    assert!(created["unused_expires_at"].as_i64().unwrap() > 0);
    created["content_uri"].as_str().unwrap().strip_prefix("mxc://").unwrap().to_owned()
}

fn download(rest: &str) -> String {
    format!("/_matrix/client/v1/media/download/{rest}")
}

async fn fetch(who: &Connection, path: &str, headers: &[(&str, &str)]) -> Response {
    let request = who.request(Method::GET, path);
    headers
        .iter()
        .fold(request, |request, (name, value)| request.header(*name, *value))
        .send()
        .await
        .unwrap()
}

fn header<'a>(response: &'a Response, name: &str) -> &'a str {
    response.headers().get(name).map_or("", |value| value.to_str().unwrap())
}

/// Not compressible, and different at each place.
fn noise(length: usize) -> Vec<u8> {
    (0..length as u64).map(|at| (at.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 32) as u8).collect()
}

fn picture(width: u32, height: u32) -> Vec<u8> {
    let picture = RgbImage::from_fn(width, height, |x, y| image::Rgb([x as u8, y as u8, 0]));
    let mut bytes = Cursor::new(Vec::new());
    picture.write_to(&mut bytes, ImageFormat::Png).unwrap();
    bytes.into_inner()
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    entries.flat_map(|path| if path.is_dir() { files(&path) } else { vec![path] }).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_uploaded_is_downloaded_with_its_type_and_name() {
    on_both(async |server| {
        let (alice, bob) = (server.register("alice").await, server.register("bob").await);
        // Below, at and above what is held in memory.
        for length in [0, 1, 1024 * 1024, 3 * 1024 * 1024 + 7] {
            let bytes = noise(length);
            let id = upload(&alice, "filename=a%20b.png", "image/png", bytes.clone()).await;
            assert!(id.starts_with("sealpost.test/"), "{id}");
            let got = fetch(&bob, &download(&id), &[]).await;
            assert_eq!(got.status(), StatusCode::OK);
            assert_eq!(header(&got, "content-length"), length.to_string());
            assert_eq!(header(&got, "content-type"), "image/png");
            assert_eq!(header(&got, "content-disposition"), "inline; filename=\"a b.png\"");
            assert_eq!(header(&got, "cross-origin-resource-policy"), "cross-origin");
            assert_eq!(header(&got, "x-content-type-options"), "nosniff");
            assert!(header(&got, "content-security-policy").starts_with("sandbox;"));
            assert!(got.bytes().await.unwrap() == bytes, "{length} bytes differ");
        }

        let id = upload(&alice, "", "text/html", "<script>").await;
        let got = fetch(&bob, &download(&id), &[]).await;
        assert_eq!(header(&got, "content-disposition"), "attachment");
        // As matrix-nio asks for it.
        let got = fetch(&bob, &download(&format!("{id}/")), &[]).await;
        assert_eq!(header(&got, "content-disposition"), "attachment");
        let got = fetch(&bob, &download(&format!("{id}/%C3%A4.html")), &[]).await;
        assert_eq!(header(&got, "content-disposition"), "attachment; filename*=utf-8''%C3%A4.html");
        let request = alice.request(Method::POST, "/_matrix/media/r0/upload").body("old path");
        let id = Connection::send(request).await.ok()["content_uri"].clone();
        let id = id.as_str().unwrap().strip_prefix("mxc://").unwrap();
        let got = fetch(&bob, &download(id), &[]).await;
        assert_eq!(header(&got, "content-type"), "application/octet-stream");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_download_sends_the_part_that_is_asked_for_or_nothing_that_is_known() {
    on_both(async |server| {
        let alice = server.register("alice").await;
        let bytes = noise(700_000);
        let path = download(&upload(&alice, "", "video/mp4", bytes.clone()).await);

        let got = fetch(&alice, &path, &[("range", "bytes=262140-600000")]).await;
        assert_eq!(got.status(), StatusCode::PARTIAL_CONTENT);
        assert_eq!(header(&got, "content-range"), "bytes 262140-600000/700000");
        let etag = header(&got, "etag").to_owned();
        assert!(got.bytes().await.unwrap() == bytes[262_140..=600_000]);

        let got = fetch(&alice, &path, &[("range", "bytes=700000-")]).await;
        assert_eq!(got.status(), StatusCode::RANGE_NOT_SATISFIABLE);
        assert_eq!(header(&got, "content-range"), "bytes */700000");

        let got = fetch(&alice, &path, &[("if-none-match", &etag)]).await;
        assert_eq!(got.status(), StatusCode::NOT_MODIFIED);
        assert!(got.bytes().await.unwrap().is_empty());
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_content_is_stored_once_and_outlives_a_restart() {
    on_both(async |server| {
        let alice = server.register("alice").await;
        let folder = server.folder().join("media");
        let large = noise(2 * 1024 * 1024);
        let first = upload(&alice, "", "a/b", large.clone()).await;
        let second = upload(&alice, "", "c/d", large.clone()).await;
        assert_ne!(first, second);
        assert_eq!(files(&folder).len(), 1);

        server.stop().await;
        server.start_again().await;
        let alice = server.stranger().with_token(&alice.access_token);
        for (id, kind) in [(first, "a/b"), (second, "c/d")] {
            let got = fetch(&alice, &download(&id), &[]).await;
            assert_eq!(header(&got, "content-type"), kind);
            assert!(got.bytes().await.unwrap() == large);
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn files_without_a_row_are_swept_and_others_stay() {
    on_both(async |server| {
        let alice = server.register("alice").await;
        let folder = server.folder().join("media");
        let id = upload(&alice, "", "a/b", "kept").await;
        let kept = files(&folder).pop().unwrap();
        server.stop().await;

        let orphan = "ab".repeat(32);
        let old = [
            folder.join(format!("ab/{orphan}")),
            folder.join(format!("thumbnails/ab/{orphan}-96x96-crop")),
            folder.join("incoming/half"),
            folder.join(format!("ab/{orphan}#1")),
        ];
        let young = folder.join(format!("cd/{}", "cd".repeat(32)));
        let foreign = folder.join("README");
        for file in old.iter().chain([&young, &foreign]) {
            fs::create_dir_all(file.parent().unwrap()).unwrap();
            fs::write(file, "orphan").unwrap();
        }
        let long_ago = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000);
        for file in old.iter().chain([&kept, &foreign]) {
            File::options().write(true).open(file).unwrap().set_modified(long_ago).unwrap();
        }
        server.start_again().await;
        while old.iter().any(|file| file.exists()) {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        assert!(young.exists() && foreign.exists() && kept.exists());
        let alice = server.stranger().with_token(&alice.access_token);
        let got = fetch(&alice, &download(&id), &[]).await;
        assert_eq!(got.bytes().await.unwrap(), "kept");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn only_users_upload_and_download() {
    on_both(async |server| {
        let alice = server.register("alice").await;
        let id = upload(&alice, "", "text/plain", "secret").await;
        let stranger = server.stranger();
        for path in [
            download(&id),
            format!("/_matrix/client/v1/media/thumbnail/{id}?width=1&height=1"),
            "/_matrix/client/v1/media/config".to_owned(),
        ] {
            assert_eq!(stranger.get(&path).await.error(), (401, "M_MISSING_TOKEN"), "{path}");
        }
        for path in [UPLOAD, "/_matrix/media/v1/create"] {
            let answer = stranger.post(path, json!({})).await;
            assert_eq!(answer.error(), (401, "M_MISSING_TOKEN"), "{path}");
        }
        for path in [
            format!("/_matrix/media/v3/download/{id}"),
            format!("/_matrix/media/r0/download/{id}/name"),
            format!("/_matrix/media/v3/thumbnail/{id}?width=1&height=1"),
            "/_matrix/media/v3/config".to_owned(),
        ] {
            assert_eq!(alice.get(&path).await.error(), (404, "M_NOT_FOUND"), "{path}");
        }
        for id in ["sealpost.test/unknown", "sealpost.test/..%2F..%2Fsigning.key"] {
            assert_eq!(alice.get(&download(id)).await.error(), (404, "M_NOT_FOUND"), "{id}");
        }
        let unreachable = alice.get(&download("other.test/a")).await;
        assert_eq!(unreachable.error(), (502, "M_UNKNOWN"));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_old_paths_answer_where_they_are_allowed() {
    on_both_with("media.allow_unauthenticated = true", async |server| {
        let alice = server.register("alice").await;
        let id = upload(&alice, "", "image/png", picture(200, 100)).await;
        let stranger = server.stranger();
        let got = fetch(&stranger, &format!("/_matrix/media/v3/download/{id}"), &[]).await;
        assert_eq!(got.status(), StatusCode::OK);
        let path = format!("/_matrix/media/r0/thumbnail/{id}?width=32&height=32&method=crop");
        assert_eq!(fetch(&stranger, &path, &[]).await.status(), StatusCode::OK);
        assert!(alice.get("/_matrix/media/v3/config").await.ok()["m.upload.size"].is_u64());
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn files_are_bounded_one_by_one_and_all_together() {
    let limits = "media.max_upload_bytes = 1000\nmedia.max_bytes_per_user = 1500";
    on_both_with(limits, async |server| {
        let (alice, bob) = (server.register("alice").await, server.register("bob").await);
        let told = alice.get("/_matrix/client/v1/media/config").await.ok();
        assert_eq!(told, json!({ "m.upload.size": 1000 }));

        let refused = try_upload(&alice, "", "a/b", noise(1001)).await;
        assert_eq!(refused.error(), (413, "M_TOO_LARGE"));
        // One that does not say how long it is.
        let piece = |_| Ok::<_, std::io::Error>(noise(100));
        let unknown = reqwest::Body::wrap_stream(futures_util::stream::iter((0..11).map(piece)));
        let refused = try_upload(&alice, "", "a/b", unknown).await;
        assert_eq!(refused.error(), (413, "M_TOO_LARGE"));

        upload(&alice, "", "a/b", noise(1000)).await;
        let refused = try_upload(&alice, "", "a/b", noise(501)).await;
        assert_eq!(refused.error(), (403, "M_FORBIDDEN"));
        upload(&alice, "", "a/b", noise(500)).await;
        upload(&bob, "", "a/b", noise(1000)).await;

        let name = "x".repeat(1000);
        let refused = try_upload(&bob, &format!("filename={name}"), "a/b", "").await;
        assert_eq!(refused.error(), (400, "M_INVALID_PARAM"));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_id_can_be_named_before_its_content_is_there() {
    on_both(async |server| {
        let (alice, bob) = (server.register("alice").await, server.register("bob").await);
        let id = create(&alice).await;
        let early = bob.get(&format!("{}?timeout_ms=1", download(&id))).await;
        assert_eq!(early.error(), (504, "M_NOT_YET_UPLOADED"));

        let path = download(&id);
        let waiting = tokio::spawn(async move { bob.get(&path).await });
        server.has_begun("/_matrix/client/v1/media/download/{server_name}/{media_id}").await;
        let carol = server.register("carol").await;
        assert_eq!(fill(&carol, &id, "foreign").await.error(), (403, "M_FORBIDDEN"));
        // The content of another id wakes nobody up to nothing.
        assert_eq!(fill(&carol, &create(&carol).await, "other").await.ok(), json!({}));
        assert_eq!(fill(&alice, &id, "late").await.ok(), json!({}));
        assert_eq!(waiting.await.unwrap().ok(), Value::from("late"));

        assert_eq!(fill(&alice, &id, "again").await.error(), (409, "M_CANNOT_OVERWRITE_MEDIA"));
        let direct = upload(&alice, "", "a/b", "direct").await;
        let error = fill(&alice, &direct, "again").await;
        assert_eq!(error.error(), (409, "M_CANNOT_OVERWRITE_MEDIA"));
        let unknown = fill(&alice, "sealpost.test/unknown", "x").await;
        assert_eq!(unknown.error(), (404, "M_NOT_FOUND"));
        let unknown = fill(&alice, "other.test/unknown", "x").await;
        assert_eq!(unknown.error(), (404, "M_NOT_FOUND"));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn ids_without_content_are_limited_per_user() {
    on_both(async |server| {
        let (alice, bob) = (server.register("alice").await, server.register("bob").await);
        let first = create(&alice).await;
        for _ in 1..100 {
            create(&alice).await;
        }
        let refused = alice.post("/_matrix/media/v1/create", json!({})).await;
        assert_eq!(refused.error(), (429, "M_LIMIT_EXCEEDED"));
        create(&bob).await;
        fill(&alice, &first, "content").await.ok();
        create(&alice).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn thumbnails_are_made_once_and_only_of_pictures() {
    on_both(async |server| {
        let alice = server.register("alice").await;
        let id = upload(&alice, "", "image/png", picture(600, 300)).await;
        let thumbnail = |query: &str| format!("/_matrix/client/v1/media/thumbnail/{id}?{query}");
        for (query, size) in [
            ("width=90&height=90&method=crop", (90, 90)),
            ("width=96&height=96&method=crop", (96, 96)),
            ("width=96&height=96&method=crop", (96, 96)),
            ("width=96&height=96", (96, 48)),
            ("width=320&height=240&method=scale&animated=true", (320, 160)),
            ("width=2000&height=2000", (600, 300)),
        ] {
            let got = fetch(&alice, &thumbnail(query), &[]).await;
            assert_eq!(got.status(), StatusCode::OK, "{query}");
            assert_eq!(header(&got, "content-type"), "image/png");
            assert_eq!(header(&got, "content-disposition"), "inline; filename=\"thumbnail.png\"");
            let got = image::load_from_memory(&got.bytes().await.unwrap()).unwrap();
            assert_eq!((got.width(), got.height()), size, "{query}");
        }
        let kept = files(&server.folder().join("media/thumbnails"));
        assert_eq!(kept.len(), 3, "{kept:?}");

        for query in
            ["width=0&height=9", "width=9", "width=a&height=9", "width=9&height=9&method=x"]
        {
            let refused = alice.get(&thumbnail(query)).await;
            assert_eq!(refused.error(), (400, "M_INVALID_PARAM"), "{query}");
        }
        let text = upload(&alice, "", "image/png", "no picture").await;
        let path = format!("/_matrix/client/v1/media/thumbnail/{text}?width=9&height=9");
        assert_eq!(alice.get(&path).await.error(), (400, "M_UNKNOWN"));
    })
    .await;
}
