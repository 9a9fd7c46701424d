use reqwest::{Certificate, Client, Version};

use crate::{
    actor::Connection,
    database::TestDatabase,
    server::{TestServer, on_both, on_both_with},
};

#[tokio::test(flavor = "multi_thread")]
async fn a_tls_listener_speaks_http_2() {
    let folder = tempfile::tempdir().unwrap();
    let (cert, key) = (folder.path().join("cert.pem"), folder.path().join("key.pem"));
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    std::fs::write(&cert, made.cert.pem()).unwrap();
    std::fs::write(&key, made.signing_key.serialize_pem()).unwrap();
    let extra = format!(
        "listeners = [{{ port = 0, tls = true, cert_file = \"{}\", key_file = \"{}\" }}]",
        cert.display(),
        key.display()
    );
    let server = TestServer::start(TestDatabase::sqlite(), &extra).await;
    let address = server.addresses()[0];
    let http = Client::builder()
        .tls_certs_only([Certificate::from_pem(made.cert.pem().as_bytes()).unwrap()])
        .resolve("localhost", address)
        .build()
        .unwrap();
    let url = format!("https://localhost:{}/_matrix/client/versions", address.port());
    let response = http.get(url).send().await.unwrap();
    assert_eq!(response.status(), 200);
    assert_eq!(response.version(), Version::HTTP_2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_listener_serves_what_it_is_told_to() {
    let listeners = "listeners = [
        { port = 0, serves = [\"client\"] },
        { port = 0, serves = [\"federation\"] },
    ]";
    on_both_with(listeners, async |server| {
        let client = server.stranger();
        client.get("/_matrix/client/versions").await.ok();
        let federation = Connection::new(format!("http://{}", server.addresses()[1]));
        let versions = federation.get("/_matrix/client/versions").await;
        assert_eq!(versions.error(), (404, "M_UNRECOGNIZED"));
        assert_eq!(federation.get("/health").await.body, "OK");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn figures_have_a_listener_of_their_own() {
    on_both(async |server| {
        server.stranger().get("/_matrix/client/versions").await.ok();
        let metrics = Connection::new(format!("http://{}", server.metrics_address()));
        let text = metrics.get("/metrics").await.body;
        let text = text.as_str().unwrap();
        let line = "sealpost_http_requests_total{method=\"GET\",path=\"/_matrix/client/versions\",\
                    status=\"2xx\"} 1";
        assert!(text.lines().any(|found| found == line), "{text}");
        assert!(text.contains("# TYPE sealpost_commits_total counter"));
        assert_eq!(metrics.get("/_matrix/client/versions").await.status, 404);
        assert_eq!(server.stranger().get("/metrics").await.status, 404);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_is_there_without_a_built_client() {
    let server = TestServer::start(TestDatabase::sqlite(), "").await;
    let page = server.stranger().get("/").await;
    assert_eq!(page.status, 200);
    assert!(page.body.as_str().unwrap().to_lowercase().contains("<!doctype html>"));
}
