//! Content of one server, seen by the users of another.

use std::io::Cursor;

use image::{ImageFormat, RgbImage};
use reqwest::{Method, StatusCode};
use ruma::{
    UInt,
    api::federation::authenticated_media::{FileOrLocation, get_content, get_content_thumbnail},
    server_name,
};
use sealpost_federation::client::Limits;
use serde_json::{Value, json};

use crate::network::Network;

async fn error(answer: reqwest::Response) -> (u16, String) {
    let status = answer.status().as_u16();
    let body: Value = serde_json::from_str(&answer.text().await.unwrap()).unwrap();
    (status, body["errcode"].as_str().unwrap().to_owned())
}

#[tokio::test(flavor = "multi_thread")]
async fn content_of_another_server_is_fetched_once_and_kept() {
    let network = Network::new();
    let (a, b) = (network.start("a.test").await, network.start("b.test").await);
    let (alice, bob) = (a.register("alice").await, b.register("bob").await);
    let large: Vec<u8> =
        (0..3_000_000_u32).map(|at| (at.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    let mut files = Vec::new();
    for (query, kind, bytes) in [
        ("filename=a%20b.txt", "text/plain", b"\r\n--hello\r\n".to_vec()),
        ("", "video/mp4", large),
        ("filename=%C3%A4", "", Vec::new()),
    ] {
        files.push((alice.upload(query, kind, bytes.clone()).await, bytes));
    }
    for _ in 0..2 {
        for (id, bytes) in &files {
            let got = bob.media(&format!("download/{id}")).await;
            assert_eq!(got.status(), StatusCode::OK);
            let theirs = alice.media(&format!("download/{id}")).await;
            for header in ["content-type", "content-disposition", "etag"] {
                assert_eq!(got.headers()[header], theirs.headers()[header]);
            }
            assert!(got.bytes().await.unwrap() == *bytes, "{} bytes differ", bytes.len());
        }
        // What was fetched is there without the other server.
        network.cut(&a);
    }
    let uncached = bob.media("download/a.test/other").await;
    assert_eq!(error(uncached).await.0, 502);
    a.stop().await;
    b.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_another_server_lacks_is_told_and_its_pictures_are_made_smaller() {
    let network = Network::new();
    let (a, b) = (network.start("a.test").await, network.start("b.test").await);
    let (alice, bob) = (a.register("alice").await, b.register("bob").await);
    let not_found = (404, "M_NOT_FOUND".to_owned());
    for id in ["a.test/unknown", "a.test/..%2F..", "not%20a%20name/a", "b.test/unknown"] {
        assert_eq!(error(bob.media(&format!("download/{id}")).await).await, not_found, "{id}");
    }
    let nowhere = bob.media("download/nowhere.test/a").await;
    assert_eq!(error(nowhere).await, (502, "M_UNKNOWN".to_owned()));

    let url = format!("{}/_matrix/media/v1/create", a.base);
    let pending = alice.request_at(Method::POST, &url, json!({})).await;
    let pending = pending["content_uri"].as_str().unwrap().strip_prefix("mxc://").unwrap();
    let early = bob.media(&format!("download/{pending}?timeout_ms=1")).await;
    assert_eq!(error(early).await, (504, "M_NOT_YET_UPLOADED".to_owned()));

    let mut picture = Cursor::new(Vec::new());
    RgbImage::new(400, 200).write_to(&mut picture, ImageFormat::Png).unwrap();
    let id = alice.upload("", "image/png", picture.into_inner()).await;
    let small = bob.media(&format!("thumbnail/{id}?width=96&height=96&method=crop")).await;
    assert_eq!(small.headers()["content-type"], "image/png");
    let small = image::load_from_memory(&small.bytes().await.unwrap()).unwrap();
    assert_eq!((small.width(), small.height()), (96, 96));
    a.stop().await;
    b.stop().await;
}

/// As ruma reads it.
#[tokio::test(flavor = "multi_thread")]
async fn other_servers_get_content_and_thumbnails_when_they_sign() {
    let network = Network::new();
    let (a, b) = (network.start("a.test").await, network.start("b.test").await);
    let alice = a.register("alice").await;
    let mut picture = Cursor::new(Vec::new());
    RgbImage::new(400, 200).write_to(&mut picture, ImageFormat::Png).unwrap();
    let picture = picture.into_inner();
    let id = alice.upload("filename=%E2%98%95.png", "image/png", picture.clone()).await;
    let id = id.split_once('/').unwrap().1;

    let client = network.client_of("b.test");
    let from = server_name!("a.test");
    let request = get_content::v1::Request::new(id.to_owned());
    let answer = client.send(from, request, Limits::SMALL).await.unwrap();
    let FileOrLocation::File(whole) = answer.content else { panic!("elsewhere") };
    assert!(whole.file == picture);
    assert_eq!(whole.content_type.as_deref(), Some("image/png"));
    assert_eq!(whole.content_disposition.unwrap().filename.as_deref(), Some("☕.png"));

    let (width, height) = (UInt::from(96_u32), UInt::from(96_u32));
    let request = get_content_thumbnail::v1::Request::new(id.to_owned(), width, height);
    let answer = client.send(from, request, Limits::SMALL).await.unwrap();
    let FileOrLocation::File(small) = answer.content else { panic!("elsewhere") };
    let small = image::load_from_memory(&small.file).unwrap();
    assert_eq!((small.width(), small.height()), (96, 48));

    let unknown = get_content::v1::Request::new("unknown".to_owned());
    let refused = client.send(from, unknown, Limits::SMALL).await.unwrap_err();
    assert!(matches!(refused.kind(), Some(ruma::api::error::ErrorKind::NotFound)), "{refused}");
    b.stop().await;
    a.stop().await;
}
