//! Which invites a user is told of.

use crate::{
    error::Result,
    service::{invite_permission, sessions::Session, timeline::Context},
    storage::{Conn, members::MembershipRow},
};

/// Neither those of users they ignore, nor any when they block invites.
pub fn is_shown(
    context: &Context,
    conn: &mut Conn,
    caller: &Session,
    row: &MembershipRow,
) -> Result<bool> {
    let ignored = context.ignored_users.of_user(conn, caller.user_nid)?;
    if !ignored.is_empty() {
        let invite = context.events.get(conn, row.event_nid)?;
        if ignored.contains(&invite.pdu.sender) {
            return Ok(false);
        }
    }
    Ok(!invite_permission::blocks(conn, caller.user_nid)?)
}
