//! The caller's account.

use ruma::api::client::account::whoami;

use crate::{
    error::Result,
    http::ruma::{Ctx, Ruma},
};

/// `GET /_matrix/client/v3/account/whoami`
///
/// <https://spec.matrix.org/v1.16/client-server-api/#get_matrixclientv3accountwhoami>
pub async fn whoami(_: Ctx, call: Ruma<whoami::v3::Request>) -> Result<whoami::v3::Response> {
    let session = &call.caller;
    let mut response = whoami::v3::Response::new(session.user_id.clone(), session.is_guest);
    response.device_id = Some(session.device_id.clone());
    Ok(response)
}
