//! Every endpoint of the server-server API has a route: `endpoints.tsv` has a row for each, made of the
//! specification's own data.

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::network::Network;

const ENDPOINTS: &str = include_str!("endpoints.tsv");
/// What is asked of policy servers and by identity servers, of which this is neither and knows none.
const NOT_OURS: [&str; 2] = ["/_matrix/policy/v1/sign", "/_matrix/federation/v1/3pid/onbind"];

#[tokio::test(flavor = "multi_thread")]
async fn every_endpoint_between_servers_has_a_route() {
    let network = Network::new();
    let a = network.start("a.test").await;
    let http = network.http(&a);
    let mut probed = 0;
    for row in ENDPOINTS.lines().skip(1) {
        let columns: Vec<&str> = row.split('\t').collect();
        let [_, method, path, _, auth, ..] = columns[..] else { panic!("{row}") };
        if NOT_OURS.contains(&path) {
            continue;
        }
        let segments = path.split('/').map(|segment| match segment {
            "{roomId}" => "%21room:a.test",
            "{eventId}" => "%24event:a.test",
            "{userId}" => "%40user:b.test",
            "{serverName}" => "b.test",
            argument if argument.starts_with('{') => "x",
            literal => literal,
        });
        let path = segments.collect::<Vec<_>>().join("/");
        // Files for discovery are where the clients are.
        let base = if path.starts_with("/.well-known/") { &*a.base } else { "https://a.test" };
        let method: Method = method.parse().unwrap();
        let mut request = http.request(method.clone(), format!("{base}{path}"));
        if method != Method::GET {
            request = request.body(json!({}).to_string());
        }
        let answer = request.send().await.unwrap();
        let status = answer.status();
        let body: Value = serde_json::from_str(&answer.text().await.unwrap()).unwrap();
        assert_ne!(body["errcode"], "M_UNRECOGNIZED", "{method} {path}: {status}");
        if auth == "signedRequest" {
            // Some are told first that their query lacks something.
            let refused = [StatusCode::UNAUTHORIZED, StatusCode::BAD_REQUEST];
            assert!(refused.contains(&status), "{method} {path} without a signature: {status}");
        }
        probed += 1;
    }
    assert_eq!(probed, 34);
    a.stop().await;
}
