//! May a user see an event: [history visibility] and membership at the event, and what became of the
//! membership since. Every read path asks here.
//!
//! [history visibility]: https://spec.matrix.org/latest/client-server-api/#room-history-visibility

use ruma::events::room::{history_visibility::HistoryVisibility, member::MembershipState};

/// How a user stands to an event.
#[derive(Debug, Clone)]
pub struct View<'a> {
    /// Before the event; [`HistoryVisibility::Shared`] when the room says nothing.
    pub visibility: &'a HistoryVisibility,
    /// What the event makes of it, when it is of type `m.room.history_visibility`.
    pub visibility_after: Option<&'a HistoryVisibility>,
    /// The user's, before the event; [`MembershipState::Leave`] when there was none.
    pub membership: &'a MembershipState,
    /// What the event makes of it, when it is the user's own `m.room.member`.
    pub membership_after: Option<&'a MembershipState>,
    /// Whether the user was joined at any time after the event, now included.
    pub joined_since: bool,
}

pub fn visible(view: &View<'_>) -> bool {
    let visibilities = [Some(view.visibility), view.visibility_after];
    let memberships = [Some(view.membership), view.membership_after];
    visibilities.iter().flatten().any(|visibility| {
        memberships.iter().flatten().any(|membership| allows(visibility, membership, view))
    })
}

fn allows(visibility: &HistoryVisibility, membership: &MembershipState, view: &View<'_>) -> bool {
    match visibility {
        HistoryVisibility::WorldReadable => true,
        _ if *membership == MembershipState::Join => true,
        HistoryVisibility::Joined => false,
        HistoryVisibility::Invited => *membership == MembershipState::Invite,
        // Shared, and whatever is not understood.
        _ => view.joined_since,
    }
}

/// May a server in the room see an event: as one of its users at the event may. `memberships` are those of
/// its users, before the event.
pub fn visible_to_server<'a>(
    visibility: &HistoryVisibility,
    memberships: impl IntoIterator<Item = &'a MembershipState>,
) -> bool {
    let mut memberships = memberships.into_iter();
    match visibility {
        HistoryVisibility::Joined => memberships.any(|m| *m == MembershipState::Join),
        HistoryVisibility::Invited => {
            memberships.any(|m| matches!(m, MembershipState::Join | MembershipState::Invite))
        }
        _ => true,
    }
}
