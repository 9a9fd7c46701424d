//! What never changes of a room: its number, id, version and the rules of that version.
//!
//! Of a room that is known from invites alone the version is a claim, which may change: it is not kept in memory.

use std::sync::Arc;

use quick_cache::sync::Cache;
use ruma::{OwnedRoomId, RoomId, RoomVersionId, room_version_rules::RoomVersionRules};

use crate::{
    error::{Error, Result},
    room::version,
    storage::{
        Conn, RoomNid,
        rooms::{self, RoomRow},
    },
};

#[derive(Debug)]
pub struct RoomInfo {
    pub nid: RoomNid,
    pub id: OwnedRoomId,
    pub version: RoomVersionId,
    pub rules: &'static RoomVersionRules,
}

/// The rooms that were looked at lately.
pub struct RoomInfos {
    by_nid: Cache<RoomNid, Arc<RoomInfo>>,
    by_id: Cache<OwnedRoomId, Arc<RoomInfo>>,
}

impl RoomInfos {
    pub fn new(capacity: usize) -> Self {
        Self { by_nid: Cache::new(capacity), by_id: Cache::new(capacity) }
    }

    pub fn by_nid(&self, conn: &mut Conn, nid: RoomNid) -> Result<Arc<RoomInfo>> {
        if let Some(info) = self.by_nid.get(&nid) {
            return Ok(info);
        }
        let row = rooms::by_nid(conn, nid)?
            .ok_or_else(|| Error::internal(format!("room {} is missing", nid.0)))?;
        self.remember(row)
    }

    pub fn by_id(&self, conn: &mut Conn, id: &RoomId) -> Result<Option<Arc<RoomInfo>>> {
        if let Some(info) = self.by_id.get(id) {
            return Ok(Some(info));
        }
        rooms::by_id(conn, id)?.map(|row| self.remember(row)).transpose()
    }

    /// A room that is in memory, without a query.
    pub fn cached(&self, id: &RoomId) -> Option<Arc<RoomInfo>> {
        self.by_id.get(id)
    }

    fn remember(&self, row: RoomRow) -> Result<Arc<RoomInfo>> {
        let is_proven = row.is_proven();
        let version = RoomVersionId::try_from(row.version)
            .map_err(|error| Error::internal(format!("a stored room version: {error}")))?;
        let rules = version::rules(&version)
            .ok_or_else(|| Error::internal(format!("room version {version} is not supported")))?;
        let id = OwnedRoomId::try_from(row.room_id)
            .map_err(|error| Error::internal(format!("a stored room id: {error}")))?;
        let info = Arc::new(RoomInfo { nid: row.room_nid, id, version, rules });
        if is_proven {
            self.by_nid.insert(info.nid, info.clone());
            self.by_id.insert(info.id.clone(), info.clone());
        }
        Ok(info)
    }
}
