//! An event on its way into a room: signed by whom it must be signed by, then checked and read as one from
//! another server is.

#![no_main]

use std::sync::Arc;

use libfuzzer_sys::fuzz_target;
use ruma::{EventId, serde::Base64, server_name, signatures::PublicKeyMap};
use sealpost_federation::{SigningKey, canonical};

#[path = "../../homeserver/src"]
#[expect(dead_code, reason = "of the rules of rooms, a part is wanted here")]
mod homeserver {
    pub mod room;
}

use homeserver::room::{
    Pdu, auth, check, policy, power::Power, redact, relation, server_acl::ServerAcl, version,
};

fuzz_target!(|bytes: &[u8]| {
    // The first byte chooses the version.
    let Some((first, json)) = bytes.split_first() else { return };
    let Ok(text) = std::str::from_utf8(json) else { return };
    let version = &version::SUPPORTED[usize::from(*first) % version::SUPPORTED.len()];
    let rules = version::rules(version).expect("a supported version has rules");
    let Ok(mut object) = canonical::parse(text, rules) else { return };
    let Ok(servers) = check::required_servers(&object, rules) else { return };

    let key = SigningKey::from_seed("1", &[1; 32]).expect("a key");
    let mut keys = PublicKeyMap::new();
    for server in servers {
        if canonical::hash_and_sign(&mut object, server.as_str(), &key, rules).is_err() {
            return;
        }
        let set = [(key.id().to_string(), Base64::new(key.public_key().to_vec()))];
        keys.insert(server.to_string(), set.into());
    }
    let Ok(pdu) = check::receive(object, None, rules, &keys) else { return };

    assert!(pdu.json.len() <= check::MAX_PDU_BYTES);
    let again = Pdu::from_json(pdu.event_id.clone(), pdu.json.clone(), rules).expect("read again");
    assert_eq!(again.json, pdu.json);
    let client: serde_json::Value =
        serde_json::from_str(&pdu.client_json(true, Some("{}"))).expect("JSON for clients");
    assert_eq!(client["event_id"], pdu.event_id.as_str());
    assert_eq!(client["sender"], pdu.sender.as_str());

    let pdu = Arc::new(pdu);
    redact::redacted(&pdu, rules).expect("what is left of it is an event");
    if let Some(relation) = relation::Relation::of(&pdu.content) {
        relation.is_bundled("m.room.message", pdu.is_state(), &pdu.content);
    }
    let _ = policy::policy_server(&pdu);
    let _ = ServerAcl::of(&pdu).allows(server_name!("a.test:8448"));
    if let Ok(power) = Power::new(&pdu, Some(&pdu), rules) {
        power.of(&pdu.sender);
        power.may_send(&pdu.sender, &pdu.event_type, pdu.is_state());
    }
    // It stands for whatever is looked for: the rules read its content as that of every type.
    let _ = auth::check_auth_events(rules, &pdu, |_: &EventId| Some(pdu.clone()));
    let _ = auth::authorise(rules, &pdu, |_, _| Some(pdu.clone()));
    let _ = auth::authorise(rules, &pdu, |_, _| None);
});
