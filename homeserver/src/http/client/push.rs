//! `ruma::api::client::push`: push rules. There is one scope, `global`.

use ruma::{
    api::client::push::{
        delete_pushrule, get_notifications, get_pushrule, get_pushrule_actions,
        get_pushrule_enabled, get_pushrules_all, get_pushrules_global_scope, set_pushrule,
        set_pushrule_actions, set_pushrule_enabled,
    },
    push::Ruleset,
};

use crate::{
    error::Result,
    http::ruma::{Ctx, Ruma},
    service::push::{RuleChange, notifications::NotificationsRequest},
};

/// `GET /_matrix/client/v3/pushrules/`
///
/// <https://spec.matrix.org/v1.19/client-server-api/#get_matrixclientv3pushrules>
pub async fn get_pushrules_all(
    ctx: Ctx,
    call: Ruma<get_pushrules_all::v3::Request>,
) -> Result<get_pushrules_all::v3::Response> {
    let rules = Ruleset::clone(&*ctx.push.rules(&call.caller).await?);
    Ok(get_pushrules_all::v3::Response::new(rules))
}

/// `GET /_matrix/client/v3/pushrules/global/`
///
/// <https://spec.matrix.org/v1.19/client-server-api/#get_matrixclientv3pushrulesglobal>
pub async fn get_pushrules_global_scope(
    ctx: Ctx,
    call: Ruma<get_pushrules_global_scope::v3::Request>,
) -> Result<get_pushrules_global_scope::v3::Response> {
    let rules = Ruleset::clone(&*ctx.push.rules(&call.caller).await?);
    Ok(get_pushrules_global_scope::v3::Response::new(rules))
}

/// `GET /_matrix/client/v3/pushrules/global/{kind}/{ruleId}`
///
/// <https://spec.matrix.org/v1.19/client-server-api/#get_matrixclientv3pushrulesglobalkindruleid>
pub async fn get_pushrule(
    ctx: Ctx,
    Ruma { request, caller }: Ruma<get_pushrule::v3::Request>,
) -> Result<get_pushrule::v3::Response> {
    let rule = ctx.push.rule(&caller, request.kind, &request.rule_id).await?;
    Ok(get_pushrule::v3::Response::new(rule.into()))
}

/// `PUT /_matrix/client/v3/pushrules/global/{kind}/{ruleId}`
///
/// <https://spec.matrix.org/v1.19/client-server-api/#put_matrixclientv3pushrulesglobalkindruleid>
pub async fn set_pushrule(
    ctx: Ctx,
    Ruma { request, caller }: Ruma<set_pushrule::v3::Request>,
) -> Result<set_pushrule::v3::Response> {
    let set_pushrule::v3::Request { rule, after, before, .. } = request;
    ctx.push.change(&caller, RuleChange::Put { rule, after, before }).await?;
    Ok(set_pushrule::v3::Response::new())
}

/// `DELETE /_matrix/client/v3/pushrules/global/{kind}/{ruleId}`
///
/// <https://spec.matrix.org/v1.19/client-server-api/#delete_matrixclientv3pushrulesglobalkindruleid>
pub async fn delete_pushrule(
    ctx: Ctx,
    Ruma { request, caller }: Ruma<delete_pushrule::v3::Request>,
) -> Result<delete_pushrule::v3::Response> {
    let delete_pushrule::v3::Request { kind, rule_id, .. } = request;
    ctx.push.change(&caller, RuleChange::Delete { kind, rule_id }).await?;
    Ok(delete_pushrule::v3::Response::new())
}

/// `GET /_matrix/client/v3/pushrules/global/{kind}/{ruleId}/enabled`
///
/// <https://spec.matrix.org/v1.19/client-server-api/#get_matrixclientv3pushrulesglobalkindruleidenabled>
pub async fn get_pushrule_enabled(
    ctx: Ctx,
    Ruma { request, caller }: Ruma<get_pushrule_enabled::v3::Request>,
) -> Result<get_pushrule_enabled::v3::Response> {
    let rule = ctx.push.rule(&caller, request.kind, &request.rule_id).await?;
    Ok(get_pushrule_enabled::v3::Response::new(rule.enabled()))
}

/// `PUT /_matrix/client/v3/pushrules/global/{kind}/{ruleId}/enabled`
///
/// <https://spec.matrix.org/v1.19/client-server-api/#put_matrixclientv3pushrulesglobalkindruleidenabled>
pub async fn set_pushrule_enabled(
    ctx: Ctx,
    Ruma { request, caller }: Ruma<set_pushrule_enabled::v3::Request>,
) -> Result<set_pushrule_enabled::v3::Response> {
    let set_pushrule_enabled::v3::Request { kind, rule_id, enabled, .. } = request;
    ctx.push.change(&caller, RuleChange::Enable { kind, rule_id, enabled }).await?;
    Ok(set_pushrule_enabled::v3::Response::new())
}

/// `GET /_matrix/client/v3/pushrules/global/{kind}/{ruleId}/actions`
///
/// <https://spec.matrix.org/v1.19/client-server-api/#get_matrixclientv3pushrulesglobalkindruleidactions>
pub async fn get_pushrule_actions(
    ctx: Ctx,
    Ruma { request, caller }: Ruma<get_pushrule_actions::v3::Request>,
) -> Result<get_pushrule_actions::v3::Response> {
    let rule = ctx.push.rule(&caller, request.kind, &request.rule_id).await?;
    Ok(get_pushrule_actions::v3::Response::new(rule.actions().to_vec()))
}

/// `PUT /_matrix/client/v3/pushrules/global/{kind}/{ruleId}/actions`
///
/// <https://spec.matrix.org/v1.19/client-server-api/#put_matrixclientv3pushrulesglobalkindruleidactions>
pub async fn set_pushrule_actions(
    ctx: Ctx,
    Ruma { request, caller }: Ruma<set_pushrule_actions::v3::Request>,
) -> Result<set_pushrule_actions::v3::Response> {
    let set_pushrule_actions::v3::Request { kind, rule_id, actions, .. } = request;
    ctx.push.change(&caller, RuleChange::SetActions { kind, rule_id, actions }).await?;
    Ok(set_pushrule_actions::v3::Response::new())
}

/// `GET /_matrix/client/v3/notifications`
///
/// <https://spec.matrix.org/v1.19/client-server-api/#get_matrixclientv3notifications>
pub async fn get_notifications(
    ctx: Ctx,
    Ruma { request, caller }: Ruma<get_notifications::v3::Request>,
) -> Result<get_notifications::v3::Response> {
    let request = NotificationsRequest {
        from: request.from,
        limit: request.limit.and_then(|limit| usize::try_from(u64::from(limit)).ok()),
        only_highlights: request.only.as_deref() == Some("highlight"),
    };
    ctx.push.notifications(&caller, request).await
}
