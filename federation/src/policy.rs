//! Whom this server talks to.

use ruma::{OwnedServerName, ServerName};

use crate::Error;

/// The servers that may be asked and answered.
#[derive(Clone, Debug)]
pub struct Policy {
    enabled: bool,
    allowed: Vec<String>,
    denied: Vec<String>,
}

impl Default for Policy {
    /// Everybody.
    fn default() -> Self {
        Self { enabled: true, allowed: Vec::new(), denied: Vec::new() }
    }
}

impl Policy {
    /// `allowed`, unless empty, are the only servers we talk to; never to those `denied`. Names without regard
    /// to case.
    pub fn new(enabled: bool, mut allowed: Vec<String>, mut denied: Vec<String>) -> Self {
        allowed.iter_mut().chain(&mut denied).for_each(|name| name.make_ascii_lowercase());
        Self { enabled, allowed, denied }
    }

    /// Whether we talk to other servers at all.
    pub fn is_enabled(&self) -> bool {
        self.enabled
    }

    /// Whether we talk to `server`.
    pub fn allows(&self, server: &ServerName) -> bool {
        let named =
            |list: &[String]| list.iter().any(|name| name.eq_ignore_ascii_case(server.as_str()));
        self.enabled && !named(&self.denied) && (self.allowed.is_empty() || named(&self.allowed))
    }

    /// An error unless we talk to `server`.
    pub fn check(&self, server: &ServerName) -> Result<(), Error> {
        if self.allows(server) {
            Ok(())
        } else {
            Err(Error::NotAllowed(OwnedServerName::from(server)))
        }
    }
}

#[cfg(test)]
mod tests {
    use ruma::server_name;

    use super::*;

    #[test]
    fn denied_comes_before_allowed_and_allowed_excludes_the_others() {
        let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        let policy = Policy::new(true, names(&["A.test", "b.test"]), names(&["b.test"]));
        assert!(policy.allows(server_name!("a.test")));
        assert!(!policy.allows(server_name!("b.test")));
        assert!(policy.check(server_name!("c.test")).is_err());
        assert!(Policy::default().allows(server_name!("c.test")));
        assert!(!Policy::new(false, Vec::new(), Vec::new()).allows(server_name!("c.test")));
    }
}
