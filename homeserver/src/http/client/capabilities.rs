//! What clients may do here.

use std::collections::BTreeMap;

use ruma::{
    RoomVersionId,
    api::client::discovery::get_capabilities::v3::{
        AccountModerationCapability, Capabilities, ChangePasswordCapability,
        GetLoginTokenCapability, ProfileFieldsCapability, Request, Response, RoomVersionStability,
        RoomVersionsCapability, ThirdPartyIdChangesCapability,
    },
};

use crate::{
    error::{Error, Result},
    http::ruma::{Ctx, Ruma},
    room::version,
};

/// `GET /_matrix/client/v3/capabilities`
///
/// <https://spec.matrix.org/v1.16/client-server-api/#get_matrixclientv3capabilities>
pub async fn get_capabilities(ctx: Ctx, Ruma { caller, .. }: Ruma<Request>) -> Result<Response> {
    let default = RoomVersionId::try_from(ctx.config.rooms.default_version.as_str())
        .map_err(|e| Error::internal(format!("rooms.default_version: {e}")))?;
    let available: BTreeMap<_, _> =
        version::SUPPORTED.map(|version| (version, RoomVersionStability::Stable)).into();
    let mut capabilities = Capabilities::new();
    capabilities.room_versions = RoomVersionsCapability::new(default, available);
    capabilities.change_password = ChangePasswordCapability::new(true);
    capabilities.profile_fields = Some(ProfileFieldsCapability::new(true));
    capabilities.get_login_token = GetLoginTokenCapability::new(true);
    capabilities.account_moderation =
        AccountModerationCapability::new(caller.is_admin, caller.is_admin);
    capabilities.thirdparty_id_changes = ThirdPartyIdChangesCapability::new(false);
    Ok(Response::new(capabilities))
}
