//! Servers that may help to enter a room: each is asked when those before it failed, or are slow.
//!
//! What is asked, a template, changes nothing there, so several may have been asked when one has answered.

use std::{
    collections::VecDeque,
    pin::pin,
    time::{Duration, Instant},
};

use futures_util::{StreamExt, stream::FuturesUnordered};
use ruma::OwnedServerName;
use sealpost_federation::client::Limits;

use super::Remote;

/// How many servers are asked.
const SERVERS_MAX: usize = 10;
/// After so long without an answer the next server is asked too.
const SOON: Duration = Duration::from_secs(3);
/// After so long no other is.
const ASKED_WITHIN: Duration = Duration::from_secs(8 * 60);
/// How long one may take to tell the room where there are others.
const SHARE: Duration = Duration::from_secs(3 * 60);

impl Remote {
    /// Those of `via` that are asked to help entering a room. Those that did not answer lately come last.
    pub(super) fn helpers<'a>(
        &self,
        via: &'a [OwnedServerName],
    ) -> impl Iterator<Item = &'a OwnedServerName> + use<'a> {
        let own = &self.context.server_name;
        let others = via.iter().filter(|server| *server != own);
        let (silent, there): (Vec<_>, Vec<_>) = others.partition(|server| self.is_silent(server));
        there.into_iter().chain(silent).take(SERVERS_MAX)
    }
}

/// The answers of servers, as they come.
pub(super) struct Answers<'a, A, F: Future> {
    servers: VecDeque<&'a OwnedServerName>,
    ask: A,
    asked: FuturesUnordered<F>,
    /// Those that came while another was made use of.
    came: VecDeque<F::Output>,
    soon: Duration,
    until: Instant,
}

impl<'a, A, F> Answers<'a, A, F>
where
    A: Fn(&'a OwnedServerName) -> F,
    F: Future,
{
    pub fn new(servers: impl Iterator<Item = &'a OwnedServerName>, ask: A) -> Self {
        let until = Instant::now() + ASKED_WITHIN;
        let servers = servers.collect();
        let (asked, came) = (FuturesUnordered::new(), VecDeque::new());
        Self { servers, ask, asked, came, soon: SOON, until }
    }

    /// The next answer: the last was of no help. `None`: that was all.
    pub async fn next(&mut self) -> Option<F::Output> {
        if let Some(answer) = self.came.pop_front() {
            return Some(answer);
        }
        let mut may_wait = self.ask_another();
        while may_wait {
            match tokio::time::timeout(self.soon, self.asked.next()).await {
                Ok(answer) => return answer,
                Err(_) => may_wait = self.ask_another(),
            }
        }
        self.asked.next().await
    }

    /// Makes use of an answer, while others may come: a request that nobody looks after fails when its time is over.
    pub async fn beside<T>(&mut self, using: impl Future<Output = T>) -> T {
        let mut using = pin!(using);
        while !self.asked.is_empty() {
            tokio::select! {
                used = &mut using => return used,
                answer = self.asked.next() => self.came.extend(answer),
            }
        }
        using.await
    }

    fn ask_another(&mut self) -> bool {
        if Instant::now() >= self.until {
            return false;
        }
        let Some(server) = self.servers.pop_front() else { return false };
        self.asked.push((self.ask)(server));
        true
    }

    /// What one may take to tell the room.
    pub fn share(&self) -> Limits {
        let is_last = self.servers.is_empty() && self.asked.is_empty() && self.came.is_empty();
        match is_last || Instant::now() + SHARE >= self.until {
            true => Limits::JOIN,
            false => Limits { timeout: SHARE, ..Limits::JOIN },
        }
    }
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;

    use super::*;

    fn servers(count: usize) -> Vec<OwnedServerName> {
        let name = |number| OwnedServerName::try_from(format!("{number}.test")).unwrap();
        (0..count).map(name).collect()
    }

    /// Which answer comes first, and who was asked until then, where only the servers named ever answer.
    async fn first(
        answering: &[&str],
        soon: Duration,
        within: Duration,
    ) -> (Option<String>, usize) {
        let (servers, asked) = (servers(4), RefCell::new(0));
        let ask = |server: &OwnedServerName| {
            *asked.borrow_mut() += 1;
            let (name, answers) = (server.to_string(), answering.contains(&server.as_str()));
            async move {
                if !answers {
                    std::future::pending::<()>().await;
                }
                name
            }
        };
        let until = Instant::now() + within;
        let mut answers = Answers { soon, until, ..Answers::new(servers.iter(), ask) };
        let patience = Duration::from_millis(200);
        let first = tokio::time::timeout(patience, answers.next()).await.unwrap_or_default();
        drop(answers);
        (first, asked.into_inner())
    }

    #[tokio::test]
    async fn the_next_server_is_asked_while_one_is_slow() {
        let (soon, long) = (Duration::from_millis(1), Duration::from_secs(3_600));
        assert_eq!(first(&["0.test"], long, long).await, (Some("0.test".to_owned()), 1));
        let (answer, asked) = first(&["2.test"], soon, long).await;
        assert_eq!(answer.as_deref(), Some("2.test"));
        assert!(asked >= 3);
        assert_eq!(first(&["2.test"], soon, Duration::ZERO).await, (None, 0));
    }

    #[tokio::test]
    async fn each_answer_that_does_not_help_has_the_next_server_asked_at_once() {
        let long = Duration::from_secs(3_600);
        let servers = servers(3);
        let ask = |server: &OwnedServerName| {
            let name = server.to_string();
            async move { name }
        };
        let mut answers = Answers { soon: long, ..Answers::new(servers.iter(), ask) };
        for server in &servers {
            assert_eq!(answers.next().await.as_deref(), Some(server.as_str()));
        }
        assert_eq!(answers.next().await, None);
        assert_eq!(answers.share().timeout, Limits::JOIN.timeout);
    }

    #[tokio::test]
    async fn an_answer_that_comes_while_another_is_made_use_of_is_not_lost() {
        let servers = servers(3);
        let ask = |server: &OwnedServerName| {
            let name = server.to_string();
            async move {
                if name == "0.test" {
                    tokio::time::sleep(Duration::from_millis(20)).await;
                }
                name
            }
        };
        let soon = Duration::from_millis(1);
        let mut answers = Answers { soon, ..Answers::new(servers.iter().take(2), ask) };
        let mut names = vec![answers.next().await];
        answers.beside(tokio::time::sleep(Duration::from_millis(60))).await;
        assert!(answers.asked.is_empty());
        assert_eq!(answers.share().timeout, SHARE);
        names.extend([answers.next().await, answers.next().await]);
        names.sort();
        assert_eq!(names, [None, Some("0.test".to_owned()), Some("1.test".to_owned())]);
    }
}
