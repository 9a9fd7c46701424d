//! What a caller may not do whoever they are in the room: as a guest, when locked or suspended, and too often.

use std::sync::Arc;

use actix_web::{HttpRequest, http::Method};

use super::{limits::Kind, ruma::Ctx};
use crate::{error::Result, service::sessions::Session};

/// Lets a request pass, or says why not.
pub fn check(ctx: &Ctx, caller: &Arc<Session>, request: &HttpRequest) -> Result<()> {
    let endpoint = Endpoint::of(request);
    if !endpoint.is_logout() {
        caller.check_not_locked()?;
    }
    if caller.is_guest && !endpoint.is_for_guests() {
        caller.check_not_guest()?;
    }
    if endpoint.is_speaking() {
        caller.check_not_suspended()?;
    }
    match endpoint.kind() {
        Some(kind) => ctx.rate_limits.request(kind, caller.user_id.as_str()),
        None => Ok(()),
    }
}

/// A request's method and the first segments of its path behind `/_matrix/{api}/{version}/`.
#[derive(Clone, Copy)]
struct Endpoint<'a> {
    method: &'a Method,
    api: &'a str,
    path: [&'a str; 4],
}

impl<'a> Endpoint<'a> {
    fn of(request: &'a HttpRequest) -> Self {
        Self::new(request.method(), request.uri().path())
    }

    fn new(method: &'a Method, path: &'a str) -> Self {
        let mut segments = path.split('/').skip(2);
        let api = segments.next().unwrap_or_default();
        let mut segments = segments.skip(1);
        let mut next = || segments.next().unwrap_or_default();
        Self { method, api, path: [next(), next(), next(), next()] }
    }

    fn is(self, method: &Method) -> bool {
        self.method == method
    }

    fn is_logout(self) -> bool {
        self.path[0] == "logout"
    }

    /// The endpoints that the specification lets guests use, and what is asked of anybody's own session.
    fn is_for_guests(self) -> bool {
        let [first, _, third, _] = self.path;
        let (get, post, put) =
            (self.is(&Method::GET), self.is(&Method::POST), self.is(&Method::PUT));
        match first {
            "rooms" => match third {
                "state" => get || put,
                "context" | "event" | "messages" | "initialSync" | "members" => get,
                "join" | "leave" => post,
                "send" => put,
                _ => false,
            },
            "join" => post,
            "sync" => true,
            "events" | "capabilities" | "pushrules" | "profile" => get || third == "displayname",
            "user" => third == "filter",
            "sendToDevice" => put,
            "devices" => get || put,
            "keys" => post && matches!(self.path[1], "upload" | "query" | "claim"),
            "account" => get,
            "org.sealpost" => matches!(self.path[1], "keys" | "rooms"),
            "logout" => true,
            _ => false,
        }
    }

    /// What is taken from suspended users.
    fn is_speaking(self) -> bool {
        let [first, _, third, _] = self.path;
        let changes = !self.is(&Method::GET);
        match first {
            "rooms" => changes && matches!(third, "send" | "state" | "join" | "invite" | "upgrade"),
            "join" | "knock" | "createRoom" | "profile" => changes,
            _ => false,
        }
    }

    fn kind(self) -> Option<Kind> {
        let [first, second, third, fourth] = self.path;
        // A one-time key is claimed whatever the method.
        if (first, second, fourth) == ("org.sealpost", "keys", "bundle") {
            return Some(Kind::Claim);
        }
        if self.is(&Method::GET) {
            return None;
        }
        match (self.api, first) {
            ("media", "upload" | "create") => Some(Kind::Upload),
            (_, "rooms") => match third {
                "send" | "state" | "redact" => Some(Kind::Send),
                "join" => Some(Kind::Join),
                "upgrade" => Some(Kind::CreateRoom),
                "invite" => Some(Kind::Invite),
                "report" => Some(Kind::Report),
                _ => None,
            },
            (_, "join" | "knock") => Some(Kind::Join),
            (_, "createRoom") => Some(Kind::CreateRoom),
            (_, "keys") if second == "claim" => Some(Kind::Claim),
            (_, "sendToDevice") => Some(Kind::ToDevice),
            (_, "org.sealpost") if fourth == "sender-keys" => Some(Kind::ToDevice),
            (_, "user_directory" | "publicRooms" | "search") => Some(Kind::Search),
            (_, "users") => Some(Kind::Report),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_endpoint_is_known_by_its_path() {
        let at = |path| Endpoint::new(&Method::PUT, path);
        assert!(at("/_matrix/client/v3/rooms/!a:b/send/m.room.message/1").is_speaking());
        assert!(!at("/_matrix/client/v3/rooms/!a:b/redact/$a/1").is_speaking());
        assert!(at("/_matrix/client/r0/rooms/!a:b/send/m.room.message/1").is_for_guests());
        assert!(at("/_matrix/client/v3/rooms/!a:b/state/m.room.name").is_for_guests());
        assert!(!at("/_matrix/client/v3/rooms/!a:b/redact/$a/1").is_for_guests());
        assert!(at("/_matrix/client/v3/profile/@a:b/displayname").is_for_guests());
        assert!(!at("/_matrix/client/v3/profile/@a:b/avatar_url").is_for_guests());
        assert!(Endpoint::new(&Method::POST, "/_matrix/client/v3/logout/all").is_logout());
        let upload = Endpoint::new(&Method::POST, "/_matrix/media/v3/upload");
        assert_eq!(upload.kind(), Some(Kind::Upload));
        assert!(!upload.is_for_guests());
        let ours = "/_matrix/client/unstable/org.sealpost";
        let bundle = format!("{ours}/keys/@a:b/bundle");
        assert_eq!(Endpoint::new(&Method::GET, &bundle).kind(), Some(Kind::Claim));
        let deposit = format!("{ours}/rooms/!a:b/sender-keys");
        assert_eq!(Endpoint::new(&Method::POST, &deposit).kind(), Some(Kind::ToDevice));
        assert_eq!(Endpoint::new(&Method::GET, &deposit).kind(), None);
    }
}
