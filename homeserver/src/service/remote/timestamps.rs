//! Events close to a time: for other servers, and asked of them where our own history of a room has an end.

use std::{sync::Arc, time::Duration};

use ruma::{
    MilliSecondsSinceUnixEpoch, OwnedEventId, OwnedServerName, RoomId,
    api::{Direction as Asked, federation::event::get_event_by_timestamp},
};
use sealpost_federation::client::Limits;

use super::{Remote, serve_events::Reader};
use crate::{
    error::{Error, Result},
    service::{event::Event, room_info::RoomInfo, timeline::Direction},
    storage::{
        Conn, Position,
        events::{self, place_of_time},
    },
};

/// How many events beside a time are looked at for one that the server may see.
const BESIDE_MAX: i64 = 1_000;
const LIMITS: Limits = Limits { timeout: Duration::from_secs(8), max_bytes: 64 << 10 };

impl Remote {
    /// The event closest to a time in a direction, for a server in the room; 404 where there is none.
    pub async fn event_at_for(
        &self,
        origin: &OwnedServerName,
        room_id: &RoomId,
        time: MilliSecondsSinceUnixEpoch,
        direction: Direction,
    ) -> Result<Arc<Event>> {
        let info = self.room(room_id).await?;
        let (context, origin) = (self.context.clone(), origin.clone());
        let read = self.context.store.read(move |conn| {
            let reader = Reader::new(&context, conn, &info, &origin)?;
            for nid in beside(conn, &info, time.get().into(), direction)? {
                let event = context.events.get(conn, nid)?;
                let told = event.pdu.origin_server_ts;
                let fits = match direction {
                    Direction::Forward => told >= time,
                    Direction::Backward => told <= time,
                };
                if fits && reader.may_see(conn, &event)? {
                    return Ok(event);
                }
            }
            Err(Error::not_found("There is no event on that side of the time"))
        });
        read.await
    }

    /// What other servers in a room have closest to a time, where our own history of it has an end.
    pub async fn event_at(
        &self,
        info: &Arc<RoomInfo>,
        time: MilliSecondsSinceUnixEpoch,
        direction: Direction,
    ) -> Result<Option<(OwnedEventId, MilliSecondsSinceUnixEpoch)>> {
        let (context, nid) = (self.context.clone(), info.nid);
        let everything = (Position(i64::MIN), Position(i64::MAX));
        let read = self.context.store.read(move |conn| context.gaps.newest(conn, nid, everything));
        if read.await?.is_none() {
            return Ok(None);
        }
        let dir = match direction {
            Direction::Forward => Asked::Forward,
            Direction::Backward => Asked::Backward,
        };
        for server in self.servers_in(info, None).await? {
            let request = get_event_by_timestamp::v1::Request::new(info.id.clone(), time, dir);
            match self.ask(&server, request, LIMITS).await {
                Ok(found) => {
                    let fits = match direction {
                        Direction::Forward => found.origin_server_ts >= time,
                        Direction::Backward => found.origin_server_ts <= time,
                    };
                    if fits {
                        return Ok(Some((found.event_id, found.origin_server_ts)));
                    }
                }
                Err(error) => tracing::debug!(%server, %error, "no event at a time"),
            }
        }
        Ok(None)
    }
}

fn beside(
    conn: &mut Conn,
    info: &RoomInfo,
    time: i64,
    direction: Direction,
) -> Result<Vec<crate::storage::EventNid>> {
    let bound = match direction {
        Direction::Forward => time,
        Direction::Backward => time.saturating_add(1),
    };
    let place = place_of_time(conn, info.nid, bound)?;
    let range = match direction {
        Direction::Forward => (place, Position(i64::MAX)),
        Direction::Backward => (Position(i64::MIN), place),
    };
    let rows = events::timeline(conn, info.nid, range, direction, BESIDE_MAX)?;
    Ok(rows.into_iter().map(|(nid, _)| nid).collect())
}
