//! Bounds on the memory that large answers take, however slowly other servers read them.
//!
//! ```text
//! a place ─► the answer is made ─► fits what may lie about unread? the place is free again
//!                                  else it is held until all is sent
//! ```
//!
//! Of places and of bytes each server has so many, and all together; of places others for answers whose size the
//! specification bounds, so that who fetches a whole state can fetch what it is missing beside. Who reads an answer so
//! slowly that it would stay for ever loses it, and sooner where others wait for its place (`unread.rs`).

mod unread;

use std::{
    pin::pin,
    sync::Arc,
    time::{Duration, Instant},
};

use actix_web::{
    HttpResponse,
    body::{BoxBody, MessageBody},
};
use ruma::{OwnedServerName, ServerName};
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    time::{sleep, timeout},
};

use self::unread::{AllUnread, PIECE, Unread, Whose};
use super::{
    RateLimits,
    origins::{Origin, RETRY_AFTER, WAIT},
};
use crate::{
    error::{Error, Result},
    http::ruma::Answer,
};

/// Answers that are made, or are too large to be left unread beside others; as many of each size.
const OF_ONE: Bound = Bound { places: 3, kib: 16 << 10 };
const OF_ALL: Bound = Bound { places: 12, kib: 128 << 10 };
/// How long an answer may take to be sent, and the bytes that add a second to that.
const PATIENCE: Duration = Duration::from_secs(60);
const BYTES_A_SECOND: usize = 64 << 10;
/// Who has waited so long for a place has one made free.
const MAKE_WAY_AFTER: Duration = Duration::from_secs(1);

struct Bound {
    places: usize,
    kib: usize,
}

/// How large an answer may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Size {
    /// A number of events that the request names, within bounds.
    Few,
    /// All of a room's state, or of what authorises it.
    Whole,
}

/// What is left for the answers of one server, or of all.
#[derive(Clone, Debug)]
pub(super) struct Answers {
    few: Arc<Semaphore>,
    whole: Arc<Semaphore>,
    kib: Arc<Semaphore>,
}

/// What is left for all, and the answers that are being sent.
#[derive(Debug)]
pub(super) struct AllAnswers {
    answers: Answers,
    unread: Arc<AllUnread>,
}

impl Default for AllAnswers {
    fn default() -> Self {
        Self { answers: Answers::new(&OF_ALL), unread: Arc::default() }
    }
}

impl Answers {
    pub(super) fn of_one() -> Self {
        Self::new(&OF_ONE)
    }

    fn new(bound: &Bound) -> Self {
        let semaphore = |count| Arc::new(Semaphore::new(count));
        let [few, whole] = [bound.places, bound.places].map(semaphore);
        Self { few, whole, kib: semaphore(bound.kib) }
    }

    fn places(&self, size: Size) -> &Arc<Semaphore> {
        match size {
            Size::Few => &self.few,
            Size::Whole => &self.whole,
        }
    }

    async fn place(&self, size: Size, make_way: impl Fn()) -> Result<OwnedSemaphorePermit> {
        let mut place = pin!(Arc::clone(self.places(size)).acquire_owned());
        loop {
            tokio::select! {
                place = &mut place => return place.map_err(|_| Error::Stopping),
                () = sleep(MAKE_WAY_AFTER) => make_way(),
            }
        }
    }

    fn bytes(&self, count: usize) -> Option<OwnedSemaphorePermit> {
        let kib = u32::try_from(count.div_ceil(1024)).ok()?;
        Arc::clone(&self.kib).try_acquire_many_owned(kib).ok()
    }
}

impl RateLimits {
    /// A place to make an answer in; 429 when there is none for a while.
    pub async fn answer(&self, server: &ServerName, size: Size) -> Result<Place> {
        self.place(server, size, WAIT).await
    }

    async fn place(&self, server: &ServerName, size: Size, wait: Duration) -> Result<Place> {
        let (origin, AllAnswers { answers: all, unread }) =
            (self.origins.of(server), &self.origins.answers);
        let make_way = |whose| unread.make_way(server, size, whose, Instant::now());
        let places = async {
            let own = origin.answers.place(size, || make_way(Whose::Oneself)).await?;
            Ok([own, all.place(size, || make_way(Whose::All)).await?])
        };
        let permits = timeout(wait, places)
            .await
            .unwrap_or(Err(Error::LimitExceeded { retry_after: RETRY_AFTER }))?;
        Ok(Place {
            server: server.to_owned(),
            held: Held::Place(size),
            permits,
            origin,
            all: all.clone(),
            unread: Arc::clone(unread),
        })
    }
}

/// A place to make a large answer in.
#[derive(Debug)]
pub struct Place {
    server: OwnedServerName,
    held: Held,
    permits: [OwnedSemaphorePermit; 2],
    /// Its server is remembered while this is there.
    origin: Arc<Origin>,
    all: Answers,
    unread: Arc<AllUnread>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Held {
    Place(Size),
    Bytes,
}

impl Place {
    /// Gives the place back if so many bytes may lie about beside what does already.
    fn fill(mut self, bytes: usize) -> Self {
        if let Some(of_one) = self.origin.answers.bytes(bytes)
            && let Some(of_all) = self.all.bytes(bytes)
        {
            (self.held, self.permits) = (Held::Bytes, [of_one, of_all]);
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

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use ruma::server_name;

    use super::*;

    const SHORT: Duration = Duration::from_millis(10);
    const LONG: Duration = Duration::from_secs(3_600);
    const TOO_LARGE: usize = (OF_ONE.kib << 10) + 1;

    fn of(place: Place, bytes: usize, within: Duration) -> Unread {
        Unread::new(vec![7; bytes].into(), place.fill(bytes), within)
    }

    async fn piece(body: &mut Unread) -> Option<Result<bytes::Bytes, std::io::Error>> {
        poll_fn(|cx| pin!(&mut *body).poll_next(cx)).await
    }

    async fn whole(limits: &RateLimits, server: &ServerName, wait: Duration) -> Result<Place> {
        limits.place(server, Size::Whole, wait).await
    }

    fn free(limits: &RateLimits) -> usize {
        limits.origins.answers.answers.whole.available_permits()
    }

    #[tokio::test]
    async fn what_is_large_keeps_its_place_until_it_is_sent() {
        let limits = RateLimits::new(true);
        let (a, b) = (server_name!("a.test"), server_name!("b.test"));
        let mut unread = Vec::new();
        for _ in 0..OF_ONE.places {
            unread.push(of(whole(&limits, a, LONG).await.unwrap(), TOO_LARGE, LONG));
        }
        let refused = whole(&limits, a, SHORT).await.unwrap_err();
        assert!(matches!(refused, Error::LimitExceeded { .. }), "{refused}");
        whole(&limits, b, LONG).await.unwrap();
        // What it is missing it can fetch beside that.
        limits.place(a, Size::Few, SHORT).await.unwrap();

        let mut sent = 0;
        while let Some(piece) = piece(&mut unread[0]).await {
            sent += piece.unwrap().len();
        }
        assert_eq!(sent, TOO_LARGE);
        whole(&limits, a, LONG).await.unwrap();
        // The others are not read to their end.
        unread.clear();
        assert_eq!(free(&limits), OF_ALL.places);
    }

    #[tokio::test]
    async fn what_is_small_gives_its_place_back_as_long_as_there_is_not_much_of_it() {
        let limits = RateLimits::new(true);
        let a = server_name!("a.test");
        let (size, fit) = (1 << 20, OF_ONE.kib >> 10);
        let mut unread = Vec::new();
        for _ in 0..fit + OF_ONE.places {
            unread.push(of(whole(&limits, a, LONG).await.unwrap(), size, LONG));
        }
        whole(&limits, a, SHORT).await.unwrap_err();
        drop(unread);
        assert_eq!(limits.origins.answers.answers.kib.available_permits(), OF_ALL.kib);
        whole(&limits, a, LONG).await.unwrap();
    }

    #[tokio::test]
    async fn all_servers_together_are_bounded_too() {
        let limits = RateLimits::new(true);
        let mut places = Vec::new();
        for number in 0..OF_ALL.places {
            let name = OwnedServerName::try_from(format!("{number}.test")).unwrap();
            places.push(whole(&limits, &name, LONG).await.unwrap());
        }
        whole(&limits, server_name!("b.test"), SHORT).await.unwrap_err();
        places.pop();
        whole(&limits, server_name!("b.test"), LONG).await.unwrap();
    }

    #[tokio::test]
    async fn who_has_several_places_gives_one_to_who_has_none() {
        let limits = RateLimits::new(true);
        let mut unread = Vec::new();
        for number in 0..OF_ALL.places {
            let name = format!("{}.test", number / OF_ONE.places);
            let name = OwnedServerName::try_from(name).unwrap();
            unread.push(of(whole(&limits, &name, LONG).await.unwrap(), TOO_LARGE, LONG));
        }
        let place = whole(&limits, server_name!("b.test"), WAIT).await.unwrap();
        let mut lost = 0;
        for body in &mut unread {
            lost += usize::from(piece(body).await.unwrap().is_err());
        }
        assert_eq!(lost, 1);
        drop((place, unread));
        assert_eq!(free(&limits), OF_ALL.places);
    }

    #[tokio::test]
    async fn who_reads_slowly_makes_way_and_who_reads_does_not() {
        let limits = RateLimits::new(true);
        let (a, b, c) = (server_name!("a.test"), server_name!("b.test"), server_name!("c.test"));
        let mut slow = of(whole(&limits, a, LONG).await.unwrap(), TOO_LARGE, LONG);
        let mut quick = of(whole(&limits, b, LONG).await.unwrap(), TOO_LARGE, LONG);
        let make_way = |size, whose, seconds| {
            let then = Instant::now() + Duration::from_secs(seconds);
            limits.origins.answers.unread.make_way(c, size, whose, then);
            free(&limits)
        };
        for _ in 0..200 {
            piece(&mut quick).await.unwrap().unwrap();
        }
        piece(&mut slow).await.unwrap().unwrap();
        assert_eq!(make_way(Size::Whole, Whose::All, 1), OF_ALL.places - 2);
        assert_eq!(make_way(Size::Few, Whose::All, 10), OF_ALL.places - 2);
        assert_eq!(make_way(Size::Whole, Whose::Oneself, 10), OF_ALL.places - 2);
        for _ in 0..2 {
            assert_eq!(make_way(Size::Whole, Whose::All, 10), OF_ALL.places - 1);
        }
        assert!(piece(&mut slow).await.unwrap().is_err());
        piece(&mut quick).await.unwrap().unwrap();
    }

    #[tokio::test]
    async fn what_nobody_reads_is_let_go() {
        let limits = RateLimits::new(true);
        let a = server_name!("a.test");
        let mut unread = of(whole(&limits, a, LONG).await.unwrap(), 40 << 20, SHORT);
        while free(&limits) < OF_ALL.places {
            sleep(Duration::from_millis(1)).await;
        }
        assert!(piece(&mut unread).await.unwrap().is_err());
    }
}
