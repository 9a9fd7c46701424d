//! Whom the messages of one request are for: devices here, all devices of users here, other servers.

use std::collections::BTreeMap;

use http::StatusCode;
use ruma::{
    OwnedServerName, OwnedUserId, ServerName, UserId,
    api::{client::to_device::send_event_to_device::v3::Messages, error::ErrorKind},
    to_device::DeviceIdOrAllDevices,
};
use serde::Serialize;
use serde_json::value::RawValue;

use super::MESSAGES_MAX;
use crate::{
    error::{Error, Result},
    service::random,
    storage::to_device::Message,
};

/// The most bytes of one message: with what is around it, an EDU that other servers take.
pub(in crate::service) const CONTENT_MAX: usize = 64_000;
/// An EDU is closed before it is larger.
const EDU_SIZE: usize = 65_000;
/// What an EDU has besides its messages, roughly.
const EDU_FRAME: usize = 200;
/// Ids are no longer than this, so nobody has what is longer.
const ID_LENGTH: usize = 255;

#[derive(Debug, Default)]
pub struct Addressed {
    pub here: Vec<Message>,
    /// Users of this server, with what all of their devices get.
    pub everywhere: Vec<(String, String)>,
    pub edus: Vec<(OwnedServerName, String)>,
}

/// A message as its device sees it.
#[derive(Serialize)]
struct Shown<'a> {
    content: &'a RawValue,
    sender: &'a UserId,
    #[serde(rename = "type")]
    event_type: &'a str,
}

/// By user and device, `*` for all.
type ByUser<'a> = BTreeMap<&'a UserId, BTreeMap<&'a str, &'a RawValue>>;

#[derive(Serialize)]
struct DirectToDevice<'a> {
    content: Content<'a>,
    edu_type: &'static str,
}

#[derive(Serialize)]
struct Content<'a> {
    messages: &'a ByUser<'a>,
    message_id: String,
    sender: &'a UserId,
    #[serde(rename = "type")]
    event_type: &'a str,
}

impl Addressed {
    /// Sorts messages of `sender`; 413 `M_TOO_LARGE` when one has more than `most` bytes.
    pub fn new(
        here: &ServerName,
        sender: &UserId,
        event_type: &str,
        messages: Messages,
        most: usize,
    ) -> Result<Self> {
        if messages.values().map(BTreeMap::len).sum::<usize>() > MESSAGES_MAX {
            return Err(too_large("There are too many messages in one request"));
        }
        let mut addressed = Self::default();
        let mut away: BTreeMap<&ServerName, Vec<(&UserId, &str, &RawValue)>> = BTreeMap::new();
        for (user_id, by_device) in &messages {
            for (device, content) in by_device {
                let content = content.json();
                if !content.get().starts_with('{') {
                    return Err(Error::bad_json("A message is not a JSON object"));
                }
                if content.get().len() > most {
                    return Err(too_large("A message is too large"));
                }
                let device = match device {
                    DeviceIdOrAllDevices::AllDevices => "*",
                    DeviceIdOrAllDevices::DeviceId(id) => id.as_str(),
                };
                if user_id.server_name() == here {
                    let shown = Shown { content, sender, event_type };
                    addressed.add_here(user_id, device, &shown)?;
                } else if device.len() <= ID_LENGTH {
                    let theirs = away.entry(user_id.server_name()).or_default();
                    theirs.push((user_id, device, content));
                }
            }
        }
        for (server, messages) in away {
            for edu in edus(sender, event_type, messages)? {
                addressed.edus.push((server.to_owned(), edu));
            }
        }
        Ok(addressed)
    }

    fn add_here(&mut self, user_id: &OwnedUserId, device: &str, shown: &Shown<'_>) -> Result<()> {
        let user_id = user_id.to_string();
        if user_id.contains('\0') || device.contains('\0') {
            // No database takes it, so nobody has it.
            return Ok(());
        }
        let json = json(shown)?;
        match device {
            "*" => self.everywhere.push((user_id, json)),
            _ => self.here.push(Message { user_id, device_id: device.to_owned(), json }),
        }
        Ok(())
    }
}

/// As few EDUs as the messages for one server fit into.
fn edus(
    sender: &UserId,
    event_type: &str,
    messages: Vec<(&UserId, &str, &RawValue)>,
) -> Result<Vec<String>> {
    let frame = EDU_FRAME + sender.as_str().len() + event_type.len();
    let mut edus = Vec::new();
    let (mut open, mut size) = (ByUser::new(), frame);
    for (user_id, device, content) in messages {
        let more = user_id.as_str().len() + device.len() + content.get().len() + 16;
        if size + more > EDU_SIZE && !open.is_empty() {
            edus.push(edu(sender, event_type, &std::mem::take(&mut open))?);
            size = frame;
        }
        size += more;
        open.entry(user_id).or_default().insert(device, content);
    }
    if !open.is_empty() {
        edus.push(edu(sender, event_type, &open)?);
    }
    Ok(edus)
}

fn edu(sender: &UserId, event_type: &str, messages: &ByUser<'_>) -> Result<String> {
    let message_id = random::letters_and_digits(32, &mut rand::rng());
    let content = Content { messages, message_id, sender, event_type };
    json(&DirectToDevice { content, edu_type: "m.direct_to_device" })
}

fn json(value: &impl Serialize) -> Result<String> {
    serde_json::to_string(value)
        .map_err(|error| Error::internal(format!("a message to a device: {error}")))
}

/// 413 `M_TOO_LARGE`.
pub(in crate::service) fn too_large(message: &'static str) -> Error {
    Error::matrix(StatusCode::PAYLOAD_TOO_LARGE, ErrorKind::TooLarge, message)
}

#[cfg(test)]
mod tests {
    use ruma::{server_name, user_id};
    use serde_json::{Value, json};

    use super::*;

    fn addressed(messages: Value) -> Result<Addressed> {
        let messages = serde_json::from_value(messages).unwrap();
        let (here, sender) = (server_name!("a.test"), user_id!("@me:a.test"));
        Addressed::new(here, sender, "m.test", messages, CONTENT_MAX)
    }

    #[test]
    fn messages_are_sorted_by_where_they_go() {
        let sorted = addressed(json!({
            "@x:a.test": { "D": { "n": 1 }, "*": { "n": 2 }, "\0": {} },
            "@y:b.test": { "E": { "n": 3 }, "*": { "n": 4 } },
        }))
        .unwrap();
        let json = r#"{"content":{"n":1},"sender":"@me:a.test","type":"m.test"}"#.to_owned();
        let (user_id, device_id) = ("@x:a.test".to_owned(), "D".to_owned());
        assert_eq!(sorted.here, [Message { user_id, device_id, json }]);
        assert_eq!(sorted.everywhere.len(), 1);
        let [(server, edu)] = &sorted.edus[..] else { panic!("{:?}", sorted.edus) };
        assert_eq!(server, "b.test");
        let edu: Value = serde_json::from_str(edu).unwrap();
        assert_eq!(edu["edu_type"], "m.direct_to_device");
        let messages = &edu["content"]["messages"];
        assert_eq!(*messages, json!({ "@y:b.test": { "E": { "n": 3 }, "*": { "n": 4 } } }));
        assert_eq!(edu["content"]["message_id"].as_str().unwrap().len(), 32);
    }

    #[test]
    fn what_does_not_fit_into_one_edu_goes_into_several() {
        let large = json!({ "a": "a".repeat(CONTENT_MAX - 8) });
        let small = json!({ "a": "a".repeat(20_000) });
        let users = json!({
            "@y:b.test": { "1": large, "2": small, "3": small, "4": small, "5": small },
        });
        let edus = addressed(users).unwrap().edus;
        assert_eq!(edus.len(), 3);
        assert!(edus.iter().all(|(_, edu)| edu.len() < 65_536));
        let larger = json!({ "@y:b.test": { "1": { "a": "a".repeat(CONTENT_MAX) } } });
        assert!(addressed(larger).is_err());
        assert!(addressed(json!({ "@y:b.test": { "1": 5 } })).is_err());
    }
}
