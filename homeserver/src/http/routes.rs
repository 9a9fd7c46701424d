//! Every endpoint, one line each. Method and paths (r0, v3, unstable at once) come from the ruma type of the
//! handler's argument.

use std::sync::Arc;

use actix_web::{HttpResponse, http::Method};
use futures_util::future::LocalBoxFuture;
use ruma::api::{IncomingRequest, path_builder::PathBuilder as _};

use super::{
    auth::Scheme,
    client::{
        account, admin, backup, capabilities, config, discovery, filter, media, membership,
        message, presence, profile, push, read_marker, receipt, register, relations, reporting,
        room, session, sliding_sync, state, sync, tag, threads, to_device, typing, user_directory,
        voip,
    },
    client::{alias, context, directory, knock, peeking, space},
    client::{dehydrated_device, device, keys, prekeys, sender_keys},
    federation, limits,
    metrics::RouteMetrics,
    router::{Found, Router},
    ruma::{Answer, Call, Ctx, Ruma, call},
    synapse_admin, well_known,
};
use crate::error::Result;

/// All routes of the server.
pub fn routes() -> Routes {
    let mut routes = Routes::default();

    routes.add_raw(Method::GET, "/_matrix/client/versions", discovery::get_supported_versions);
    routes.add(capabilities::get_capabilities);
    routes.add_raw(Method::GET, "/.well-known/matrix/client", well_known::client);
    routes.add_raw(Method::GET, "/.well-known/matrix/server", well_known::server);
    routes.add_raw(Method::GET, "/.well-known/matrix/support", well_known::support);

    routes.add(register::register);
    routes.add(register::get_username_availability);
    routes.add(register::check_registration_token_validity);
    routes.add_raw(Method::GET, synapse_admin::REGISTER, synapse_admin::nonce);
    routes.add_raw(Method::POST, synapse_admin::REGISTER, synapse_admin::register);

    routes.add(session::get_login_types);
    routes.add(session::login);
    routes.add(session::logout);
    routes.add(session::logout_all);
    routes.add(session::get_login_token);
    routes.add(session::refresh_token);
    routes.add(account::whoami);
    routes.add(account::change_password);
    routes.add(account::deactivate);
    routes.add(account::request_openid_token);

    routes.add(admin::get_user_info);
    routes.add(admin::is_user_locked);
    routes.add(admin::lock_user);
    routes.add(admin::is_user_suspended);
    routes.add(admin::suspend_user);
    routes.add(reporting::report_content);
    routes.add(reporting::report_room);
    routes.add(reporting::report_user);

    routes.add(user_directory::search_users);
    routes.add(user_directory::get_mutual_rooms);
    routes.add(voip::get_turn_server_info);

    routes.add(profile::get_profile);
    routes.add(profile::get_profile_field);
    for path in profile::FIELD {
        routes.add_raw(Method::PUT, path, profile::set_profile_field);
    }
    routes.add(profile::delete_profile_field);

    routes.add(device::get_devices);
    routes.add(device::get_device);
    routes.add(device::update_device);
    routes.add(device::delete_device);
    routes.add(device::delete_devices);

    routes.add(keys::upload_keys);
    routes.add(keys::get_keys);
    routes.add(keys::claim_keys);
    routes.add(keys::get_key_changes);
    routes.add(keys::upload_signing_keys);
    routes.add(keys::upload_signatures);
    routes.add_raw(Method::GET, prekeys::BUNDLE, prekeys::bundle);
    routes.add_raw(Method::POST, prekeys::BUNDLE, prekeys::bundle);
    routes.add_raw(Method::POST, prekeys::PREKEYS, prekeys::upload);
    routes.add_raw(Method::GET, prekeys::COUNT, prekeys::count);

    routes.add(filter::create_filter);
    routes.add(filter::get_filter);

    routes.add(push::get_pushrules_all);
    routes.add(push::get_pushrules_global_scope);
    routes.add(push::get_pushrule);
    routes.add(push::set_pushrule);
    routes.add(push::delete_pushrule);
    routes.add(push::get_pushrule_enabled);
    routes.add(push::set_pushrule_enabled);
    routes.add(push::get_pushrule_actions);
    routes.add(push::set_pushrule_actions);
    routes.add(push::get_notifications);

    routes.add(room::create_room);
    routes.add(room::get_room_event);
    routes.add(room::get_event_by_timestamp);
    routes.add(room::get_summary);
    routes.add(room::upgrade_room);
    routes.add(space::get_hierarchy);
    routes.add(context::get_context);

    routes.add(membership::join_room_by_id);
    routes.add(membership::join_room_by_id_or_alias);
    routes.add(knock::knock_room);
    routes.add(membership::invite_user);
    routes.add(membership::leave_room);
    routes.add(membership::kick_user);
    routes.add(membership::ban_user);
    routes.add(membership::unban_user);
    routes.add(membership::forget_room);
    routes.add(membership::get_member_events);
    routes.add(membership::joined_members);
    routes.add(membership::joined_rooms);

    routes.add(message::send_message_event);
    routes.add(message::redact_event);
    routes.add(message::get_message_events);

    routes.add(relations::get_relating_events);
    routes.add(relations::get_relating_events_with_rel_type);
    routes.add(relations::get_relating_events_with_rel_type_and_event_type);
    routes.add(threads::get_threads);

    routes.add(state::get_state_events);
    // The empty state key, without the slash that stands before it.
    let state = [
        "/_matrix/client/r0/rooms/{room_id}/state/{event_type}",
        "/_matrix/client/v3/rooms/{room_id}/state/{event_type}",
    ];
    routes.add_also_at(&state, state::get_state_event_for_key);
    routes.add_also_at(&state, state::send_state_event);

    routes.add(sync::sync_events);
    let get = Method::GET;
    routes.add_raw_at(get.clone(), &peeking::INITIAL_SYNC, peeking::initial_sync);
    routes.add_raw_at(get.clone(), &peeking::ROOM_INITIAL_SYNC, peeking::get_current_state);
    routes.add_raw_at(get.clone(), &peeking::EVENTS, peeking::listen_to_new_events);
    routes.add_raw_at(get, &peeking::EVENT, peeking::get_one_event);
    routes.add_raw(Method::POST, sliding_sync::UNSTABLE, sliding_sync::unstable);
    routes.add_raw(Method::POST, sliding_sync::V4, sliding_sync::v4);

    routes.add(to_device::send_event_to_device);
    routes.add_raw(Method::POST, sender_keys::SENDER_KEYS, sender_keys::deposit);
    routes.add_raw(Method::GET, sender_keys::SENDER_KEYS, sender_keys::waiting);
    routes.add_raw(Method::POST, sender_keys::ACKNOWLEDGE, sender_keys::acknowledge);
    routes.add(dehydrated_device::put_dehydrated_device);
    routes.add(dehydrated_device::get_dehydrated_device);
    routes.add(dehydrated_device::delete_dehydrated_device);
    routes.add(dehydrated_device::get_events);
    routes.add(backup::create_backup_version);
    routes.add(backup::get_latest_backup_info);
    routes.add(backup::get_backup_info);
    routes.add(backup::update_backup_version);
    routes.add(backup::delete_backup_version);
    routes.add(backup::add_backup_keys);
    routes.add(backup::add_backup_keys_for_room);
    routes.add(backup::add_backup_keys_for_session);
    routes.add(backup::get_backup_keys);
    routes.add(backup::get_backup_keys_for_room);
    routes.add(backup::get_backup_keys_for_session);
    routes.add(backup::delete_backup_keys);
    routes.add(backup::delete_backup_keys_for_room);
    routes.add(backup::delete_backup_keys_for_session);

    routes.add(alias::create_alias);
    routes.add(alias::get_alias);
    routes.add(alias::delete_alias);
    routes.add(alias::aliases);
    routes.add_raw_at(Method::GET, &directory::PUBLIC_ROOMS, directory::get_public_rooms);
    routes.add(directory::get_public_rooms_filtered);
    routes.add(directory::get_room_visibility);
    routes.add(directory::set_room_visibility);

    routes.add(config::set_global_account_data);
    routes.add(config::get_global_account_data);
    routes.add(config::set_room_account_data);
    routes.add(config::get_room_account_data);
    routes.add(tag::get_tags);
    routes.add(tag::create_tag);
    routes.add(tag::delete_tag);
    routes.add(receipt::create_receipt);
    routes.add(read_marker::set_read_marker);
    routes.add_raw_at(Method::PUT, &typing::TYPING, typing::create_typing_event);
    routes.add(presence::get_presence);
    routes.add(presence::set_presence);

    media::add_routes(&mut routes);

    routes.add(federation::discovery::get_server_keys);
    routes.add_raw(
        Method::GET,
        federation::discovery::SERVER_KEYS_WITH_ID,
        federation::discovery::get_server_keys_with_id,
    );
    routes.add(federation::discovery::get_remote_server_keys);
    routes.add(federation::discovery::get_remote_server_keys_batch);
    routes.add(federation::discovery::get_server_version);
    routes.add(federation::membership::prepare_join_event);
    routes.add(federation::membership::create_join_event);
    routes.add(federation::membership::prepare_knock_event);
    routes.add(federation::membership::create_knock_event);
    routes.add(federation::membership::prepare_leave_event);
    routes.add(federation::membership::create_leave_event);
    routes.add(federation::membership::create_invite);
    let invite_v1 = federation::membership::INVITE_V1;
    routes.add_raw(Method::PUT, invite_v1, federation::membership::create_invite_v1);
    routes.add(federation::thirdparty::exchange_invite);
    routes.add(federation::transactions::send_transaction_message);
    routes.add(federation::event::get_event);
    routes.add(federation::event::get_room_state);
    routes.add(federation::event::get_room_state_ids);
    routes.add(federation::event::get_missing_events);
    routes.add(federation::event::get_event_by_timestamp);
    routes.add(federation::directory::get_public_rooms);
    routes.add(federation::directory::get_public_rooms_filtered);
    routes.add(federation::authorization::get_event_authorization);
    routes.add(federation::backfill::get_backfill);
    let userinfo = federation::openid::USERINFO;
    routes.add_raw(Method::GET, userinfo, federation::openid::get_openid_userinfo);
    routes.add(federation::device::get_devices);
    routes.add(federation::keys::get_keys);
    routes.add(federation::keys::claim_keys);
    let media = federation::media::CONTENT;
    routes.add_raw(Method::GET, media, federation::media::get_content);
    let thumbnail = federation::media::THUMBNAIL;
    routes.add_raw(Method::GET, thumbnail, federation::media::get_content_thumbnail);
    routes.add(federation::space::get_hierarchy);
    routes.add(federation::query::get_room_information);
    routes.add(federation::query::get_profile_information);
    routes.add_raw(Method::GET, federation::query::OTHER, federation::query::query);

    routes
}

/// Which listeners serve a route.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    Client,
    Federation,
}

impl Side {
    pub fn of(path: &str) -> Self {
        let federation = ["/_matrix/federation/", "/_matrix/key/"];
        if federation.iter().any(|prefix| path.starts_with(prefix)) {
            Self::Federation
        } else {
            Self::Client
        }
    }
}

type Run = Box<dyn Fn(Ctx, Call) -> LocalBoxFuture<'static, Result<HttpResponse>> + Send + Sync>;

pub struct Route {
    /// Its newest path.
    pub name: &'static str,
    pub method: Method,
    pub body_limit: usize,
    pub metrics: RouteMetrics,
    pub run: Run,
}

impl Route {
    /// As Prometheus tells one route from another.
    pub fn labels(&self) -> String {
        format!("method=\"{}\",path=\"{}\"", self.method, self.name)
    }
}

#[derive(Default)]
pub struct Routes {
    router: Router<Arc<Route>>,
    all: Vec<Arc<Route>>,
}

impl Routes {
    /// An endpoint of a ruma type.
    pub fn add<R, A, F>(
        &mut self,
        handler: impl Fn(Ctx, Ruma<R>) -> F + Copy + Send + Sync + 'static,
    ) where
        R: IncomingRequest<Authentication: Scheme> + 'static,
        A: Answer + 'static,
        F: Future<Output = Result<A>> + 'static,
    {
        self.add_also_at(&[], handler);
    }

    /// An endpoint of a ruma type that answers at more paths than the type knows.
    pub fn add_also_at<R, A, F>(
        &mut self,
        more: &[&'static str],
        handler: impl Fn(Ctx, Ruma<R>) -> F + Copy + Send + Sync + 'static,
    ) where
        R: IncomingRequest<Authentication: Scheme> + 'static,
        A: Answer + 'static,
        F: Future<Output = Result<A>> + 'static,
    {
        let paths: Vec<&'static str> = R::PATH_BUILDER.all_paths().collect();
        let method = Method::from_bytes(R::METHOD.as_str().as_bytes()).unwrap_or(Method::GET);
        let run: Run = Box::new(move |ctx, request| Box::pin(call(ctx, request, handler)));
        let name = paths.last().copied().unwrap_or_default();
        self.insert(method, name, paths.iter().chain(more).copied(), run);
    }

    /// An endpoint that ruma has no type for.
    pub fn add_raw<F>(
        &mut self,
        method: Method,
        path: &'static str,
        handler: impl Fn(Ctx, Call) -> F + Copy + Send + Sync + 'static,
    ) where
        F: Future<Output = Result<HttpResponse>> + 'static,
    {
        self.add_raw_at(method, &[path], handler);
    }

    /// The same at several paths, the newest one last.
    pub fn add_raw_at<F>(
        &mut self,
        method: Method,
        paths: &[&'static str],
        handler: impl Fn(Ctx, Call) -> F + Copy + Send + Sync + 'static,
    ) where
        F: Future<Output = Result<HttpResponse>> + 'static,
    {
        let run: Run = Box::new(move |ctx, request| Box::pin(handler(ctx, request)));
        let name = paths.last().copied().unwrap_or_default();
        self.insert(method, name, paths.iter().copied(), run);
    }

    fn insert(
        &mut self,
        method: Method,
        name: &'static str,
        paths: impl Iterator<Item = &'static str>,
        run: Run,
    ) {
        let body_limit = match Side::of(name) {
            Side::Client => limits::CLIENT_BODY,
            Side::Federation => limits::FEDERATION_BODY,
        };
        let metrics = RouteMetrics::default();
        let route = Arc::new(Route { name, method, body_limit, metrics, run });
        for path in paths {
            self.router.add(&route.method, path, Arc::clone(&route));
        }
        self.all.push(route);
    }

    pub fn find(&self, method: &Method, path: &str) -> Found<'_, Arc<Route>> {
        self.router.find(method, path)
    }

    pub fn all(&self) -> &[Arc<Route>] {
        &self.all
    }
}
