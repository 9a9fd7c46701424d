//! Answers that are being sent, and which of them make way where others wait.

use std::{
    collections::HashMap,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::{Duration, Instant},
};

use actix_web::body::{BodySize, MessageBody};
use bytes::Bytes;
use parking_lot::Mutex;
use ruma::ServerName;
use tokio::task::AbortHandle;

use super::{Held, Place, Size};

/// What is given to a connection at once.
pub(super) const PIECE: usize = 64 << 10;
/// Who reads fewer bytes a second than this makes way.
const ENOUGH: u64 = 256 << 10;
/// That is measured over so long, at least.
const WINDOW: Duration = Duration::from_secs(5);

/// Whose answers make way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Whose {
    Oneself,
    All,
}

/// The answers that are being sent.
#[derive(Debug, Default)]
pub(super) struct AllUnread(Mutex<Vec<Left>>);

/// What was not sent yet, with what that holds.
type Left = Arc<Mutex<Option<Rest>>>;

#[derive(Debug)]
struct Rest {
    bytes: Bytes,
    place: Place,
    progress: Progress,
}

impl AllUnread {
    /// Lets go one answer that has a place which `server` waits for: the slowest of those that are slow, and of those
    /// whose server has more places than `server` would have then.
    pub fn make_way(&self, server: &ServerName, size: Size, whose: Whose, now: Instant) {
        let all = self.0.lock();
        let (mut held, mut sending) = (HashMap::new(), Vec::new());
        for left in all.iter() {
            let rest = left.lock();
            let Some(rest) = rest.as_ref().filter(|rest| rest.place.held == Held::Place(size))
            else {
                continue;
            };
            let of = rest.place.server.clone();
            *held.entry(of.clone()).or_insert(0_usize) += 1;
            sending.push((left, of, rest.progress.bytes_a_second(now)));
        }
        let held_by = |server: &ServerName| held.get(server).copied().unwrap_or_default();
        let makes_way = |of: &ServerName, speed: u64| match whose {
            Whose::Oneself => of == server && speed < ENOUGH,
            Whose::All => speed < ENOUGH || held_by(of) > held_by(server) + 1,
        };
        let slowest = sending
            .iter()
            .filter(|(_, of, speed)| makes_way(of, *speed))
            .min_by_key(|(_, _, speed)| *speed);
        if let Some((left, ..)) = slowest {
            left.lock().take();
        }
    }
}

/// How quickly an answer is read.
#[derive(Debug)]
struct Progress {
    sent: u64,
    /// When how much was sent, a window ago and two.
    before: (Instant, u64),
    lately: (Instant, u64),
}

impl Progress {
    fn new(now: Instant) -> Self {
        Self { sent: 0, before: (now, 0), lately: (now, 0) }
    }

    fn add(&mut self, count: usize, now: Instant) {
        if now.saturating_duration_since(self.lately.0) >= WINDOW {
            (self.before, self.lately) = (self.lately, (now, self.sent));
        }
        self.sent += count as u64;
    }

    /// As much as can be while it is too soon to tell.
    fn bytes_a_second(&self, now: Instant) -> u64 {
        let is_over = |mark: &&(Instant, u64)| now.saturating_duration_since(mark.0) >= WINDOW;
        let Some((since, sent)) = [&self.lately, &self.before].into_iter().find(is_over) else {
            return u64::MAX;
        };
        (self.sent - sent) / now.saturating_duration_since(*since).as_secs().max(1)
    }
}

/// A body that gives its bytes and their place back when it is sent or dropped, or takes too long.
pub(super) struct Unread {
    left: Left,
    all: Arc<AllUnread>,
    size: usize,
    sent: usize,
    patience: AbortHandle,
}

impl Unread {
    pub fn new(bytes: Bytes, place: Place, within: Duration) -> Self {
        let (size, all) = (bytes.len(), Arc::clone(&place.unread));
        let progress = Progress::new(Instant::now());
        let left: Left = Arc::new(Mutex::new(Some(Rest { bytes, place, progress })));
        all.0.lock().push(Arc::clone(&left));
        let taken = Arc::clone(&left);
        // A connection on which nothing moves does not ask for more: there is nobody else to end it.
        let patience = tokio::spawn(async move {
            tokio::time::sleep(within).await;
            taken.lock().take();
        });
        Self { left, all, size, sent: 0, patience: patience.abort_handle() }
    }
}

impl Drop for Unread {
    fn drop(&mut self) {
        self.patience.abort();
        self.left.lock().take();
        self.all.0.lock().retain(|left| !Arc::ptr_eq(left, &self.left));
    }
}

impl MessageBody for Unread {
    type Error = std::io::Error;

    fn size(&self) -> BodySize {
        BodySize::Sized(self.size as u64)
    }

    fn poll_next(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Bytes, std::io::Error>>> {
        let this = self.get_mut();
        let mut left = this.left.lock();
        let piece = match left.as_mut() {
            // A part of the whole would keep all of it.
            Some(Rest { bytes, progress, .. }) if !bytes.is_empty() => {
                let piece = bytes.split_to(bytes.len().min(PIECE));
                progress.add(piece.len(), Instant::now());
                Bytes::copy_from_slice(&piece)
            }
            _ if this.sent == this.size => {
                left.take();
                return Poll::Ready(None);
            }
            _ => return Poll::Ready(Some(Err(std::io::ErrorKind::TimedOut.into()))),
        };
        this.sent += piece.len();
        Poll::Ready(Some(Ok(piece)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_read_at_first_does_not_count_for_ever() {
        let began = Instant::now();
        let at = |seconds| began + Duration::from_secs(seconds);
        let mut progress = Progress::new(began);
        progress.add(50 << 20, began);
        assert_eq!(progress.bytes_a_second(at(4)), u64::MAX);
        assert_eq!(progress.bytes_a_second(at(5)), 10 << 20);
        // A little now and then is not progress.
        for seconds in [6, 12, 18] {
            progress.add(PIECE, at(seconds));
        }
        assert!(progress.bytes_a_second(at(20)) < ENOUGH);
        assert!(progress.bytes_a_second(at(60)) < ENOUGH);
    }
}
