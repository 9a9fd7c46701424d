//! Our own resources about the keys that sessions begin with (`docs/protocol.md`, section 11): thin views of
//! `keys/query`, `keys/claim` and `keys/upload`.

use std::{collections::BTreeMap, time::Duration};

use actix_web::{
    HttpResponse,
    http::{
        Method,
        header::{CACHE_CONTROL, HeaderValue},
    },
};
use ruma::{
    OneTimeKeyAlgorithm, OwnedDeviceId, OwnedOneTimeKeyId, UserId,
    api::{auth_scheme::AccessToken, client::keys::upload_keys},
    encryption::OneTimeKey,
    serde::Raw,
};
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::sliding_sync::json;
use crate::{
    error::{Error, Result},
    http::{
        auth::Scheme as _,
        limits::Kind,
        ruma::{Answer as _, Call, Ctx, Json},
    },
    service::keys::bundle::{ALGORITHM, Request, Reuse},
};

pub const BUNDLE: &str = "/_matrix/client/unstable/org.sealpost/keys/{user_id}/bundle";
pub const PREKEYS: &str = "/_matrix/client/unstable/org.sealpost/keys/prekeys";
pub const COUNT: &str = "/_matrix/client/unstable/org.sealpost/keys/prekeys/count";

#[derive(Default, Deserialize)]
struct BundleBody {
    #[serde(default)]
    devices: Vec<OwnedDeviceId>,
    algorithm: Option<OneTimeKeyAlgorithm>,
    #[serde(default)]
    fresh: bool,
    /// Milliseconds.
    timeout: Option<u64>,
}

#[derive(Deserialize)]
struct PrekeysBody {
    #[serde(default)]
    one_time_keys: BTreeMap<OwnedOneTimeKeyId, Raw<OneTimeKey>>,
    #[serde(default)]
    fallback_keys: BTreeMap<OwnedOneTimeKeyId, Raw<OneTimeKey>>,
}

/// `GET` and `POST /_matrix/client/unstable/org.sealpost/keys/{userId}/bundle`
pub async fn bundle(ctx: Ctx, mut call: Call) -> Result<HttpResponse> {
    let caller = AccessToken::caller(&ctx, &call.http, &mut call.body).await?;
    let [user_id] = call.decoded::<1>()?;
    let user_id =
        UserId::parse(user_id).map_err(|_| Error::invalid_param("The user id is malformed"))?;
    let body = match *call.http.method() {
        Method::POST => json(&mut call).await?,
        _ => BundleBody::default(),
    };
    if body.fresh {
        let pair = format!("{} {user_id}", caller.user_id);
        ctx.rate_limits.request(Kind::FreshClaim, &pair)?;
    }
    let request = Request {
        user_id,
        devices: body.devices,
        algorithm: body.algorithm.unwrap_or_else(|| ALGORITHM.into()),
        reuse: if body.fresh { Reuse::Refused } else { Reuse::Allowed },
        patience: body.timeout.map(Duration::from_millis),
    };
    uncached(&ctx.keys.bundle(&caller, request).await?)
}

/// `POST /_matrix/client/unstable/org.sealpost/keys/prekeys`
pub async fn upload(ctx: Ctx, mut call: Call) -> Result<HttpResponse> {
    let caller = AccessToken::caller(&ctx, &call.http, &mut call.body).await?;
    let PrekeysBody { one_time_keys, fallback_keys } = json(&mut call).await?;
    let mut request = upload_keys::v3::Request::new();
    request.one_time_keys = one_time_keys;
    request.fallback_keys = fallback_keys;
    let counts = ctx.keys.upload(&caller, request).await?;
    uncached(&json!({ "one_time_key_counts": counts }))
}

/// `GET /_matrix/client/unstable/org.sealpost/keys/prekeys/count`
pub async fn count(ctx: Ctx, mut call: Call) -> Result<HttpResponse> {
    let caller = AccessToken::caller(&ctx, &call.http, &mut call.body).await?;
    let counts = ctx.keys.counts(&caller).await?;
    uncached(&json!({
        "one_time_key_counts": counts.one_time,
        "unused_fallback_key_types": counts.unused_fallback,
    }))
}

/// An answer that is for the caller, now.
pub(super) fn uncached(body: &impl Serialize) -> Result<HttpResponse> {
    let mut response = Json::of(body)?.into_response()?;
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Ok(response)
}
