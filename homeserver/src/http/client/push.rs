//! Push rules: the default set of the specification.

use ruma::{
    api::client::push::{
        get_pushrules_all::v3 as get_pushrules_all_v3,
        get_pushrules_global_scope::v3 as get_pushrules_global_scope_v3,
    },
    push::Ruleset,
};

use crate::{
    error::Result,
    http::ruma::{Ctx, Ruma},
};

/// `GET /_matrix/client/v3/pushrules/`
///
/// <https://spec.matrix.org/v1.16/client-server-api/#get_matrixclientv3pushrules>
pub async fn get_pushrules_all(
    _: Ctx,
    call: Ruma<get_pushrules_all_v3::Request>,
) -> Result<get_pushrules_all_v3::Response> {
    Ok(get_pushrules_all_v3::Response::new(Ruleset::server_default(&call.caller.user_id)))
}

/// `GET /_matrix/client/v3/pushrules/global/`
///
/// <https://spec.matrix.org/v1.16/client-server-api/#get_matrixclientv3pushrulesglobal>
pub async fn get_pushrules_global_scope(
    _: Ctx,
    call: Ruma<get_pushrules_global_scope_v3::Request>,
) -> Result<get_pushrules_global_scope_v3::Response> {
    Ok(get_pushrules_global_scope_v3::Response::new(Ruleset::server_default(&call.caller.user_id)))
}
