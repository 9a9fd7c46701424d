//! An answer with a room's state, read piece by piece: the same events as when it is read whole.

#![no_main]

use std::fmt;

use libfuzzer_sys::fuzz_target;
use sealpost_federation::state_answer::{self, Part};
use serde::{
    Deserializer as _,
    de::{IgnoredAny, MapAccess, Visitor},
};
use serde_json::value::RawValue;

fuzz_target!(|bytes: &[u8]| {
    let mut pieces = [Vec::new(), Vec::new()];
    let read = state_answer::read(bytes, |part| {
        match part {
            Part::State(event) => pieces[0].push(event.to_string()),
            Part::AuthChain(event) => pieces[1].push(event.to_string()),
            Part::Event(_) | Part::MembersOmitted(_) | Part::ServerInRoom(_) => {}
        }
        Ok(())
    });
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    if read.is_ok() {
        let mut whole = serde_json::Deserializer::from_str(text);
        let whole = whole.deserialize_map(Whole).expect("what is read in pieces is read whole");
        assert_eq!(pieces, whole);
    }
});

/// The events of the state and of the auth chain.
struct Whole;

impl<'de> Visitor<'de> for Whole {
    type Value = [Vec<String>; 2];

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an answer")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut events: Self::Value = Default::default();
        while let Some(name) = map.next_key::<String>()? {
            let list = match name.as_str() {
                "state" | "pdus" => &mut events[0],
                "auth_chain" => &mut events[1],
                _ => {
                    map.next_value::<IgnoredAny>()?;
                    continue;
                }
            };
            let more = map.next_value::<Vec<Box<RawValue>>>()?;
            list.extend(more.iter().map(ToString::to_string));
        }
        Ok(events)
    }
}
