//! Servers that did not answer: who waits for an answer of theirs is told so at once, until it is worth trying again.
//!
//! Each attempt that brings nothing makes the pause twice as long. A sign of life ends it, also one that comes while
//! somebody asks: a server that is slow with one thing is there. That nobody else was heard from while a server did not
//! answer may be our own fault: the next sign of life of anybody ends that server's pause, once.

use std::{
    collections::HashMap,
    time::{Duration, Instant},
};

use parking_lot::Mutex;
use ruma::{OwnedServerName, ServerName};
use sealpost_federation::Error;

use crate::clock::Clock;

/// The first and the longest pause, in milliseconds.
const SHORTEST_MS: i64 = 30_000;
const LONGEST_MS: i64 = 5 * 60_000;
/// Who has waited so long and goes has had no answer.
const GAVE_UP: Duration = Duration::from_secs(5);
/// Who wants to enter a room has a silent server tried at once, so often, in milliseconds.
const AGAIN_MS: i64 = 5_000;
/// How many servers are remembered.
const REMEMBERED: usize = 10_000;

#[derive(Debug, Default)]
pub struct SilentServers(Mutex<Known>);

#[derive(Debug, Default)]
struct Known {
    servers: HashMap<OwnedServerName, Silence>,
    /// When anybody was heard from last.
    heard: Option<Instant>,
    /// Those that fell silent since, and may not be to blame.
    doubted: Vec<OwnedServerName>,
}

#[derive(Debug, Default)]
struct Silence {
    /// How many ask the server just now.
    asking: usize,
    /// When it was heard from last while somebody did.
    heard: Option<Instant>,
    failures: u32,
    /// Until when it is left alone.
    until: i64,
    /// Until when, even by who wants to enter a room.
    again_at: i64,
}

/// What tells that a server is not there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Patience {
    /// It answers at once, or not.
    Short,
    /// An answer may take its time: only one that is not reached is not there.
    Long,
}

/// Somebody asks a server, until this is dropped.
pub struct Asking<'a> {
    servers: &'a SilentServers,
    server: &'a ServerName,
    clock: &'a Clock,
    patience: Patience,
    began: Instant,
    is_silent: Option<bool>,
}

impl SilentServers {
    /// An error where the server did not answer lately.
    pub fn ask<'a>(
        &'a self,
        server: &'a ServerName,
        patience: Patience,
        clock: &'a Clock,
    ) -> Result<Asking<'a>, Error> {
        if self.is_silent(server, clock.now_ms()) {
            return Err(Error::Silent);
        }
        Ok(self.attempt(server, patience, clock))
    }

    pub fn is_silent(&self, server: &ServerName, now: i64) -> bool {
        self.0.lock().servers.get(server).is_some_and(|silence| silence.until > now)
    }

    /// The same as [`SilentServers::ask`], for who should not wait because a server was down some minutes ago.
    pub fn ask_again<'a>(
        &'a self,
        server: &'a ServerName,
        patience: Patience,
        clock: &'a Clock,
    ) -> Result<Asking<'a>, Error> {
        let now = clock.now_ms();
        if let Some(silence) = self.0.lock().servers.get_mut(server)
            && silence.until > now
        {
            if silence.again_at > now {
                return Err(Error::Silent);
            }
            silence.again_at = now.saturating_add(AGAIN_MS);
        }
        Ok(self.attempt(server, patience, clock))
    }

    /// The same as [`SilentServers::ask`], whatever is known of the server.
    pub fn attempt<'a>(
        &'a self,
        server: &'a ServerName,
        patience: Patience,
        clock: &'a Clock,
    ) -> Asking<'a> {
        let servers = &mut self.0.lock().servers;
        if servers.len() >= REMEMBERED {
            let now = clock.now_ms();
            servers.retain(|_, silence| silence.asking > 0 || silence.until > now);
        }
        servers.entry(server.to_owned()).or_default().asking += 1;
        Asking { servers: self, server, clock, patience, began: Instant::now(), is_silent: None }
    }

    /// Answers with the other servers that are worth a try now.
    pub fn heard_from(&self, server: &ServerName) -> Vec<OwnedServerName> {
        let mut known = self.0.lock();
        let Known { servers, heard, doubted } = &mut *known;
        *heard = Some(Instant::now());
        let doubted = std::mem::take(doubted);
        for doubted in &doubted {
            if let Some(silence) = servers.get_mut(doubted) {
                silence.until = 0;
            }
        }
        if let Some(silence) = servers.get_mut(server) {
            if silence.asking == 0 {
                servers.remove(server);
            } else {
                *silence = Silence { asking: silence.asking, heard: *heard, ..Silence::default() };
            }
        }
        doubted
    }
}

impl Asking<'_> {
    /// How it went.
    pub fn ended(mut self, error: Option<&Error>) {
        self.is_silent = Some(match error {
            Some(Error::Discovery { .. } | Error::Connection(_)) => true,
            Some(Error::Timeout) => self.patience == Patience::Short,
            _ => false,
        });
    }
}

impl Drop for Asking<'_> {
    fn drop(&mut self) {
        let gave_up = || self.patience == Patience::Short && self.began.elapsed() >= GAVE_UP;
        let is_silent = self.is_silent.unwrap_or_else(gave_up);
        let mut known = self.servers.0.lock();
        let Known { servers, heard, doubted } = &mut *known;
        let Some(silence) = servers.get_mut(self.server) else { return };
        silence.asking = silence.asking.saturating_sub(1);
        let now = self.clock.now_ms();
        let is_heard = silence.heard.is_some_and(|heard| heard >= self.began);
        // Several that asked at once have learned one thing.
        if is_silent && !is_heard && silence.until <= now {
            let pause = SHORTEST_MS.checked_shl(silence.failures.min(16)).unwrap_or(LONGEST_MS);
            silence.until = now.saturating_add(pause.min(LONGEST_MS));
            silence.failures = silence.failures.saturating_add(1);
            let is_heard_of_others = heard.is_some_and(|heard| heard >= self.began);
            if silence.failures == 1 && !is_heard_of_others && doubted.len() < REMEMBERED {
                doubted.push(self.server.to_owned());
            }
        }
        if silence.asking == 0 {
            silence.heard = None;
            if silence.failures == 0 || servers.len() > REMEMBERED {
                servers.remove(self.server);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use ruma::server_name;

    use super::*;

    fn fail(servers: &SilentServers, clock: &Clock) {
        let lost = Error::Connection("lost".to_owned());
        let asking = servers.ask(server_name!("b.test"), Patience::Short, clock).unwrap();
        asking.ended(Some(&lost));
    }

    fn is_silent(servers: &SilentServers, clock: &Clock) -> bool {
        let asked = servers.ask(server_name!("b.test"), Patience::Short, clock);
        asked.map(|asking| asking.ended(Some(&Error::Response(String::new())))).is_err()
    }

    #[test]
    fn each_failure_makes_the_pause_longer_up_to_a_bound_and_a_sign_of_life_ends_it() {
        let (servers, clock) = (SilentServers::default(), Clock::fixed(1_000));
        for pause in [30, 60, 120, 240, 300, 300] {
            fail(&servers, &clock);
            clock.advance(pause * 1_000 - 1);
            assert!(is_silent(&servers, &clock), "{pause}");
            clock.advance(1);
        }
        fail(&servers, &clock);
        servers.heard_from(server_name!("b.test"));
        assert!(!is_silent(&servers, &clock));
        assert!(servers.0.lock().servers.is_empty());
        fail(&servers, &clock);
        clock.advance(SHORTEST_MS);
        assert!(!is_silent(&servers, &clock));
    }

    #[test]
    fn who_is_not_heard_while_nobody_is_may_be_there_when_somebody_is_heard() {
        let (servers, clock) = (SilentServers::default(), Clock::fixed(1_000));
        fail(&servers, &clock);
        // Our network is back.
        assert_eq!(servers.heard_from(server_name!("c.test")), ["b.test"]);
        assert!(!servers.is_silent(server_name!("b.test"), clock.now_ms()));
        // That one is not.
        for pause in [60, 120] {
            fail(&servers, &clock);
            assert!(servers.heard_from(server_name!("c.test")).is_empty());
            clock.advance(pause * 1_000 - 1);
            assert!(is_silent(&servers, &clock));
            clock.advance(1);
        }

        let (servers, d) = (SilentServers::default(), server_name!("d.test"));
        let asking = servers.ask(d, Patience::Short, &clock).unwrap();
        servers.heard_from(server_name!("c.test"));
        asking.ended(Some(&Error::Timeout));
        assert!(servers.heard_from(server_name!("c.test")).is_empty());
        assert!(servers.is_silent(d, clock.now_ms()));
    }

    #[test]
    fn who_wants_to_enter_has_a_silent_server_tried_now_and_then() {
        let (servers, clock) = (SilentServers::default(), Clock::fixed(1_000));
        fail(&servers, &clock);
        let b = server_name!("b.test");
        let again = || {
            let asked = servers.ask_again(b, Patience::Short, &clock);
            asked.map(|asking| asking.ended(Some(&Error::Timeout))).is_ok()
        };
        assert_eq!([again(), again(), again()], [true, false, false]);
        assert!(is_silent(&servers, &clock));
        clock.advance(AGAIN_MS);
        assert_eq!([again(), again()], [true, false]);
        servers.heard_from(b);
        assert_eq!([again(), again()], [true, true]);
    }

    #[test]
    fn several_that_ask_at_once_learn_one_thing() {
        let (servers, clock) = (SilentServers::default(), Clock::fixed(1_000));
        let b = server_name!("b.test");
        let ask = || servers.ask(b, Patience::Short, &clock).unwrap();
        let asking: Vec<_> = (0..5).map(|_| ask()).collect();
        asking.into_iter().for_each(|asking| asking.ended(Some(&Error::Timeout)));
        assert!(is_silent(&servers, &clock));
        clock.advance(SHORTEST_MS);
        assert!(!is_silent(&servers, &clock));
    }

    #[test]
    fn a_server_that_is_slow_with_one_thing_is_there() {
        let (servers, clock) = (SilentServers::default(), Clock::fixed(1_000));
        let b = server_name!("b.test");
        let asking = servers.ask(b, Patience::Short, &clock).unwrap();
        servers.heard_from(b);
        asking.ended(Some(&Error::Timeout));
        assert!(!is_silent(&servers, &clock));
        servers.attempt(b, Patience::Long, &clock).ended(Some(&Error::Timeout));
        drop(servers.ask(b, Patience::Short, &clock));
        assert!(!is_silent(&servers, &clock));
    }

    #[test]
    fn one_that_went_down_is_known_to_be_while_it_is_asked_all_the_time() {
        let (servers, clock) = (SilentServers::default(), Clock::fixed(1_000));
        let b = server_name!("b.test");
        let ask = || servers.ask(b, Patience::Short, &clock).unwrap();
        let before = ask();
        servers.heard_from(b);
        std::thread::sleep(Duration::from_millis(1));
        let after = ask();
        before.ended(None);
        after.ended(Some(&Error::Timeout));
        assert!(is_silent(&servers, &clock));
    }

    #[test]
    fn what_is_remembered_is_bounded() {
        let (servers, clock) = (SilentServers::default(), Clock::fixed(1_000));
        for number in 0..REMEMBERED + 100 {
            let name = OwnedServerName::try_from(format!("{number}.test")).unwrap();
            servers.attempt(&name, Patience::Short, &clock).ended(Some(&Error::Timeout));
        }
        assert_eq!(servers.0.lock().servers.len(), REMEMBERED);
    }
}
