//! Fetches the members of rooms that were entered without them, until they are here or the room is left.

use std::{collections::HashSet, sync::Arc, time::Duration};

use tokio::{
    sync::Semaphore,
    task::JoinSet,
    time::{sleep, timeout},
};
use tokio_util::sync::CancellationToken;

use crate::service::{
    partial_rooms::RoomNid,
    remote::{
        Remote,
        partial::{Completed, Refusals},
    },
};

/// How many rooms are worked on at once.
const AT_ONCE: usize = 4;
/// So long one try may take, however slowly servers answer: then other rooms have their turn.
const TRY_MAX: Duration = Duration::from_secs(20 * 60);
/// After a failure it is tried again; each time later, up to this.
const AGAIN_AFTER: Duration = Duration::from_secs(2);
const AGAIN_AFTER_MAX: Duration = Duration::from_secs(10 * 60);

/// Runs until `stopping` is cancelled.
pub async fn run(remote: Arc<Remote>, stopping: CancellationToken) {
    let permits = Arc::new(Semaphore::new(AT_ONCE));
    let (mut begun, mut rooms) = (HashSet::new(), JoinSet::new());
    loop {
        for room in remote.partial_rooms().all() {
            if begun.insert(room) {
                rooms.spawn(complete(remote.clone(), permits.clone(), room));
            }
        }
        tokio::select! {
            () = stopping.cancelled() => return,
            () = remote.partial_rooms().entered() => {}
            Some(ended) = rooms.join_next() => match ended {
                Ok(room) => {
                    begun.remove(&room);
                }
                Err(error) => {
                    tracing::error!(%error, "a room stays without its members until a restart");
                }
            },
        }
    }
}

/// Tries until a room is whole or left.
async fn complete(remote: Arc<Remote>, permits: Arc<Semaphore>, room: RoomNid) -> RoomNid {
    let (mut attempt, mut refusals) = (0_usize, Refusals::default());
    while remote.partial_rooms().is_partial(room) {
        let tried = async {
            let _permit = permits.acquire().await;
            let tried = timeout(TRY_MAX, remote.complete(room, attempt, &mut refusals)).await;
            tried.unwrap_or(Ok(Completed::NotYet))
        };
        // Who leaves does not wait for other servers.
        let tried = tokio::select! {
            tried = tried => tried,
            () = remote.left(room) => continue,
        };
        match tried {
            Ok(Completed::Done) => continue,
            Ok(Completed::NotYet) => {}
            Err(error) => {
                tracing::warn!(%error, room = room.0, "the members of a room could not be kept");
            }
        }
        let again = AGAIN_AFTER.saturating_mul(1 << attempt.min(16)).min(AGAIN_AFTER_MAX);
        attempt += 1;
        tokio::select! {
            () = sleep(again) => {}
            () = remote.left(room) => {}
        }
    }
    room
}
