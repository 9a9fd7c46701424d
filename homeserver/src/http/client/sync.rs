//! `ruma::api::client::sync`: what is new.

use std::sync::Arc;

use ruma::api::client::sync::sync_events;

use crate::{
    error::{Error, Result},
    http::ruma::{Ctx, Ruma},
    service::sync::{SyncRequest, filter::SyncFilter},
};

/// `GET /_matrix/client/v3/sync`
/// ([spec](https://spec.matrix.org/v1.19/client-server-api/#get_matrixclientv3sync))
pub async fn sync_events(
    ctx: Ctx,
    request: Ruma<sync_events::v3::Request>,
) -> Result<sync_events::v3::Response> {
    use sync_events::v3::Filter;

    let Ruma { request, caller } = request;
    let filter = match request.filter {
        None => SyncFilter::default(),
        Some(Filter::FilterDefinition(definition)) => SyncFilter::new(&definition),
        // ruma takes for an id what is not a filter.
        Some(Filter::FilterId(id)) if id.starts_with('{') => {
            return Err(Error::bad_json("The filter is not valid"));
        }
        Some(Filter::FilterId(id)) => {
            SyncFilter::new(&ctx.filters.find(caller.user_nid, &id).await?)
        }
        Some(_) => return Err(Error::invalid_param("The filter is neither an id nor JSON")),
    };
    let _syncing = ctx.presence.sync(&caller, &request.set_presence);
    let request = SyncRequest {
        since: request.since,
        full_state: request.full_state,
        use_state_after: request.use_state_after,
        timeout: request.timeout.unwrap_or_default(),
        filter: Arc::new(filter),
    };
    ctx.sync.v3(&caller, request).await
}
