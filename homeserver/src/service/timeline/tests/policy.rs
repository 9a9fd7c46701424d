//! Rooms that ask a policy server.

use ruma::{
    CanonicalJsonObject, CanonicalJsonValue,
    events::room::policy::{POLICY_SERVER_ED25519_SIGNING_KEY_ID, RoomPolicyEventContent},
    serde::Base64,
    signatures::sign_event,
};

use super::*;

/// The policy server's signature of an event.
fn sign(key: &Ed25519KeyPair, server: &str, pdu: &Pdu, room: &RoomInfo) -> String {
    let mut object: CanonicalJsonObject = serde_json::from_str(&pdu.json).unwrap();
    sign_event(server, key, &mut object, &room.rules.redaction).unwrap();
    let Some(CanonicalJsonValue::Object(signatures)) = object.get("signatures") else { panic!() };
    let Some(CanonicalJsonValue::Object(own)) = signatures.get(server) else { panic!() };
    own[POLICY_SERVER_ED25519_SIGNING_KEY_ID].as_str().unwrap().to_owned()
}

#[test]
fn a_room_with_a_policy_server_takes_what_that_server_signed_and_nothing_else() {
    everywhere(async |fixture, version| {
        let room = fixture.room(version).await;
        let there = Elsewhere::new();
        let joined = there.join(&fixture, &room).await;
        let der = Ed25519KeyPair::generate();
        let key = Ed25519KeyPair::from_der(&der, "policy_server".to_owned()).unwrap();
        let public: Base64 = Base64::new(key.public_key().to_vec());
        let policy = json!({ "via": "there.test", "public_keys": { "ed25519": public.encode() } });
        let policy = fixture.event(&fixture.alice, "m.room.policy", Some(""), policy);
        fixture.timeline.append_local(room.nid, vec![policy]).await.unwrap();

        let message = fixture.message(&fixture.alice, "unsigned");
        let unasked = fixture.timeline.append_local(room.nid, vec![message.clone()]).await;
        assert!(unasked.is_err());
        let refuses = async |_: &Pdu, _: &RoomPolicyEventContent| Err(Error::forbidden("spam"));
        let refused = fixture.timeline.append_asking(room.nid, message.clone(), refuses).await;
        assert!(matches!(refused, Err(Error::Matrix { message, .. }) if message == "spam"));
        let forges = async |_: &Pdu, _: &RoomPolicyEventContent| Ok("A".repeat(86));
        assert!(fixture.timeline.append_asking(room.nid, message, forges).await.is_err());
        assert!(fixture.bodies(&room).await.is_empty());

        // While the policy server thinks, the room goes on: a fork, which is merged.
        let slow = async |pdu: &Pdu, policy: &RoomPolicyEventContent| {
            let quick = async |pdu: &Pdu, policy: &RoomPolicyEventContent| {
                Ok(sign(&key, policy.via.as_str(), pdu, &room))
            };
            let other = fixture.message(&fixture.bob, "meanwhile");
            fixture.timeline.append_asking(room.nid, other, quick).await?;
            Ok(sign(&key, policy.via.as_str(), pdu, &room))
        };
        let message = fixture.message(&fixture.alice, "signed");
        fixture.timeline.append_asking(room.nid, message, slow).await.unwrap();
        assert_eq!(fixture.bodies(&room).await, ["meanwhile", "signed"]);

        let say = draft(&there.user, "m.room.message", None, json!({ "body": "from there" }));
        let say = there.event(&fixture, &room, say, &[&joined.pdu], &joined.pdu).await;
        let said = fixture.timeline.append_remote(room.nid, say.clone()).await.unwrap();
        assert!(matches!(said, Outcome::Unsigned(_)), "{said:?}");
        let say = RemoteEvent { asked: true, ..say };
        let said = fixture.timeline.append_remote(room.nid, say).await.unwrap();
        assert!(matches!(said, Outcome::SoftFailed(_)), "{said:?}");
    });
}
