//! User-interactive authentication: sessions in memory, each with the stages that were completed. A session
//! is good for the purpose it was begun for: one request of one user.
//!
//! <https://spec.matrix.org/v1.16/client-server-api/#user-interactive-authentication-api>

use std::{collections::HashMap, time::Duration};

use parking_lot::Mutex;
use ruma::api::{
    client::uiaa::{AuthFlow, AuthType, UiaaInfo},
    error::{ErrorKind, StandardErrorBody},
};

use super::random;
use crate::{
    clock::Clock,
    error::{Error, Result},
};

/// More sessions than this push the oldest out.
const SESSIONS: usize = 10_000;
const LIFETIME: Duration = Duration::from_secs(15 * 60);

pub struct Uia {
    clock: Clock,
    sessions: Mutex<HashMap<String, Session>>,
}

#[derive(Clone, Debug)]
struct Session {
    purpose: String,
    began_at: i64,
    completed: Vec<Completed>,
}

/// A stage that was completed, with what it proved.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Completed {
    pub stage: AuthType,
    /// The registration token, where that is the stage.
    pub token: Option<String>,
}

/// What a client sent as `auth`, judged.
#[derive(Clone, Debug)]
pub enum Attempt {
    /// Nothing, or no more than a session.
    None,
    Passed(Completed),
    Failed(ErrorKind, &'static str),
}

impl Uia {
    pub fn new(clock: Clock) -> Self {
        Self { clock, sessions: Mutex::default() }
    }

    /// The stages completed so far for `purpose`, once they make up one of `flows`; otherwise 401 with what is
    /// left.
    pub fn advance(
        &self,
        purpose: &str,
        flows: &[Vec<AuthType>],
        session: Option<&str>,
        attempt: Attempt,
    ) -> Result<Vec<Completed>> {
        let mut sessions = self.sessions.lock();
        let now = self.clock.now_ms();
        let known = session.and_then(|id| Some((id.to_owned(), sessions.get(id)?.clone())));
        let (id, mut state) = match known {
            Some((id, state))
                if state.purpose == purpose
                    && now - state.began_at < LIFETIME.as_millis() as i64 =>
            {
                (id, state)
            }
            Some(_) | None => {
                let id = random::letters_and_digits(24, &mut rand::rng());
                let purpose = purpose.to_owned();
                (id, Session { purpose, began_at: now, completed: Vec::new() })
            }
        };
        let failure = match attempt {
            Attempt::None => None,
            Attempt::Failed(kind, message) => Some((kind, message)),
            Attempt::Passed(completed) => {
                state.completed.retain(|earlier| earlier.stage != completed.stage);
                state.completed.push(completed);
                None
            }
        };
        let completed = state.completed.clone();
        if sessions.len() >= SESSIONS {
            forget_oldest(&mut sessions);
        }
        sessions.insert(id.clone(), state);
        drop(sessions);

        let has = |stage: &AuthType| completed.iter().any(|done| done.stage == *stage);
        if failure.is_none() && flows.iter().any(|flow| flow.iter().all(has)) {
            return Ok(completed);
        }
        Err(challenge(flows, id, &completed, failure))
    }
}

fn forget_oldest(sessions: &mut HashMap<String, Session>) {
    let mut times: Vec<i64> = sessions.values().map(|session| session.began_at).collect();
    let middle = times.len() / 2;
    let (_, &mut middle, _) = times.select_nth_unstable(middle);
    sessions.retain(|_, session| session.began_at > middle);
}

fn challenge(
    flows: &[Vec<AuthType>],
    session: String,
    completed: &[Completed],
    failure: Option<(ErrorKind, &str)>,
) -> Error {
    let mut info = UiaaInfo::new(flows.iter().cloned().map(AuthFlow::new).collect());
    info.session = Some(session);
    info.completed = completed.iter().map(|done| done.stage.clone()).collect();
    info.auth_error =
        failure.map(|(kind, error)| Box::new(StandardErrorBody::new(kind, error.to_owned())));
    match serde_json::to_value(&info) {
        Ok(mut body) => {
            if let Some(body) = body.as_object_mut() {
                body.insert("params".to_owned(), serde_json::json!({}));
            }
            Error::Uia(Box::new(body))
        }
        Err(error) => Error::internal(format!("challenge: {error}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn body(error: Error) -> serde_json::Value {
        match error {
            Error::Uia(body) => *body,
            other => panic!("{other}"),
        }
    }

    fn passed(stage: AuthType) -> Attempt {
        Attempt::Passed(Completed { stage, token: None })
    }

    #[test]
    fn stages_add_up_over_a_session() {
        let uia = Uia::new(Clock::fixed(0));
        let flows = [vec![AuthType::Dummy, AuthType::Terms]];
        let begun = body(uia.advance("register", &flows, None, Attempt::None).unwrap_err());
        let session = begun["session"].as_str().unwrap();
        assert_eq!(begun["flows"][0]["stages"][0], "m.login.dummy");

        let half = body(
            uia.advance("register", &flows, Some(session), passed(AuthType::Dummy)).unwrap_err(),
        );
        assert_eq!(half["session"], session);
        assert_eq!(half["completed"][0], "m.login.dummy");
        assert_eq!(
            uia.advance("register", &flows, Some(session), passed(AuthType::Terms)).unwrap().len(),
            2
        );
        assert_eq!(uia.advance("register", &flows, Some(session), Attempt::None).unwrap().len(), 2);
    }

    #[test]
    fn a_session_is_good_for_its_purpose_only() {
        let uia = Uia::new(Clock::fixed(0));
        let flows = [vec![AuthType::Password]];
        let wrong = Attempt::Failed(ErrorKind::Forbidden, "Wrong password");
        let begun = body(uia.advance("delete @a:x", &flows, None, wrong).unwrap_err());
        let session = begun["session"].as_str();
        uia.advance("delete @a:x", &flows, session, passed(AuthType::Password)).unwrap();
        assert!(uia.advance("delete @b:x", &flows, session, Attempt::None).is_err());
    }

    #[test]
    fn a_failed_stage_says_why() {
        let uia = Uia::new(Clock::fixed(0));
        let flows = [vec![AuthType::Password]];
        let failed = Attempt::Failed(ErrorKind::Forbidden, "Wrong password");
        let answer = body(uia.advance("register", &flows, None, failed).unwrap_err());
        assert_eq!(answer["errcode"], "M_FORBIDDEN");
        assert_eq!(answer["error"], "Wrong password");
    }

    #[test]
    fn an_old_session_is_forgotten() {
        let clock = Clock::fixed(0);
        let uia = Uia::new(clock.clone());
        let flows = [vec![AuthType::Dummy, AuthType::Terms]];
        let begun =
            body(uia.advance("register", &flows, None, passed(AuthType::Dummy)).unwrap_err());
        clock.advance(LIFETIME.as_millis() as i64);
        let session = begun["session"].as_str();
        assert!(uia.advance("register", &flows, session, passed(AuthType::Terms)).is_err());
    }
}
