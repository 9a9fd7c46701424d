//! Stored filters.

use ruma::{
    UserId,
    api::client::filter::{create_filter::v3 as create_filter_v3, get_filter::v3 as get_filter_v3},
};

use crate::{
    error::{Error, Result},
    http::ruma::{Ctx, Ruma},
    service::sessions::Session,
};

/// `POST /_matrix/client/v3/user/{userId}/filter`
///
/// <https://spec.matrix.org/v1.16/client-server-api/#post_matrixclientv3useruseridfilter>
pub async fn create_filter(
    ctx: Ctx,
    call: Ruma<create_filter_v3::Request>,
) -> Result<create_filter_v3::Response> {
    own(&call.caller, &call.user_id)?;
    let filter_id = ctx.filters.create(call.caller.user_nid, &call.filter).await?;
    Ok(create_filter_v3::Response::new(filter_id))
}

/// `GET /_matrix/client/v3/user/{userId}/filter/{filterId}`
///
/// <https://spec.matrix.org/v1.16/client-server-api/#get_matrixclientv3useruseridfilterfilterid>
pub async fn get_filter(
    ctx: Ctx,
    call: Ruma<get_filter_v3::Request>,
) -> Result<get_filter_v3::Response> {
    own(&call.caller, &call.user_id)?;
    let filter = ctx.filters.find(call.caller.user_nid, &call.filter_id).await?;
    Ok(get_filter_v3::Response::new(filter))
}

fn own(session: &Session, user_id: &UserId) -> Result<()> {
    if session.user_id == *user_id {
        Ok(())
    } else {
        Err(Error::forbidden("These are another user's filters"))
    }
}
