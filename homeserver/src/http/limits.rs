//! Bounds on what a caller may send: size and depth of a body, and how often; of another server also how much
//! at once.

pub mod answers;
mod origins;

use std::{
    collections::HashMap,
    hash::{BuildHasher as _, RandomState},
    net::{IpAddr, Ipv6Addr},
    time::{Duration, Instant},
};

use parking_lot::Mutex;
use ruma::api::error::ErrorKind;

use self::origins::Origins;
use crate::error::{Error, Result};

/// Enough for the largest request of a client: an upload of device keys.
pub const CLIENT_BODY: usize = 2 * 1024 * 1024;
/// Enough for 50 events and 100 EDUs of 64 KiB each.
pub const FEDERATION_BODY: usize = 12 * 1024 * 1024;
/// A body must be there within this time.
pub const BODY_WITHIN: Duration = Duration::from_secs(60);
/// Deeper JSON is refused before anything walks it.
const DEPTH: usize = 100;

/// 413 `M_TOO_LARGE`.
pub fn too_large() -> Error {
    Error::matrix(
        http::StatusCode::PAYLOAD_TOO_LARGE,
        ErrorKind::TooLarge,
        "The request's body is too large",
    )
}

/// Whom a rate limit counts for: an address, of IPv6 the network of 64 bits that one customer has.
pub fn caller(address: Option<IpAddr>) -> String {
    match address {
        Some(IpAddr::V4(address)) => address.to_string(),
        Some(IpAddr::V6(address)) => Ipv6Addr::from_bits(address.to_bits() >> 64 << 64).to_string(),
        None => String::new(),
    }
}

/// Refuses JSON that is nested too deeply. What is not JSON passes: the parser says so better.
pub fn check_depth(json: &[u8]) -> Result<()> {
    let (mut depth, mut in_string, mut escaped) = (0_usize, false, false);
    for &byte in json {
        if in_string {
            match byte {
                _ if escaped => escaped = false,
                b'\\' => escaped = true,
                b'"' => in_string = false,
                _ => {}
            }
            continue;
        }
        match byte {
            b'"' => in_string = true,
            b'{' | b'[' => {
                depth += 1;
                if depth > DEPTH {
                    return Err(Error::bad_json("The JSON is nested too deeply"));
                }
            }
            b'}' | b']' => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    Ok(())
}

/// Rate limits of the requests that cost most or guess passwords; none when switched off.
#[derive(Debug)]
pub struct RateLimits {
    enabled: bool,
    hasher: RandomState,
    login: Bucket,
    failed_login: Bucket,
    registration: Bucket,
    requests: [Bucket; Kind::COUNT],
    federation: Bucket,
    unproven: Bucket,
    origins: Origins,
}

/// Requests of one user that are counted together.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Kind {
    Send,
    Join,
    Invite,
    CreateRoom,
    Upload,
    Claim,
    /// Of one user by one other.
    FreshClaim,
    ToDevice,
    Search,
    Report,
}

impl Kind {
    const ALL: [Self; 10] = [
        Self::Send,
        Self::Join,
        Self::Invite,
        Self::CreateRoom,
        Self::Upload,
        Self::Claim,
        Self::FreshClaim,
        Self::ToDevice,
        Self::Search,
        Self::Report,
    ];
    const COUNT: usize = Self::ALL.len();

    /// How many at once, and how often in the long run: far more than a person does.
    fn bucket(self) -> Bucket {
        let (burst, interval) = match self {
            Self::Send => (100, 100),
            Self::Join => (30, 2_000),
            Self::Invite => (100, 1_000),
            Self::CreateRoom => (20, 5_000),
            Self::Upload => (50, 500),
            Self::Claim => (200, 100),
            Self::FreshClaim => (10, 30_000),
            Self::ToDevice => (1_000, 20),
            Self::Search => (30, 500),
            Self::Report => (10, 10_000),
        };
        Bucket::new(burst, Duration::from_millis(interval))
    }
}

impl RateLimits {
    pub fn new(enabled: bool) -> Self {
        Self {
            enabled,
            hasher: RandomState::new(),
            login: Bucket::new(20, Duration::from_secs(2)),
            failed_login: Bucket::new(10, Duration::from_secs(6)),
            registration: Bucket::new(5, Duration::from_secs(10)),
            requests: Kind::ALL.map(Kind::bucket),
            federation: Bucket::new(origins::BURST, origins::INTERVAL),
            unproven: Bucket::new(500, Duration::from_secs(1)),
            origins: Origins::default(),
        }
    }

    /// A login, by the caller's address.
    pub fn login(&self, address: &str) -> Result<()> {
        self.take(&self.login, address)
    }

    /// An attempt at an account, by the name that was given.
    pub fn attempt(&self, account: &str) -> Result<()> {
        self.take(&self.failed_login, account)
    }

    /// A registration, by the caller's address.
    pub fn registration(&self, address: &str) -> Result<()> {
        self.take(&self.registration, address)
    }

    /// A request that says which server it is of, by the caller's address: to know, that server may have to be
    /// looked for. Counts until it is [proven](Self::proven).
    pub fn unproven(&self, address: &str) -> Result<()> {
        self.take(&self.unproven, address)
    }

    /// It is.
    pub fn proven(&self, address: &str) {
        self.unproven.give_back(self.hasher.hash_one(address));
    }

    /// A request of a user.
    pub fn request(&self, kind: Kind, user_id: &str) -> Result<()> {
        self.requests.get(kind as usize).map_or(Ok(()), |bucket| self.take(bucket, user_id))
    }

    fn take(&self, bucket: &Bucket, key: &str) -> Result<()> {
        if !self.enabled {
            return Ok(());
        }
        bucket
            .take(self.hasher.hash_one(key), Instant::now())
            .map_err(|retry_after| Error::LimitExceeded { retry_after })
    }
}

/// Many buckets that leak one request per `interval` and hold `burst`. Kept as the time at which each will
/// be empty (the generic cell rate algorithm).
#[derive(Debug)]
struct Bucket {
    burst: Duration,
    interval: Duration,
    empty_at: Mutex<HashMap<u64, Instant>>,
}

impl Bucket {
    fn new(burst: u32, interval: Duration) -> Self {
        Self { burst: interval * burst, interval, empty_at: Mutex::default() }
    }

    fn take(&self, key: u64, now: Instant) -> Result<(), Duration> {
        let mut empty_at = self.empty_at.lock();
        if empty_at.len() == empty_at.capacity() {
            empty_at.retain(|_, at| *at > now);
            // Room for as many again, so that the next sweep is not soon.
            let room = empty_at.len().max(64);
            empty_at.reserve(room);
        }
        let at = empty_at.get(&key).copied().unwrap_or(now).max(now) + self.interval;
        let ahead = at.saturating_duration_since(now);
        if ahead > self.burst {
            return Err(ahead - self.burst);
        }
        empty_at.insert(key, at);
        Ok(())
    }

    /// One of those that were taken does not count.
    fn give_back(&self, key: u64) {
        if let Some(at) = self.empty_at.lock().get_mut(&key) {
            *at = at.checked_sub(self.interval).unwrap_or(*at);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn deep_json_is_refused() {
        let nested = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
        assert!(check_depth(nested(DEPTH).as_bytes()).is_ok());
        assert!(check_depth(nested(DEPTH + 1).as_bytes()).is_err());
        let in_a_string = format!(r#"["\"{}"]"#, "[".repeat(DEPTH * 2));
        assert!(check_depth(in_a_string.as_bytes()).is_ok());
    }

    #[test]
    fn a_bucket_lets_a_burst_through_and_then_one_per_interval() {
        let bucket = Bucket::new(3, Duration::from_secs(1));
        let now = Instant::now();
        for _ in 0..3 {
            bucket.take(1, now).unwrap();
        }
        assert_eq!(bucket.take(1, now), Err(Duration::from_secs(1)));
        bucket.take(2, now).unwrap();
        bucket.take(1, now + Duration::from_secs(1)).unwrap();
        assert!(bucket.take(1, now + Duration::from_secs(1)).is_err());
        bucket.give_back(1);
        bucket.take(1, now + Duration::from_secs(1)).unwrap();
        assert!(bucket.take(1, now + Duration::from_secs(1)).is_err());
    }

    #[test]
    fn callers_of_one_network_of_64_bits_are_one() {
        let of = |address: &str| caller(Some(address.parse().unwrap()));
        assert_eq!(of("2001:db8:1:2::3"), of("2001:db8:1:2:ffff::4"));
        assert_ne!(of("2001:db8:1:2::3"), of("2001:db8:1:3::3"));
        assert_ne!(of("192.0.2.1"), of("192.0.2.2"));
    }

    #[test]
    fn kinds_of_requests_are_counted_apart() {
        let limits = RateLimits::new(true);
        while limits.request(Kind::Report, "@a:b").is_ok() {}
        limits.request(Kind::Search, "@a:b").unwrap();
        limits.request(Kind::Report, "@c:b").unwrap();
    }

    #[test]
    fn without_rate_limits_everything_passes() {
        let limits = RateLimits::new(false);
        for _ in 0..1000 {
            limits.registration("127.0.0.1").unwrap();
        }
    }
}
