//! Users who want no invites at all (client-server API, "Invite permission").

use http::StatusCode;
use ruma::api::error::ErrorKind;
use serde::Deserialize;

use crate::{
    error::{Error, Result},
    storage::{
        Conn, UserNid,
        account_data::{self, GLOBAL},
    },
};

const STABLE: &str = "m.invite_permission_config";
const UNSTABLE: &str = "org.matrix.msc4380.invite_permission_config";

/// Whether a user of this server blocks invites. What can't be understood blocks nothing.
pub fn blocks(conn: &mut Conn, user: UserNid) -> Result<bool> {
    #[derive(Deserialize)]
    struct Config {
        default_action: String,
    }
    #[derive(Deserialize)]
    struct UnstableConfig {
        block_all: bool,
    }
    if let Some(config) = account_data::get(conn, user, GLOBAL, STABLE)? {
        let config = serde_json::from_str::<Config>(&config);
        return Ok(config.is_ok_and(|config| config.default_action == "block"));
    }
    let config = account_data::get(conn, user, GLOBAL, UNSTABLE)?;
    let config = config.and_then(|config| serde_json::from_str::<UnstableConfig>(&config).ok());
    Ok(config.is_some_and(|config| config.block_all))
}

/// 403 `M_INVITE_BLOCKED` if a user of this server blocks invites.
pub fn check(conn: &mut Conn, user: UserNid) -> Result<()> {
    if !blocks(conn, user)? {
        return Ok(());
    }
    let message = "The user does not want to be invited";
    Err(Error::matrix(StatusCode::FORBIDDEN, ErrorKind::InviteBlocked, message))
}
