//! Server access control lists: which servers may take part in a room
//! ([spec](https://spec.matrix.org/v1.19/client-server-api/#server-access-control-lists-acls-for-rooms)).
//!
//! 1. A server whose name is an IP literal is denied where `allow_ip_literals` is `false`.
//! 2. A server that an entry of `deny` matches is denied.
//! 3. A server that an entry of `allow` matches is allowed, every other is denied.
//!
//! Ports don't count, nor does case. What is not of the type that the specification gives counts as absent.

use ruma::ServerName;
use serde_json::Value;

use super::event::Pdu;

/// The content of an `m.room.server_acl` event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerAcl {
    allow_ip_literals: bool,
    allow: Vec<Box<[u8]>>,
    deny: Vec<Box<[u8]>>,
}

impl ServerAcl {
    /// The list that an `m.room.server_acl` event holds.
    pub fn of(pdu: &Pdu) -> Self {
        Self::new(&pdu.content_as().unwrap_or_default())
    }

    fn new(content: &Value) -> Self {
        let patterns = |name: &str| {
            let entries = content.get(name).and_then(Value::as_array);
            let texts = entries.into_iter().flatten().filter_map(Value::as_str);
            texts.map(|text| text.to_lowercase().into_bytes().into_boxed_slice()).collect()
        };
        Self {
            allow_ip_literals: content.get("allow_ip_literals") != Some(&Value::Bool(false)),
            allow: patterns("allow"),
            deny: patterns("deny"),
        }
    }

    /// Whether `server` may take part.
    pub fn allows(&self, server: &ServerName) -> bool {
        if !self.allow_ip_literals && server.is_ip_literal() {
            return false;
        }
        let host = server.host().to_ascii_lowercase();
        let named = |patterns: &[Box<[u8]>]| {
            patterns.iter().any(|pattern| glob_matches(pattern, host.as_bytes()))
        };
        !named(&self.deny) && named(&self.allow)
    }
}

/// Whether a glob matches all of `text`: `*` is any characters, `?` is one. A server name is ASCII, so a
/// character is a byte. Going back to the last `*` is enough, so the time is at most the product of both
/// lengths.
fn glob_matches(glob: &[u8], text: &[u8]) -> bool {
    let (mut at, mut read) = (0, 0);
    // Where the last `*` is, and up to where it stands for text.
    let mut star: Option<(usize, usize)> = None;
    while let Some(&byte) = text.get(read) {
        match glob.get(at) {
            Some(b'*') => {
                star = Some((at, read));
                at += 1;
            }
            Some(&wanted) if wanted == b'?' || wanted == byte => {
                at += 1;
                read += 1;
            }
            _ => {
                let Some((before, taken)) = star else { return false };
                star = Some((before, taken + 1));
                at = before + 1;
                read = taken + 1;
            }
        }
    }
    glob.get(at..).is_some_and(|rest| rest.iter().all(|&byte| byte == b'*'))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn allows(content: &Value, server: &str) -> bool {
        ServerAcl::new(content).allows(<&ServerName>::try_from(server).unwrap())
    }

    #[test]
    fn globs_match_whole_names() {
        for (glob, matching, other) in [
            ("a.test", "a.test", "b.a.test"),
            ("*.test", "b.a.test", "test"),
            ("?.test", "a.test", "ab.test"),
            ("a*a*a", "abcaa", "ab"),
            ("*evil*", "very-evil.test", "good.test"),
            ("*", "x", "-"),
            ("a**", "a", "ba"),
            ("*.*a", "b.aba", "b.abb"),
        ] {
            assert!(glob_matches(glob.as_bytes(), matching.as_bytes()), "{glob} {matching}");
            assert!(other == "-" || !glob_matches(glob.as_bytes(), other.as_bytes()), "{glob}");
        }
        assert!(!glob_matches(b"", b"x") && glob_matches(b"*", b""));
        let (slow, text) = ("*a".repeat(30_000), "a".repeat(230));
        assert!(!glob_matches(slow.as_bytes(), text.as_bytes()));
    }

    #[test]
    fn deny_comes_before_allow_and_what_is_not_named_is_denied() {
        let acl = json!({ "allow": ["*.good.test", "both.test"], "deny": ["both.*"] });
        assert!(allows(&acl, "a.good.test"));
        assert!(!allows(&acl, "both.test"));
        assert!(!allows(&acl, "other.test"));
        assert!(!allows(&json!({}), "a.test"));
    }

    #[test]
    fn ports_and_case_do_not_count() {
        let acl = json!({ "allow": ["*"], "deny": ["Evil.Test"] });
        for server in ["evil.test", "EVIL.test:8448", "evil.test:1"] {
            assert!(!allows(&acl, server), "{server}");
        }
        assert!(!allows(&json!({ "allow": ["*"], "deny": ["1.1.1.1"] }), "1.1.1.1:8448"));
        assert!(!allows(&json!({ "allow": ["*"], "deny": ["[fe80::*"] }), "[FE80::1]:8448"));
    }

    #[test]
    fn ip_literals_are_denied_only_by_false() {
        let without = json!({ "allow": ["*"], "allow_ip_literals": false });
        for literal in ["1.2.3.4", "1.2.3.4:8448", "[::1]", "[::1]:8448"] {
            assert!(!allows(&without, literal), "{literal}");
            assert!(allows(&json!({ "allow": ["*"], "allow_ip_literals": "false" }), literal));
            assert!(allows(&json!({ "allow": ["*"] }), literal));
        }
        assert!(allows(&without, "1.2.3.example.test"));
    }

    #[test]
    fn entries_of_another_type_count_as_absent() {
        assert!(!allows(&json!({ "allow": "*" }), "a.test"));
        assert!(allows(&json!({ "allow": [1, "*", null], "deny": { "a": 1 } }), "a.test"));
    }
}
