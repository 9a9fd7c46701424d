//! Answers that hold the state of a room or an auth chain (`send_join`, `state`, `event_auth`), read piece by
//! piece: those of a large room have tens of thousands of events.
//!
//! The answer is in a file by then ([`Client::spool`](crate::Client::spool)); of it no more than one event
//! is in memory here.

use std::{
    cell::Cell,
    fmt,
    io::{self, BufReader, Read},
    rc::Rc,
};

use serde::{
    Deserialize, Deserializer as _,
    de::{DeserializeSeed, Error as _, IgnoredAny, MapAccess, SeqAccess, Visitor},
};
use serde_json::value::RawValue;

use crate::Error;

/// The most bytes of one event, white space included: the limit of an event, and as much again for a loose
/// writer.
const MAX_EVENT_BYTES: usize = 2 * 65_536;

/// One piece of an answer.
#[derive(Debug)]
pub enum Part {
    /// An event of the room's state.
    State(Box<RawValue>),
    /// An event of the auth chain.
    AuthChain(Box<RawValue>),
    /// The join, with the signatures that the room wants.
    Event(Box<RawValue>),
    /// Whether members are missing in the state.
    MembersOmitted(bool),
    /// The name of a server that is in the room.
    ServerInRoom(String),
}

/// Reads an answer. `take` gets each piece in turn, and ends the reading with an error.
pub fn read(
    answer: impl Read,
    mut take: impl FnMut(Part) -> Result<(), Error>,
) -> Result<(), Error> {
    let left = Rc::new(Cell::new(MAX_EVENT_BYTES));
    let bounded = Bounded { inner: BufReader::with_capacity(1 << 16, answer), left: left.clone() };
    let mut failed = None;
    let mut take = |part| {
        take(part).map_err(|error| {
            failed = Some(error);
            "the reader has had enough"
        })
    };
    let mut deserializer = serde_json::Deserializer::from_reader(bounded);
    let read = deserializer.deserialize_map(Answer { take: &mut take, left: &left });
    match (read, failed) {
        (_, Some(error)) => Err(error),
        (Err(error), None) => Err(Error::Response(error.to_string())),
        (Ok(()), None) => Ok(()),
    }
}

/// Lets so many bytes through until it is told otherwise.
struct Bounded<R> {
    inner: R,
    left: Rc<Cell<usize>>,
}

impl<R: Read> Read for Bounded<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.left.get() == 0 {
            return Err(io::Error::other("an event is too large"));
        }
        let most = buffer.len().min(self.left.get());
        let count = self.inner.read(buffer.get_mut(..most).unwrap_or_default())?;
        self.left.set(self.left.get() - count);
        Ok(count)
    }
}

type Take<'a> = &'a mut dyn FnMut(Part) -> Result<(), &'static str>;

struct Answer<'a> {
    take: Take<'a>,
    left: &'a Cell<usize>,
}

impl<'de> Visitor<'de> for Answer<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an answer with events")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let Self { take, left } = self;
        while let Some(name) = map.next_key::<String>()? {
            left.set(MAX_EVENT_BYTES);
            match name.as_str() {
                "state" | "pdus" => map.next_value_seed(List { take, left, part: Part::State })?,
                "auth_chain" => map.next_value_seed(List { take, left, part: Part::AuthChain })?,
                "event" => {
                    let event = map.next_value::<Option<Box<RawValue>>>()?;
                    event
                        .map_or(Ok(()), |event| take(Part::Event(event)))
                        .map_err(A::Error::custom)?;
                }
                "servers_in_room" => {
                    map.next_value_seed(List { take, left, part: Part::ServerInRoom })?
                }
                "members_omitted" => {
                    let omitted = map.next_value::<Option<bool>>()?.unwrap_or_default();
                    take(Part::MembersOmitted(omitted)).map_err(A::Error::custom)?;
                }
                _ => {
                    // Read over without being kept.
                    left.set(usize::MAX);
                    map.next_value::<IgnoredAny>()?;
                }
            }
            left.set(MAX_EVENT_BYTES);
        }
        Ok(())
    }
}

/// A list of events, or of names.
struct List<'a, T> {
    take: Take<'a>,
    left: &'a Cell<usize>,
    part: fn(T) -> Part,
}

impl<'de, T: Deserialize<'de>> DeserializeSeed<'de> for List<'_, T> {
    type Value = ();

    fn deserialize<D: serde::Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_seq(self)
    }
}

impl<'de, T: Deserialize<'de>> Visitor<'de> for List<'_, T> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut events: A) -> Result<(), A::Error> {
        while let Some(event) = events.next_element::<T>()? {
            (self.take)((self.part)(event)).map_err(A::Error::custom)?;
            self.left.set(MAX_EVENT_BYTES);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts(json: &str) -> Result<Vec<String>, Error> {
        let mut parts = Vec::new();
        read(json.as_bytes(), |part| {
            parts.push(match part {
                Part::State(event) => format!("state {event}"),
                Part::AuthChain(event) => format!("auth {event}"),
                Part::Event(event) => format!("event {event}"),
                Part::MembersOmitted(omitted) => format!("omitted {omitted}"),
                Part::ServerInRoom(name) => format!("server {name}"),
            });
            Ok(())
        })?;
        Ok(parts)
    }

    #[test]
    fn the_pieces_come_in_the_order_of_the_answer() {
        let json = r#" {"origin": "a.test", "auth_chain": [{"a": 1}, {"b": [2]}], "x": {"y": [1]},
            "members_omitted": true, "servers_in_room": ["b.test", "c.test"], "pdus": [ {"c": 3} ], "event": {"d": 4}, "more": null} "#;
        let expected = [
            r#"auth {"a": 1}"#,
            r#"auth {"b": [2]}"#,
            "omitted true",
            "server b.test",
            "server c.test",
            r#"state {"c": 3}"#,
            r#"event {"d": 4}"#,
        ];
        assert_eq!(parts(json).unwrap(), expected);
    }

    #[test]
    fn many_events_pass_and_one_that_is_too_large_does_not() {
        let event = format!(r#"{{"a":"{}"}}"#, "x".repeat(60_000));
        let many = vec![event.as_str(); 50].join(",");
        assert_eq!(parts(&format!(r#"{{"state":[{many}]}}"#)).unwrap().len(), 50);
        let large = "x".repeat(MAX_EVENT_BYTES);
        for broken in [
            format!(r#"{{"state":["{large}"]}}"#),
            format!(r#"{{"event":"{large}"}}"#),
            format!(r#"{{"{large}":1}}"#),
        ] {
            assert!(parts(&broken).is_err());
        }
        assert!(parts(&format!(r#"{{"unknown":"{large}"}}"#)).is_ok());
    }

    #[test]
    fn what_is_no_answer_is_an_error_and_not_a_panic() {
        let deep = format!(r#"{{"state":[{}1{}]}}"#, "[".repeat(50_000), "]".repeat(50_000));
        for broken in
            ["", "[]", "1", r#"{"state":1}"#, r#"{"state":[{]}"#, r#"{"state":[{}"#, &deep]
        {
            let _ = parts(broken);
        }
        assert!(parts(r#"{"state":[{}"#).is_err());
        assert!(parts("[]").is_err());
    }

    #[test]
    fn the_reader_may_stop() {
        let mut count = 0;
        let stopped = read(&br#"{"state":[{},{},{}]}"#[..], |_| {
            count += 1;
            if count == 2 { Err(Error::Timeout) } else { Ok(()) }
        });
        assert!(matches!(stopped, Err(Error::Timeout)));
        assert_eq!(count, 2);
    }
}
