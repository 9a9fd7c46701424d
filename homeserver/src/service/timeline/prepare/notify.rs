//! Whom an event notifies: by the default rules once for all, and by name where that differs.

use std::collections::BTreeSet;

use ruma::events::room::power_levels::UserPowerLevel;
use ruma::{
    RoomId, UserId,
    events::{StateEventType, TimelineEventType},
    power_levels::NotificationPowerLevels,
    push::{PushConditionPowerLevelsCtx, Ruleset},
    room_version_rules::RoomPowerLevelsRules,
};
use serde::Deserialize;

use super::{Context, Tip};
use crate::{
    error::Result,
    room::{event::Pdu, power::Power},
    service::{
        event::Event,
        push::evaluate::{Evaluation, Outcome, asks_for_display_name, is_quiet},
        thread::{Thread, thread_of},
    },
    storage::{Conn, UserNid, push_counts::Totals},
};

/// What a commit writes of this.
#[derive(Debug)]
pub(in crate::service::timeline) struct Notification {
    pub thread: Thread,
    /// By the default rules, with the totals that it makes.
    pub default: Option<Counted>,
    pub exceptions: Vec<(UserNid, Outcome)>,
    /// The sender, who has read up to here: a user of this server who sent a message.
    pub read_by: Option<UserNid>,
}

#[derive(Debug)]
pub(in crate::service::timeline) struct Counted {
    pub outcome: Outcome,
    pub room: Totals,
    pub main: Totals,
    /// Of the event's thread.
    pub thread: Totals,
}

/// Evaluates an accepted event, which the tip has moved over.
pub(super) fn notify(
    context: &Context,
    conn: &mut Conn,
    tip: &mut Tip,
    event: &Event,
) -> Result<Notification> {
    let pdu = &*event.pdu;
    let find = |id: &ruma::EventId| tip.event_by_id(context, conn, id);
    let thread = thread_of(pdu, find)?;
    let is_local = pdu.sender.server_name() == context.server_name;
    let read_by = (is_local && !pdu.is_state()).then_some(event.sender_nid);
    let mut notification = Notification { thread, default: None, exceptions: Vec::new(), read_by };

    let mut users = special_users(context, conn, tip)?;
    if users.is_empty() && !may_notify(pdu) {
        return Ok(notification);
    }
    let power_levels = match mentions(pdu).room || !users.is_empty() {
        true => power_levels(context, conn, tip, pdu)?,
        false => None,
    };
    let mut evaluation = Evaluation::new(pdu, tip.joined, power_levels)?;
    let default = evaluation.outcome(default_rules(), nobody(), "");

    let ignoring = context.ignored_users.who_ignore(conn, &pdu.sender)?;
    users.extend(ignoring.iter().filter(|user| tip.locals.contains(user)));
    for user in mentions(pdu).user_ids {
        if let Ok(user) = <&UserId>::try_from(user.as_str())
            && user.server_name() == context.server_name
            && let Some(user) = context.store.users().find_reserved(conn, user)?
            && tip.locals.contains(&user)
        {
            users.insert(user);
        }
    }
    let invited = invited(context, conn, pdu)?;
    users.extend(invited);
    // What they send as a message, they have read; state they may send without looking.
    if is_local && pdu.is_state() && default.counts.notify > 0 {
        users.insert(event.sender_nid);
    }
    for user in users {
        let Some(user_id) = context.store.users().key(conn, user)? else { continue };
        let Ok(user_id) = <&UserId>::try_from(&*user_id) else { continue };
        let rules = context.push_rules.of_user(conn, user, user_id)?;
        let outcome = if ignoring.contains(&user) {
            Outcome::default()
        } else {
            let name = match asks_for_display_name(&rules) {
                true => display_name(context, conn, tip, user_id)?,
                false => String::new(),
            };
            evaluation.outcome(&rules, user_id, &name)
        };
        let is_changed = context.push_rules.changed_users(conn)?.contains_key(&user);
        let apart =
            Some(user) == invited || (is_changed && is_quiet(&rules, &pdu.room_id, user_id));
        let base = if apart { Totals::default() } else { default.counts };
        let counts = Totals {
            notify: outcome.counts.notify - base.notify,
            highlight: outcome.counts.highlight - base.highlight,
        };
        if counts != Totals::default() {
            notification.exceptions.push((user, Outcome { counts, ..outcome }));
        }
    }
    if default.counts.notify > 0 {
        notification.default = Some(tip.count(conn, default, &notification.thread)?);
    }
    Ok(notification)
}

/// Whether the default does not count for a user of this server in a room; `None` where it always did.
pub(super) fn mode(
    context: &Context,
    conn: &mut Conn,
    room_id: &RoomId,
    (user, user_id): (UserNid, &UserId),
) -> Result<Option<bool>> {
    if !context.push_rules.changed_users(conn)?.contains_key(&user) {
        return Ok(None);
    }
    let rules = context.push_rules.of_user(conn, user, user_id)?;
    Ok(Some(is_quiet(&rules, room_id, user_id)))
}

/// Members who ever changed their rules.
fn special_users(context: &Context, conn: &mut Conn, tip: &Tip) -> Result<BTreeSet<UserNid>> {
    let changed = context.push_rules.changed_users(conn)?;
    Ok(if changed.len() < tip.locals.len() {
        changed.keys().filter(|user| tip.locals.contains(user)).copied().collect()
    } else {
        tip.locals.iter().filter(|user| changed.contains_key(user)).copied().collect()
    })
}

/// Whether the default rules may say something of an event: cheap, and never wrongly no.
fn may_notify(pdu: &Pdu) -> bool {
    const TYPES: [&str; 4] =
        ["m.room.message", "m.room.encrypted", "m.call.invite", "m.room.tombstone"];
    // Without regard to case, like the rules.
    let event_type = pdu.event_type.to_string();
    TYPES.iter().any(|name| name.eq_ignore_ascii_case(&event_type))
        || pdu.content.get().contains("m.mentions")
        || (pdu.event_type == TimelineEventType::RoomMember
            && pdu.content.get().contains("\"invite\""))
}

#[derive(Default, Deserialize)]
struct Mentions {
    #[serde(default)]
    room: bool,
    #[serde(default)]
    user_ids: Vec<String>,
}

fn mentions(pdu: &Pdu) -> Mentions {
    #[derive(Deserialize)]
    struct Content {
        #[serde(rename = "m.mentions")]
        mentions: Mentions,
    }
    // Most events have none: don't parse those.
    if !pdu.content.get().contains("m.mentions") {
        return Mentions::default();
    }
    pdu.content_as::<Content>().map(|content| content.mentions).unwrap_or_default()
}

/// The user of this server whom an event invites.
fn invited(context: &Context, conn: &mut Conn, pdu: &Pdu) -> Result<Option<UserNid>> {
    let user = pdu.state_key.as_deref().and_then(|user| <&UserId>::try_from(user).ok());
    match user {
        Some(user)
            if pdu.event_type == TimelineEventType::RoomMember
                && user.server_name() == context.server_name
                && super::place::membership(pdu) == "invite" =>
        {
            context.store.users().find_reserved(conn, user)
        }
        _ => Ok(None),
    }
}

/// The room's power levels, as far as the rules ask for them: whether the sender may notify all.
fn power_levels(
    context: &Context,
    conn: &mut Conn,
    tip: &Tip,
    pdu: &Pdu,
) -> Result<Option<PushConditionPowerLevelsCtx>> {
    #[derive(Deserialize)]
    struct Content {
        #[serde(default)]
        notifications: NotificationPowerLevels,
    }
    let state = tip.state.clone();
    let levels = tip.state_event(context, conn, &state, &StateEventType::RoomPowerLevels, "")?;
    let create = tip.state_event(context, conn, &state, &StateEventType::RoomCreate, "")?;
    let Some(create) = create else { return Ok(None) };
    let levels = levels.as_ref().map(|event| &*event.pdu);
    let Ok(power) = Power::new(&create.pdu, levels, tip.info.rules) else { return Ok(None) };
    let content = levels.and_then(|levels| levels.content_as::<Content>().ok());
    let notifications = content.map(|content| content.notifications).unwrap_or_default();
    let sender = pdu.sender.clone();
    let (users, creator) = match power.of(&sender) {
        UserPowerLevel::Int(level) => ([(sender, level)].into(), None),
        _ => (std::collections::BTreeMap::new(), Some(sender)),
    };
    let rules = RoomPowerLevelsRules::new(&tip.info.rules.authorization, creator);
    Ok(Some(PushConditionPowerLevelsCtx::new(users, ruma::int!(0), notifications, rules)))
}

fn display_name(context: &Context, conn: &mut Conn, tip: &Tip, user: &UserId) -> Result<String> {
    #[derive(Deserialize)]
    struct Content {
        displayname: String,
    }
    let state = tip.state.clone();
    let member =
        tip.state_event(context, conn, &state, &StateEventType::RoomMember, user.as_str())?;
    let content = member.and_then(|member| member.pdu.content_as::<Content>().ok());
    Ok(content.map(|content| content.displayname).unwrap_or_default())
}

/// Somebody whom no event is meant for.
fn nobody() -> &'static UserId {
    <&UserId>::try_from("@:x").unwrap_or_else(|_| ruma::user_id!("@nobody:nowhere.invalid"))
}

fn default_rules() -> &'static Ruleset {
    static RULES: std::sync::OnceLock<Ruleset> = std::sync::OnceLock::new();
    RULES.get_or_init(|| Ruleset::server_default(nobody()))
}
