//! What preparing and committing events use.

use std::sync::Arc;

use ruma::OwnedServerName;
use sealpost_federation::OwnKeys;
use tokio::sync::Notify;

use crate::{
    clock::Clock,
    service::{
        erased_users::ErasedUsers, events::Events, gaps::Gaps, ignored_users::IgnoredUsers,
        notifier::Notifier, partial_rooms::PartialRooms, push::rules::PushRules,
        room_info::RoomInfos, states::States, user_rooms::UserRooms,
    },
    storage::Store,
};

pub struct Context {
    pub store: Store,
    pub rooms: Arc<RoomInfos>,
    pub events: Arc<Events>,
    pub gaps: Gaps,
    pub states: Arc<States>,
    pub user_rooms: Arc<UserRooms>,
    pub ignored_users: Arc<IgnoredUsers>,
    pub erased_users: Arc<ErasedUsers>,
    pub push_rules: Arc<PushRules>,
    pub notifier: Arc<Notifier>,
    pub partial_rooms: Arc<PartialRooms>,
    /// Notified when rooms may have changed whether they let guests in.
    pub guest_access: Arc<Notify>,
    pub keys: OwnKeys,
    pub server_name: OwnedServerName,
    pub clock: Clock,
}
