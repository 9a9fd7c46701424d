//! `ruma::api::client::config`: account data. Only the user's own.

use ruma::{
    UserId,
    api::client::config::{
        get_global_account_data, get_room_account_data, set_global_account_data,
        set_room_account_data,
    },
    events::{GlobalAccountDataEventType, push_rules::PushRulesEventContent},
    push::Ruleset,
    serde::Raw,
};
use serde_json::value::to_raw_value;

use crate::{
    error::{Error, Result},
    http::ruma::{Ctx, Ruma},
    service::sessions::Session,
};

/// `PUT /_matrix/client/v3/user/{userId}/account_data/{type}`
///
/// <https://spec.matrix.org/v1.19/client-server-api/#put_matrixclientv3useruseridaccount_datatype>
pub async fn set_global_account_data(
    ctx: Ctx,
    Ruma { request, caller }: Ruma<set_global_account_data::v3::Request>,
) -> Result<set_global_account_data::v3::Response> {
    own(&caller, &request.user_id)?;
    let event_type = request.event_type.to_string();
    ctx.account_data.set(&caller, None, event_type, request.data.into_json()).await?;
    Ok(set_global_account_data::v3::Response::new())
}

/// `GET /_matrix/client/v3/user/{userId}/account_data/{type}`
///
/// <https://spec.matrix.org/v1.19/client-server-api/#get_matrixclientv3useruseridaccount_datatype>
pub async fn get_global_account_data(
    ctx: Ctx,
    Ruma { request, caller }: Ruma<get_global_account_data::v3::Request>,
) -> Result<get_global_account_data::v3::Response> {
    own(&caller, &request.user_id)?;
    let content = match request.event_type {
        GlobalAccountDataEventType::PushRules => {
            let rules = Ruleset::clone(&*ctx.push.rules(&caller).await?);
            to_raw_value(&PushRulesEventContent::new(rules))
                .map_err(|error| Error::internal(format!("push rules: {error}")))?
        }
        kind => ctx.account_data.get(&caller, None, kind.to_string()).await?,
    };
    Ok(get_global_account_data::v3::Response::new(Raw::from_json(content)))
}

/// `PUT /_matrix/client/v3/user/{userId}/rooms/{roomId}/account_data/{type}`
///
/// <https://spec.matrix.org/v1.19/client-server-api/#put_matrixclientv3useruseridroomsroomidaccount_datatype>
pub async fn set_room_account_data(
    ctx: Ctx,
    Ruma { request, caller }: Ruma<set_room_account_data::v3::Request>,
) -> Result<set_room_account_data::v3::Response> {
    own(&caller, &request.user_id)?;
    let (event_type, data) = (request.event_type.to_string(), request.data.into_json());
    ctx.account_data.set(&caller, Some(&request.room_id), event_type, data).await?;
    Ok(set_room_account_data::v3::Response::new())
}

/// `GET /_matrix/client/v3/user/{userId}/rooms/{roomId}/account_data/{type}`
///
/// <https://spec.matrix.org/v1.19/client-server-api/#get_matrixclientv3useruseridroomsroomidaccount_datatype>
pub async fn get_room_account_data(
    ctx: Ctx,
    Ruma { request, caller }: Ruma<get_room_account_data::v3::Request>,
) -> Result<get_room_account_data::v3::Response> {
    own(&caller, &request.user_id)?;
    let event_type = request.event_type.to_string();
    let content = ctx.account_data.get(&caller, Some(&request.room_id), event_type).await?;
    Ok(get_room_account_data::v3::Response::new(Raw::from_json(content)))
}

/// 403 unless the user is the caller.
pub(super) fn own(caller: &Session, user_id: &UserId) -> Result<()> {
    if caller.user_id == *user_id {
        Ok(())
    } else {
        Err(Error::forbidden("This is another user's"))
    }
}
