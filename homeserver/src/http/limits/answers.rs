//! Bounds on the memory that large answers take, however slowly other servers read them.
//!
//! ```text
//! a place ─► the answer is made ─► fits what may lie about unread? the place is free again
//!                                  else it is held until all is sent
//! ```
//!
//! Of places and of bytes each server has so many, and all together. Who reads an answer so slowly that it would
//! stay for ever loses it.

use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use actix_web::{
    HttpResponse,
    body::{BodySize, BoxBody, MessageBody},
};
use bytes::Bytes;
use parking_lot::Mutex;
use ruma::ServerName;
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    task::AbortHandle,
    time::timeout,
};

use super::{
    RateLimits,
    origins::{Origin, RETRY_AFTER, WAIT},
};
use crate::{
    error::{Error, Result},
    http::ruma::Answer,
};

/// Answers that are made, or are too large to be left unread beside others.
const OF_ONE: Bound = Bound { places: 3, kib: 16 << 10 };
const OF_ALL: Bound = Bound { places: 12, kib: 128 << 10 };
/// How long an answer may take to be sent, and the bytes that add a second to that.
const PATIENCE: Duration = Duration::from_secs(60);
const BYTES_A_SECOND: usize = 64 << 10;
/// What is given to a connection at once.
const PIECE: usize = 64 << 10;

struct Bound {
    places: usize,
    kib: usize,
}

/// What is left for the answers of one server, or of all.
#[derive(Debug)]
pub(super) struct Answers {
    places: Arc<Semaphore>,
    kib: Arc<Semaphore>,
}

impl Answers {
    pub(super) fn of_one() -> Self {
        Self::new(&OF_ONE)
    }

    pub(super) fn of_all() -> Self {
        Self::new(&OF_ALL)
    }

    fn new(bound: &Bound) -> Self {
        let (places, kib) = (Semaphore::new(bound.places), Semaphore::new(bound.kib));
        Self { places: Arc::new(places), kib: Arc::new(kib) }
    }

    async fn place(&self) -> Result<OwnedSemaphorePermit> {
        Arc::clone(&self.places).acquire_owned().await.map_err(|_| Error::Stopping)
    }

    fn bytes(&self, count: usize) -> Option<OwnedSemaphorePermit> {
        let kib = u32::try_from(count.div_ceil(1024)).ok()?;
        Arc::clone(&self.kib).try_acquire_many_owned(kib).ok()
    }
}

impl RateLimits {
    /// A place to make a large answer in; 429 when there is none for a while.
    pub async fn large_answer(&self, server: &ServerName) -> Result<Place> {
        self.place(server, WAIT).await
    }

    async fn place(&self, server: &ServerName, wait: Duration) -> Result<Place> {
        let (origin, all) = (self.origins.of(server), &self.origins.answers);
        let places = async { Ok([origin.answers.place().await?, all.place().await?]) };
        let permits = timeout(wait, places)
            .await
            .unwrap_or(Err(Error::LimitExceeded { retry_after: RETRY_AFTER }))?;
        let all = Answers { places: Arc::clone(&all.places), kib: Arc::clone(&all.kib) };
        Ok(Place { permits, origin, all })
    }
}

/// A place to make a large answer in.
#[derive(Debug)]
pub struct Place {
    permits: [OwnedSemaphorePermit; 2],
    /// Its server is remembered while this is there.
    origin: Arc<Origin>,
    all: Answers,
}

impl Place {
    /// Gives the place back if so many bytes may lie about beside what does already.
    fn fill(mut self, bytes: usize) -> Self {
        if let Some(of_one) = self.origin.answers.bytes(bytes)
            && let Some(of_all) = self.all.bytes(bytes)
        {
            self.permits = [of_one, of_all];
        }
        self
    }
}

/// An answer that may be large, and the place it was made in.
pub struct Large<A>(pub A, pub Place);

impl<A: Answer> Answer for Large<A> {
    fn into_response(self) -> Result<HttpResponse> {
        let Self(answer, place) = self;
        let (response, body) = answer.into_response()?.into_parts();
        let response = match body.try_into_bytes() {
            Ok(bytes) if bytes.len() <= PIECE => response.set_body(BoxBody::new(bytes)),
            Ok(bytes) => {
                let size = bytes.len();
                let seconds = (size / BYTES_A_SECOND) as u64;
                let within = PATIENCE + Duration::from_secs(seconds);
                response.set_body(BoxBody::new(Unread::new(bytes, place.fill(size), within)))
            }
            Err(body) => response.set_body(body),
        };
        Ok(response)
    }
}

/// What was not sent yet, with what that holds.
type Left = Arc<Mutex<Option<(Bytes, Place)>>>;

/// A body that gives its bytes and their place back when it is sent or dropped, or takes too long.
struct Unread {
    left: Left,
    size: usize,
    sent: usize,
    patience: AbortHandle,
}

impl Unread {
    fn new(bytes: Bytes, place: Place, within: Duration) -> Self {
        let size = bytes.len();
        let left: Left = Arc::new(Mutex::new(Some((bytes, place))));
        let taken = Arc::clone(&left);
        // A connection on which nothing moves does not ask for more: there is nobody else to end it.
        let patience = tokio::spawn(async move {
            tokio::time::sleep(within).await;
            taken.lock().take();
        });
        Self { left, size, sent: 0, patience: patience.abort_handle() }
    }
}

impl Drop for Unread {
    fn drop(&mut self) {
        self.patience.abort();
        self.left.lock().take();
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
            Some((bytes, _)) if !bytes.is_empty() => {
                let piece = bytes.split_to(bytes.len().min(PIECE));
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
    use std::future::poll_fn;

    use ruma::server_name;

    use super::*;

    const SHORT: Duration = Duration::from_millis(10);
    const LONG: Duration = Duration::from_secs(3_600);

    fn of(place: Place, bytes: usize, within: Duration) -> Unread {
        Unread::new(vec![7; bytes].into(), place.fill(bytes), within)
    }

    async fn piece(body: &mut Unread) -> Option<Result<Bytes, std::io::Error>> {
        poll_fn(|cx| Pin::new(&mut *body).poll_next(cx)).await
    }

    #[tokio::test]
    async fn what_is_large_keeps_its_place_until_it_is_sent() {
        let limits = RateLimits::new(true);
        let (a, b) = (server_name!("a.test"), server_name!("b.test"));
        let large = (OF_ONE.kib << 10) + 1;
        let mut unread = Vec::new();
        for _ in 0..OF_ONE.places {
            unread.push(of(limits.place(a, LONG).await.unwrap(), large, LONG));
        }
        let refused = limits.place(a, SHORT).await.unwrap_err();
        assert!(matches!(refused, Error::LimitExceeded { .. }), "{refused}");
        limits.place(b, LONG).await.unwrap();

        let mut sent = 0;
        while let Some(piece) = piece(&mut unread[0]).await {
            sent += piece.unwrap().len();
        }
        assert_eq!(sent, large);
        limits.place(a, LONG).await.unwrap();
        // The others are not read to their end.
        unread.clear();
        assert_eq!(limits.origins.answers.places.available_permits(), OF_ALL.places);
    }

    #[tokio::test]
    async fn what_is_small_gives_its_place_back_as_long_as_there_is_not_much_of_it() {
        let limits = RateLimits::new(true);
        let a = server_name!("a.test");
        let (size, fit) = (1 << 20, OF_ONE.kib >> 10);
        let mut unread = Vec::new();
        for _ in 0..fit + OF_ONE.places {
            unread.push(of(limits.place(a, LONG).await.unwrap(), size, LONG));
        }
        limits.place(a, SHORT).await.unwrap_err();
        drop(unread);
        assert_eq!(limits.origins.answers.kib.available_permits(), OF_ALL.kib);
        limits.place(a, LONG).await.unwrap();
    }

    #[tokio::test]
    async fn all_servers_together_are_bounded_too() {
        let limits = RateLimits::new(true);
        let mut places = Vec::new();
        for number in 0..OF_ALL.places {
            let name = ruma::OwnedServerName::try_from(format!("{number}.test")).unwrap();
            places.push(limits.place(&name, LONG).await.unwrap());
        }
        limits.place(server_name!("b.test"), SHORT).await.unwrap_err();
        places.pop();
        limits.place(server_name!("b.test"), LONG).await.unwrap();
    }

    #[tokio::test]
    async fn what_nobody_reads_is_let_go() {
        let limits = RateLimits::new(true);
        let a = server_name!("a.test");
        let mut unread = of(limits.place(a, LONG).await.unwrap(), 40 << 20, SHORT);
        while limits.origins.answers.places.available_permits() < OF_ALL.places {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        assert!(piece(&mut unread).await.unwrap().is_err());
    }
}
