//! Answers with the state of a room: spooled to a file, read and checked piece by piece, so that a large room
//! takes little memory.

use ruma::{
    ServerName,
    api::{OutgoingRequest, federation::authentication::ServerSignatures},
};
use sealpost_federation::{
    Error as FederationError,
    client::{Limits, Path},
    state_answer::{self, Part},
};
use serde_json::value::RawValue;
use tokio::sync::mpsc;

use super::{Remote, join::answered_wrong, receive::blocking, refused};
use crate::{error::Result, room::event::Pdu, service::room_info::RoomInfo};

/// How many events are checked at once.
const PIECES: usize = 500;
/// More events than this, of state and auth chain together, are not taken.
const EVENTS_MAX: usize = 400_000;
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
            let mut spooled = Spooled::default();
            while let Some(piece) = pieces.recv().await {
                let Piece { event, state, auth_chain, members_omitted, servers } = piece;
                spooled.event = event.or(spooled.event);
                spooled.members_omitted |= members_omitted;
                spooled.servers.extend(servers);
                spooled.servers.truncate(SERVERS_MAX);
                spooled.state.extend(self.check_fit(info, state).await?);
                spooled.auth_chain.extend(self.check_fit(info, auth_chain).await?);
                if spooled.state.len() + spooled.auth_chain.len() > EVENTS_MAX {
                    return Err(answered_wrong(server, "a room that is too large"));
                }
            }
            Ok(spooled)
        };
        let (read, spooled) = tokio::join!(reading, checking);
        let spooled = spooled?;
        read?.map_err(|error| refused(server, error))?;
        Ok(spooled)
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
