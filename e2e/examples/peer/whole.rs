//! A whole machine that is asked: what each operation takes and answers is JSON, as applications have it.

use rand_chacha::ChaCha20Rng;
use sealpost_e2e::{
    machine::{Machine, Now},
    store::MemoryStore,
};
use serde_json::{Value, json};

use crate::{Answer, text};

/// A machine, once it was created.
#[derive(Default)]
pub struct Whole(Option<Machine<MemoryStore>>);

impl Whole {
    /// Does what `operation` says.
    pub fn answer(&mut self, asked: &Value, time: i64, rng: &mut ChaCha20Rng) -> Answer {
        let operation = text(asked, "operation")?;
        let now = Now { time, rng };
        if operation == "create" {
            let (user_id, device_id) = (text(asked, "user_id")?, text(asked, "device_id")?);
            self.0 = Some(Machine::create(MemoryStore::default(), &user_id, &device_id, now)?.0);
            return Ok(json!({}));
        }
        let machine = self.0.as_mut().ok_or("no machine was created")?;
        let room_id = text(asked, "room_id").unwrap_or_default();
        let result = match operation.as_str() {
            "bootstrap" => {
                machine.bootstrap(now)?;
                Value::Null
            }
            "requests" => serde_json::to_value(machine.requests(now)?.0)?,
            "mark_sent" => {
                let id = asked["id"].as_u64().ok_or("no id")?;
                serde_json::to_value(machine.mark_sent(id, &asked["answer"], now)?.0)?
            }
            "push_sync" => serde_json::to_value(machine.push_sync(&asked["sync"], now)?.0)?,
            "push_state" => {
                let events = asked["events"].as_array().ok_or("no events")?;
                serde_json::to_value(machine.push_state(&room_id, events, true, now)?.0)?
            }
            "prepare" => machine.prepare(&room_id, now)?.0.into(),
            "encrypt" => {
                let (kind, content) = (text(asked, "type")?, &asked["content"]);
                serde_json::to_value(machine.encrypt(&room_id, &kind, content, None, now)?.0)?
            }
            "decrypt" => serde_json::to_value(machine.decrypt(&room_id, &asked["event"], now)?.0)?,
            other => return Err(format!("unknown: {other}").into()),
        };
        Ok(json!({ "result": result }))
    }
}
