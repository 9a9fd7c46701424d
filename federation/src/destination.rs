//! When to send to a server that may be down: a pure state machine, no clock and no I/O.
//!
//! ```text
//!            queued           started              succeeded, queue empty
//!   Idle ─────────────▶ Send ─────────▶ Idle (in flight) ─────────────▶ Idle
//!                        ▲                  │ failed
//!      heard from,       │                  ▼
//!      or time is up     └─────────────── Sleep
//! ```
//!
//! - In the first ten minutes of an outage the server is tried at least every five seconds, counted from
//!   the start of each attempt; after that with exponential back-off, up to an hour.
//! - Any sign of life from the server ends the wait at once. Of a server that did answer, with an error, it tells
//!   nothing new: the wait is then [`SHORT_PAUSE_MS`] from the start of the last attempt.
//! - After a short outage everything is sent, in order. After a long one (over an hour, or with more events
//!   waiting than [`MAX_QUEUED_EVENTS`]) only the latest event of each room is: the server can fetch the
//!   rest. What is not an event is sent as long as it is of worth, which is for whoever keeps it to say.

/// How long attempts are close together: 10 minutes, in milliseconds.
pub const PATIENT_MS: i64 = 10 * 60 * 1000;
/// The longest pause in that time, in milliseconds.
pub const SHORT_PAUSE_MS: i64 = 5_000;
/// The longest pause of all: an hour, in milliseconds.
pub const LONGEST_PAUSE_MS: i64 = 60 * 60 * 1000;
/// How long an outage may last before only the latest events are sent, in milliseconds.
pub const SHORT_OUTAGE_MS: i64 = 60 * 60 * 1000;
/// How many events may wait before only the latest of each room is sent.
pub const MAX_QUEUED_EVENTS: usize = 1_000;

/// What to do now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// Send the next transaction.
    Send,
    /// Wait until this time (milliseconds since the Unix epoch), or until the server is heard from.
    Sleep(i64),
    /// Nothing to do until something is queued or the attempt in flight ends.
    Idle,
}

/// How an attempt failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failure {
    /// The server was not reached, or did not answer.
    Silent,
    /// The server answered with an error.
    Answered,
}

/// Which of the waiting events to send.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Backlog {
    /// All, in order.
    Everything,
    /// The latest of each room.
    LatestOfEachRoom,
}

/// The part of a destination's state that outlives a restart.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Outage {
    /// When the first attempt failed, in milliseconds since the Unix epoch.
    pub since: i64,
    /// How many attempts have failed in a row.
    pub failures: u32,
}

/// The state of sending to one server.
#[derive(Clone, Debug, Default)]
pub struct Destination {
    queued: bool,
    in_flight_since: Option<i64>,
    heard_in_flight: bool,
    outage: Option<Outage>,
    retry_at: i64,
    /// When the last attempt began, if the server answered it with an error.
    answered: Option<i64>,
    /// The server was heard from since the last attempt failed.
    heard: bool,
    /// The server came back after a long outage and the backlog is not sent yet.
    catching_up: bool,
}

impl Destination {
    /// As stored before a restart: the first attempt is due at once.
    pub fn restored(outage: Option<Outage>) -> Self {
        Self { outage, ..Self::default() }
    }

    /// What to do at `now`.
    pub fn next(&self, now: i64) -> Next {
        if !self.queued || self.in_flight_since.is_some() {
            Next::Idle
        } else if self.outage.is_some() && now < self.retry_at {
            Next::Sleep(self.retry_at)
        } else {
            Next::Send
        }
    }

    /// Something waits to be sent.
    pub fn queued(&mut self) {
        self.queued = true;
    }

    /// An attempt begins.
    pub fn started(&mut self, now: i64) {
        self.in_flight_since = Some(now);
        self.heard_in_flight = false;
    }

    /// The attempt was answered; `more` says whether something still waits.
    pub fn succeeded(&mut self, more: bool) {
        self.in_flight_since = None;
        self.outage = None;
        self.answered = None;
        self.queued = more;
        self.catching_up &= more;
    }

    /// The attempt failed at `now`. `jitter`, from 0 to 1, spreads the long pauses of many servers.
    pub fn failed(&mut self, now: i64, failure: Failure, jitter: f64) {
        let started = self.in_flight_since.take().unwrap_or(now);
        self.answered = (failure == Failure::Answered).then_some(started);
        self.heard = self.heard_in_flight;
        let outage = self.outage.get_or_insert(Outage { since: started, failures: 0 });
        outage.failures = outage.failures.saturating_add(1);
        let lasted = now.saturating_sub(outage.since);
        self.retry_at = if self.heard_in_flight && self.answered.is_none() {
            now
        } else if lasted < PATIENT_MS {
            let pause = 500_i64.checked_shl(outage.failures.min(16)).unwrap_or(SHORT_PAUSE_MS);
            started.saturating_add(pause.min(SHORT_PAUSE_MS)).max(now)
        } else {
            // Each pause is as long as the outage beyond the first ten minutes: doubling, with no count
            // to keep.
            let pause = (lasted - PATIENT_MS).clamp(2 * SHORT_PAUSE_MS, LONGEST_PAUSE_MS);
            let spread = (pause as f64 * 0.1 * jitter.clamp(0.0, 1.0)) as i64;
            now.saturating_add(pause - spread)
        };
        self.heard_in_flight = false;
    }

    /// The server sent us something or answered something else: try again at once, unless it was there all the
    /// time.
    pub fn heard_from(&mut self) {
        let soonest = self.answered.map_or(0, |started| started.saturating_add(SHORT_PAUSE_MS));
        self.retry_at = self.retry_at.min(soonest);
        self.heard = true;
        self.heard_in_flight = self.in_flight_since.is_some();
    }

    /// Which of `queued_events` waiting events to send at `now`. Once the short form is chosen it stays
    /// until the backlog is sent.
    pub fn backlog(&mut self, now: i64, queued_events: usize) -> Backlog {
        let long =
            self.outage.is_some_and(|outage| now.saturating_sub(outage.since) > SHORT_OUTAGE_MS);
        if self.outage.is_some() && (long || queued_events > MAX_QUEUED_EVENTS) {
            self.catching_up = true;
        }
        if self.catching_up { Backlog::LatestOfEachRoom } else { Backlog::Everything }
    }

    /// Whether the last attempt was not answered and the server was not heard from since.
    pub fn is_doubtful(&self) -> bool {
        self.outage.is_some() && !self.has_answered() && !self.heard
    }

    /// Whether the server answered the last attempt with an error.
    pub fn has_answered(&self) -> bool {
        self.answered.is_some()
    }

    /// The part to store.
    pub fn outage(&self) -> Option<Outage> {
        self.outage
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fail(destination: &mut Destination, now: i64) {
        assert_eq!(destination.next(now), Next::Send);
        destination.started(now);
        destination.failed(now, Failure::Silent, 0.0);
    }

    #[test]
    fn one_transaction_is_in_flight_at_a_time() {
        let mut destination = Destination::default();
        assert_eq!(destination.next(0), Next::Idle);
        destination.queued();
        assert_eq!(destination.next(0), Next::Send);
        destination.started(0);
        destination.queued();
        assert_eq!(destination.next(0), Next::Idle);
        destination.succeeded(true);
        assert_eq!(destination.next(0), Next::Send);
        destination.started(1);
        destination.succeeded(false);
        assert_eq!(destination.next(1), Next::Idle);
    }

    #[test]
    fn in_the_first_ten_minutes_no_pause_is_over_five_seconds() {
        let mut destination = Destination::default();
        destination.queued();
        let mut now = 0;
        while now < PATIENT_MS {
            fail(&mut destination, now);
            let Next::Sleep(until) = destination.next(now) else { panic!("no pause") };
            assert!(until > now && until - now <= SHORT_PAUSE_MS, "{now} → {until}");
            now = until;
        }
    }

    #[test]
    fn an_attempt_that_took_five_seconds_is_repeated_at_once() {
        let mut destination = Destination::default();
        destination.queued();
        destination.started(0);
        destination.failed(6_000, Failure::Silent, 0.0);
        assert_eq!(destination.next(6_000), Next::Send);
    }

    #[test]
    fn pauses_grow_to_an_hour_and_no_further() {
        let mut destination = Destination::default();
        destination.queued();
        let mut now = 0;
        let mut last_pause = 0;
        for _ in 0..1_000 {
            fail(&mut destination, now);
            let Next::Sleep(until) = destination.next(now) else { panic!("no pause") };
            if now > PATIENT_MS {
                assert!(until - now >= last_pause);
                last_pause = until - now;
            }
            now = until;
        }
        assert_eq!(last_pause, LONGEST_PAUSE_MS);
    }

    #[test]
    fn a_sign_of_life_ends_the_pause() {
        let mut destination = Destination::default();
        destination.queued();
        fail(&mut destination, 0);
        assert!(matches!(destination.next(1), Next::Sleep(_)));
        assert!(destination.is_doubtful());
        destination.heard_from();
        assert_eq!(destination.next(1), Next::Send);
        assert!(!destination.is_doubtful());
        fail(&mut destination, 2);
        assert!(destination.is_doubtful());
    }

    #[test]
    fn a_sign_of_life_during_an_attempt_that_fails_counts() {
        let mut destination = Destination::default();
        destination.queued();
        destination.started(0);
        destination.heard_from();
        destination.failed(100, Failure::Silent, 0.0);
        assert_eq!(destination.next(100), Next::Send);
    }

    #[test]
    fn a_server_that_answers_with_errors_is_left_alone_although_it_is_heard_from() {
        let mut destination = Destination::default();
        destination.queued();
        let mut now = 0;
        for _ in 0..10_000 {
            destination.started(now);
            destination.heard_from();
            destination.failed(now + 20, Failure::Answered, 0.0);
            destination.heard_from();
            let Next::Sleep(until) = destination.next(now + 20) else { panic!("no pause") };
            let pause = until - now;
            assert!((1_000..=SHORT_PAUSE_MS).contains(&pause), "{pause} at {now}");
            now = until;
        }
        // Then it can't be reached, and is heard from again.
        destination.started(now);
        destination.failed(now, Failure::Silent, 0.0);
        destination.heard_from();
        assert_eq!(destination.next(now), Next::Send);
    }

    #[test]
    fn a_restart_tries_at_once() {
        let mut destination = Destination::restored(Some(Outage { since: 0, failures: 40 }));
        destination.queued();
        assert_eq!(destination.next(1), Next::Send);
    }

    #[test]
    fn after_a_long_outage_only_the_latest_events_are_sent() {
        let mut destination = Destination::default();
        destination.queued();
        fail(&mut destination, 0);
        assert_eq!(destination.backlog(SHORT_OUTAGE_MS, 500), Backlog::Everything);
        assert_eq!(destination.backlog(SHORT_OUTAGE_MS + 1, 2), Backlog::LatestOfEachRoom);
        destination.heard_from();
        destination.started(SHORT_OUTAGE_MS + 1);
        destination.succeeded(true);
        assert_eq!(destination.backlog(SHORT_OUTAGE_MS + 2, 2), Backlog::LatestOfEachRoom);
        destination.succeeded(false);
        assert_eq!(destination.backlog(SHORT_OUTAGE_MS + 3, 2), Backlog::Everything);
    }

    #[test]
    fn a_busy_server_that_is_up_gets_everything() {
        let mut destination = Destination::default();
        destination.queued();
        assert_eq!(destination.backlog(0, 5_000), Backlog::Everything);
    }
}
