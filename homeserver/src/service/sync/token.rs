//! Where a client stands in all that sync tells: `s<position>_<serial>`, with a third part when it was told
//! not all of the messages to its device.
//!
//! A serial that is missing counts as 0: all of that kind is news.

use std::fmt;

use crate::{
    error::{Error, Result},
    service::notifier::Serial,
    storage::Position,
};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SyncToken {
    /// In the stream of what is stored.
    pub position: Position,
    /// In that of what is not: typing, presence.
    pub serial: Serial,
    /// Up to where it was told the messages to its device, when that is not `position`.
    pub to_device: Option<Position>,
}

impl SyncToken {
    pub fn new(position: Position, serial: Serial) -> Self {
        Self { position, serial, to_device: None }
    }

    /// Up to where the client was told the messages to its device.
    pub fn to_device(&self) -> Position {
        self.to_device.unwrap_or(self.position)
    }

    /// Reads a token that a client brings back.
    pub fn parse(token: &str) -> Result<Self> {
        // Of a position of sliding sync, the part that says where and not which answer.
        let token = token.split_once('~').map_or(token, |(token, _)| token);
        let parts = token.strip_prefix(['s', 't']).map(|parts| parts.split('_'));
        let numbers: Option<Vec<i64>> =
            parts.and_then(|parts| parts.map(|part| part.parse().ok()).collect());
        match numbers.as_deref() {
            Some([position]) => Ok(Self::new(Position(*position), Serial(0))),
            Some([position, serial]) => Ok(Self::new(Position(*position), Serial(*serial))),
            Some([position, serial, to_device]) if to_device <= position => Ok(Self {
                position: Position(*position),
                serial: Serial(*serial),
                to_device: Some(Position(*to_device)),
            }),
            _ => Err(Error::invalid_param("The token is not one of this server's")),
        }
    }
}

impl fmt::Display for SyncToken {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "s{}_{}", self.position, self.serial.0)?;
        match self.to_device {
            Some(to_device) => write!(formatter, "_{to_device}"),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_read_as_it_was_written() {
        let token = SyncToken::new(Position(12), Serial(345));
        assert_eq!(token.to_string(), "s12_345");
        assert_eq!(SyncToken::parse("s12_345").unwrap(), token);
        let older = SyncToken { serial: Serial(0), ..token };
        assert_eq!(SyncToken::parse("s12").unwrap(), older);
        let cut = SyncToken { to_device: Some(Position(3)), ..token };
        assert_eq!(cut.to_string(), "s12_345_3");
        assert_eq!(SyncToken::parse("s12_345_3").unwrap(), cut);
        for broken in ["", "s", "s1_2_3", "12", "s1_", "s1_2_3_4_5_6", "sa_1"] {
            assert!(SyncToken::parse(broken).is_err(), "{broken}");
        }
    }
}
