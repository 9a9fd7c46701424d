//! Answers with the state of a room: spooled to a file, read and checked piece by piece, so that a large room
//! takes little memory.

use std::collections::{BTreeMap, HashSet};

use ruma::{
    OwnedEventId, OwnedServerName, ServerName,
    api::{OutgoingRequest, federation::authentication::ServerSignatures},
};
use sealpost_federation::{
    Error as FederationError,
    client::{Limits, Path},
    state_answer::{self, Part},
};
use serde_json::value::RawValue;
use tokio::sync::mpsc;

use super::{
    Remote,
    join::answered_wrong,
    receive::{Unfit, blocking},
    refused,
};
use crate::{error::Result, room::event::Pdu, service::room_info::RoomInfo};

/// How many events are checked at once.
const PIECES: usize = 500;
/// More events than this, of state and auth chain together, are not taken.
const EVENTS_MAX: usize = 400_000;
/// More events that fail a check are not counted: of those whoever answers can make up any number.
const LEFT_OUT_MAX: usize = 50_000;
/// How many servers whose keys cannot be had are named in the log.
const NAMED_MAX: usize = 10;
/// Of more servers in a room is not taken note. Which of them count is decided by who asked.
const SERVERS_MAX: usize = 20_000;

/// A room as another server has it, checked; what failed a check is left out.
#[derive(Default)]
pub(super) struct Spooled {
    /// The join as it was sent back, of `send_join`.
    pub event: Option<Box<RawValue>>,
    pub state: Vec<Pdu>,
    pub auth_chain: Vec<Pdu>,
    /// Members are not in the state, of `send_join`.
    pub members_omitted: bool,
    /// The servers in the room then, names unchecked.
    pub servers: Vec<String>,
    /// Something was left out that is [worth waiting for](Remote::is_worth_waiting_for).
    pub awaits_keys: bool,
}

impl Remote {
    /// Sends a request that is answered with a state, an auth chain or both, and reads the answer.
    pub(super) async fn spooled<R>(
        &self,
        server: &ServerName,
        info: &RoomInfo,
        request: R,
        limits: Limits,
    ) -> Result<Spooled>
    where
        R: OutgoingRequest<
                Authentication = ServerSignatures,
                EndpointError = ruma::api::error::Error,
            >,
        R::PathBuilder: Path,
    {
        let file = self.client.spool(server, request, limits, &self.spool_folder).await;
        let file = file.map_err(|error| refused(server, error))?;
        let (sender, mut pieces) = mpsc::channel(1);
        let reading = blocking(move || read(file, &sender));
        let checking = async move {
            let (mut spooled, mut left_out) = (Spooled::default(), LeftOut::default());
            while let Some(piece) = pieces.recv().await {
                let Piece { event, state, auth_chain, members_omitted, servers } = piece;
                spooled.event = event.or(spooled.event);
                spooled.members_omitted |= members_omitted;
                spooled.servers.extend(servers);
                spooled.servers.truncate(SERVERS_MAX);
                for (events, fit) in
                    [(state, &mut spooled.state), (auth_chain, &mut spooled.auth_chain)]
                {
                    let leave_out = |unfit| {
                        spooled.awaits_keys |= self.is_worth_waiting_for(&unfit);
                        left_out.add(unfit);
                    };
                    fit.extend(self.check_each(info, events, leave_out).await?);
                }
                if spooled.state.len() + spooled.auth_chain.len() > EVENTS_MAX {
                    return Err(answered_wrong(server, "a room that is too large"));
                }
            }
            if !left_out.events.is_empty() && self.may_log(server) {
                left_out.log(server, info);
            }
            Ok(spooled)
        };
        let (read, spooled) = tokio::join!(reading, checking);
        let spooled = spooled?;
        read?.map_err(|error| refused(server, error))?;
        Ok(spooled)
    }
}

/// What of a room failed a check ([decision 59]).
///
/// [decision 59]: ../../../../docs/decisions/0059-members-whose-server-is-gone.md
#[derive(Default)]
struct LeftOut {
    events: HashSet<OwnedEventId>,
    /// Events that no server has a key for any more: how many of each, by its name.
    without_keys: BTreeMap<OwnedServerName, usize>,
}

impl LeftOut {
    fn add(&mut self, unfit: Unfit) {
        let Some(event_id) = unfit.event_id else { return };
        if self.events.len() >= LEFT_OUT_MAX {
            return;
        }
        // What is in the state may be in the auth chain too.
        if self.events.insert(event_id)
            && let Some(server) = unfit.without_keys_of
        {
            *self.without_keys.entry(server).or_default() += 1;
        }
    }

    fn log(&self, server: &ServerName, info: &RoomInfo) {
        let keyless: usize = self.without_keys.values().sum();
        let servers = self.without_keys.len();
        let named: Vec<_> = self.without_keys.keys().take(NAMED_MAX).collect();
        tracing::warn!(
            %server, room_id = %info.id, events = self.events.len(), without_keys = keyless, servers, ?named,
            "events of a room cannot be checked and are left out; keys of servers that are gone are \
             with notaries, if any are configured"
        );
    }
}

#[derive(Default)]
struct Piece {
    event: Option<Box<RawValue>>,
    state: Vec<Box<RawValue>>,
    auth_chain: Vec<Box<RawValue>>,
    members_omitted: bool,
    servers: Vec<String>,
}

/// Reads the file and hands it on in pieces. Blocks.
fn read(file: std::fs::File, sender: &mpsc::Sender<Piece>) -> Result<(), FederationError> {
    let mut piece = Piece::default();
    let hand_on = |piece: &mut Piece| {
        let gone = |_| FederationError::Response("nobody reads on".to_owned());
        sender.blocking_send(std::mem::take(piece)).map_err(gone)
    };
    state_answer::read(file, |part| {
        match part {
            Part::State(event) => piece.state.push(event),
            Part::AuthChain(event) => piece.auth_chain.push(event),
            Part::Event(event) => piece.event = Some(event),
            Part::MembersOmitted(omitted) => piece.members_omitted = omitted,
            Part::ServerInRoom(name) => piece.servers.push(name),
        }
        if piece.state.len() + piece.auth_chain.len() + piece.servers.len() >= PIECES {
            hand_on(&mut piece)?;
        }
        Ok(())
    })?;
    hand_on(&mut piece)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_without_end_that_fail_are_not_all_kept_in_mind() {
        let mut left_out = LeftOut::default();
        for number in 0..LEFT_OUT_MAX + 10 {
            let event_id = OwnedEventId::try_from(format!("${number}")).ok();
            let without_keys_of = OwnedServerName::try_from(format!("{number}.test")).ok();
            left_out.add(Unfit { event_id, without_keys_of, ..Unfit::default() });
        }
        assert_eq!(left_out.events.len(), LEFT_OUT_MAX);
        assert_eq!(left_out.without_keys.len(), LEFT_OUT_MAX);
    }
}
