//! Push rules of users (client-server API, "Push Notifications"): which events they want to be told of.
//!
//! [`rules`] holds the rules that users changed, in memory; [`evaluate`] asks them about an event.
//!
//! What is unread is not written for each member. An event that notifies under the default rules adds one to
//! running totals of its room and thread; a member's [`counts`] are differences of those, between now and
//! where they have read. Where it counts otherwise for somebody (mentions, changed rules, ignored senders) they
//! get a row with the difference. Somebody whose rules silence ordinary messages of a room would get one for
//! each of them: while that is so (`push_modes`), the totals do not count for them and rows say all there is.

pub mod counts;
pub mod evaluate;
pub mod follow;
pub mod notifications;
pub mod rules;

use std::sync::Arc;

use http::StatusCode;
use ruma::{
    UserId,
    api::error::ErrorKind,
    push::{Action, AnyPushRule, NewPushRule, RuleKind, Ruleset},
};

use self::{
    evaluate::is_quiet,
    rules::{from_difference, to_difference},
};
use super::{notifier::Subject, sessions::Session, timeline::Context};
use crate::{
    error::{Error, Result},
    storage::{Tx, UserNid, members, push_counts, push_rules},
};

/// The most that a user's own rules may take, as JSON.
const LARGEST: usize = 128 * 1024;
const RULE_ID_LENGTH: usize = 255;

pub struct Push {
    context: Arc<Context>,
}

/// A change of a user's rules.
#[derive(Clone, Debug)]
pub enum RuleChange {
    /// Adds a rule, or changes one, and puts it in its place.
    Put {
        rule: NewPushRule,
        after: Option<String>,
        before: Option<String>,
    },
    Delete {
        kind: RuleKind,
        rule_id: String,
    },
    Enable {
        kind: RuleKind,
        rule_id: String,
        enabled: bool,
    },
    SetActions {
        kind: RuleKind,
        rule_id: String,
        actions: Vec<Action>,
    },
}

impl Push {
    pub fn new(context: Arc<Context>) -> Self {
        Self { context }
    }

    /// All rules of the caller.
    pub async fn rules(&self, caller: &Session) -> Result<Arc<Ruleset>> {
        let (context, user_nid) = (self.context.clone(), caller.user_nid);
        let user_id = caller.user_id.clone();
        let read = move |conn: &mut _| context.push_rules.of_user(conn, user_nid, &user_id);
        self.context.store.read(read).await
    }

    /// One rule, or 404.
    pub async fn rule(
        &self,
        caller: &Session,
        kind: RuleKind,
        rule_id: &str,
    ) -> Result<AnyPushRule> {
        let rules = self.rules(caller).await?;
        rules.get(kind, rule_id).map(|rule| rule.to_owned()).ok_or_else(not_found)
    }

    pub async fn change(&self, caller: &Session, change: RuleChange) -> Result<()> {
        let (context, user) = (self.context.clone(), caller.user_nid);
        let user_id = caller.user_id.clone();
        let write = self.context.store.write(move |tx| {
            let apply = |rules: &mut Ruleset| apply(rules, change.clone()).map(|()| true);
            change_rules(tx, &context, (user, &user_id), apply)
        });
        write.await
    }
}

/// Changes a user's rules in a job of the writer; `change` says whether it has.
pub(super) fn change_rules(
    tx: &mut Tx<'_>,
    context: &Arc<Context>,
    (user, user_id): (UserNid, &UserId),
    change: impl Fn(&mut Ruleset) -> Result<bool>,
) -> Result<()> {
    let known = push_rules::get(tx, user)?.map(|(rules, _)| rules);
    let mut rules = from_difference(known.as_deref(), user_id)?;
    if !change(&mut rules)? {
        return Ok(());
    }
    let difference = to_difference(&rules, user_id)?;
    if difference.len() > LARGEST {
        return Err(Error::invalid_param("These are too many rules"));
    }
    let position = tx.next_position()?;
    push_rules::set(tx, user, &difference, position)?;
    let before = from_difference(known.as_deref(), user_id)?;
    for row in members::of_user(tx, user)?.iter().filter(|row| row.membership == "join") {
        let room = context.rooms.by_nid(tx, row.room_nid)?;
        let quiet = is_quiet(&rules, &room.id, user_id);
        if quiet != is_quiet(&before, &room.id, user_id) {
            push_counts::set_mode(tx, (user, row.room_nid), position, quiet)?;
        }
    }
    let context = context.clone();
    tx.after_commit(move || {
        context.push_rules.changed(user, position);
        context.notifier.advance(position, [Subject::User(user)]);
    });
    Ok(())
}

fn apply(rules: &mut Ruleset, change: RuleChange) -> Result<()> {
    match change {
        RuleChange::Put { rule, after, before } => {
            if rule.rule_id().len() > RULE_ID_LENGTH || rule.rule_id().contains('\0') {
                return Err(Error::invalid_param("The rule's id is too long"));
            }
            // One that moves is put in as if it were new.
            let (kind, rule_id) = (rule.kind(), rule.rule_id().to_owned());
            let known = rules.get(kind.clone(), &rule_id).map(|rule| rule.enabled());
            if known.is_some() && (after.is_some() || before.is_some()) {
                rules.remove(kind.clone(), &rule_id).map_err(|error| refused(&error))?;
            }
            rules
                .insert(rule, after.as_deref(), before.as_deref())
                .map_err(|error| refused(&error))?;
            if let Some(enabled) = known {
                rules.set_enabled(kind, &rule_id, enabled).map_err(|_| not_found())?;
            }
            Ok(())
        }
        RuleChange::Delete { kind, rule_id } => {
            rules.remove(kind, &rule_id).map_err(|_| not_found())
        }
        RuleChange::Enable { kind, rule_id, enabled } => {
            rules.set_enabled(kind, &rule_id, enabled).map_err(|_| not_found())
        }
        RuleChange::SetActions { kind, rule_id, actions } => {
            rules.set_actions(kind, &rule_id, actions).map_err(|_| not_found())
        }
    }
}

fn not_found() -> Error {
    Error::not_found("There is no such rule")
}

fn refused(error: &dyn std::error::Error) -> Error {
    Error::matrix(StatusCode::BAD_REQUEST, ErrorKind::Unknown, error.to_string())
}
