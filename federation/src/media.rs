//! Content of other servers: `multipart/mixed` answers, taken apart while they come in.
//!
//! The first part is JSON that says nothing yet, the second the content, or a `Location` where it is to be had.
//!
//! <https://spec.matrix.org/v1.19/server-server-api/#content-repository>

use std::{
    pin::Pin,
    time::{Duration, Instant},
};

use bytes::{Bytes, BytesMut};
use futures_util::{Stream, StreamExt as _, stream};
use http::{HeaderMap, HeaderName, HeaderValue, header};
use ruma::{ServerName, api::federation::authenticated_media::get_content};

use crate::{Client, Error};

/// Bytes as they come in.
pub type Body = Pin<Box<dyn Stream<Item = Result<Bytes, Error>> + Send>>;

/// Content on its way here.
pub struct Content {
    /// The uploader's word for what it is.
    pub content_type: Option<String>,
    /// The name that it was uploaded with.
    pub filename: Option<String>,
    /// Its bytes.
    pub body: Body,
}

/// Headers of a part, and its metadata before it, have at most so many bytes.
const MAX_PREFACE: usize = 16 << 10;
/// The next bytes must come within this time.
const NEXT_CHUNK_WITHIN: Duration = Duration::from_secs(30);
/// After so long, so many bytes in a second must have come on the whole.
const GRACE: Duration = Duration::from_secs(60);
const SLOWEST: u64 = 8 << 10;

impl Client {
    /// Asks a server for content of its own; it may wait `wait` for one that is still to be uploaded.
    pub async fn content(
        &self,
        server: &ServerName,
        media_id: &str,
        wait: Duration,
    ) -> Result<Content, Error> {
        let mut request = get_content::v1::Request::new(media_id.to_owned());
        request.timeout_ms = wait;
        let limit = wait.saturating_add(Duration::from_secs(30));
        let answered = tokio::time::timeout(limit, self.open(server, request)).await;
        let (headers, body) = answered.map_err(|_| Error::Timeout)??;
        let boundary = boundary(&headers)
            .ok_or_else(|| Error::Response("content that is not multipart".to_owned()))?;
        let (headers, body) = parts(body, &boundary).await?;
        match headers.get(header::LOCATION) {
            Some(location) => {
                let location = location
                    .to_str()
                    .map_err(|_| Error::Response("a location that is no address".to_owned()))?;
                let located = self.open_location(location);
                let located = tokio::time::timeout(limit, located).await;
                let (headers, body) = located.map_err(|_| Error::Timeout)??;
                Ok(Content::new(&headers, body))
            }
            None => Ok(Content::new(&headers, body)),
        }
    }
}

impl Content {
    fn new(headers: &HeaderMap, body: Body) -> Self {
        let text = |name| headers.get(name).and_then(|value| value.to_str().ok());
        let filename = text(header::CONTENT_DISPOSITION)
            .and_then(|told| told.parse::<ruma::http_headers::ContentDisposition>().ok())
            .and_then(|told| told.filename);
        Self { content_type: text(header::CONTENT_TYPE).map(str::to_owned), filename, body }
    }
}

/// A response's body that may neither pause for long nor trickle.
pub(crate) fn body(response: reqwest::Response) -> Body {
    let state = (response, Instant::now(), 0_u64);
    Box::pin(stream::try_unfold(state, |(mut response, begun, received)| async move {
        let left = time_left(begun.elapsed(), received).ok_or(Error::Timeout)?;
        let chunk = tokio::time::timeout(left.min(NEXT_CHUNK_WITHIN), response.chunk())
            .await
            .map_err(|_| Error::Timeout)?
            .map_err(crate::client::from_reqwest)?;
        Ok(chunk.map(|chunk| {
            let received = received.saturating_add(chunk.len() as u64);
            (chunk, (response, begun, received))
        }))
    }))
}

/// How long the next bytes of a body may take that has brought so many in this time.
fn time_left(elapsed: Duration, received: u64) -> Option<Duration> {
    (GRACE + Duration::from_secs(received / SLOWEST)).checked_sub(elapsed)
}

fn boundary(headers: &HeaderMap) -> Option<String> {
    let told = headers.get(header::CONTENT_TYPE)?.to_str().ok()?;
    let (essence, parameters) = told.split_once(';')?;
    if !essence.trim().eq_ignore_ascii_case("multipart/mixed") {
        return None;
    }
    let boundary = parameters.split(';').find_map(|parameter| {
        let (name, value) = parameter.split_once('=')?;
        name.trim().eq_ignore_ascii_case("boundary").then(|| value.trim().trim_matches('"'))
    })?;
    // As RFC 2046 bounds it.
    (1..=70).contains(&boundary.len()).then(|| boundary.to_owned())
}

/// Headers and body of the second part.
async fn parts(body: Body, boundary: &str) -> Result<(HeaderMap, Body), Error> {
    // The first delimiter need not have a line before it: it gets one.
    let mut reader = Reader {
        body,
        buffer: BytesMut::from(&b"\r\n"[..]),
        delimiter: format!("\r\n--{boundary}").into_bytes(),
    };
    reader.skip_to_delimiter().await?;
    reader.headers().await?;
    reader.skip_to_delimiter().await?;
    let headers = reader.headers().await?;
    Ok((headers, reader.into_body()))
}

struct Reader {
    body: Body,
    buffer: BytesMut,
    /// What ends a part.
    delimiter: Vec<u8>,
}

impl Reader {
    /// More bytes in the buffer.
    async fn fill(&mut self) -> Result<(), Error> {
        match self.body.next().await {
            Some(chunk) => {
                self.buffer.extend_from_slice(&chunk?);
                Ok(())
            }
            None => Err(Error::Response("the content ended early".to_owned())),
        }
    }

    /// Drops what is before the next delimiter, it, and the rest of its line.
    async fn skip_to_delimiter(&mut self) -> Result<(), Error> {
        let delimiter = self.delimiter.clone();
        self.take_until(&delimiter).await?;
        let line = self.take_until(b"\r\n").await?;
        if line.starts_with(b"--") {
            return Err(Error::Response("a part of the content is missing".to_owned()));
        }
        // A part without headers begins with an empty line; with them, the first follows a line's end too.
        let mut with_line_end = BytesMut::from(&b"\r\n"[..]);
        with_line_end.extend_from_slice(&self.buffer);
        self.buffer = with_line_end;
        Ok(())
    }

    async fn headers(&mut self) -> Result<HeaderMap, Error> {
        let lines = self.take_until(b"\r\n\r\n").await?;
        let mut headers = HeaderMap::new();
        for line in lines.as_ref().split(|&byte| byte == b'\n') {
            let line = line.trim_ascii();
            let Some(colon) = line.iter().position(|&byte| byte == b':') else { continue };
            let (name, value) = line.split_at(colon);
            if let Ok(name) = HeaderName::from_bytes(name.trim_ascii())
                && let Ok(value) =
                    HeaderValue::from_bytes(value.get(1..).unwrap_or_default().trim_ascii())
            {
                headers.insert(name, value);
            }
        }
        Ok(headers)
    }

    /// What is before `end`, which is dropped.
    async fn take_until(&mut self, end: &[u8]) -> Result<BytesMut, Error> {
        loop {
            if let Some(at) = find(&self.buffer, end) {
                let taken = self.buffer.split_to(at);
                let _ = self.buffer.split_to(end.len());
                return Ok(taken);
            }
            if self.buffer.len() > MAX_PREFACE {
                return Err(Error::Response("too much before the content".to_owned()));
            }
            self.fill().await?;
        }
    }

    /// What comes before the next delimiter.
    fn into_body(self) -> Body {
        let reader = Some(self);
        Box::pin(stream::try_unfold(reader, |reader| async move {
            let Some(mut reader) = reader else { return Ok(None) };
            loop {
                if let Some(at) = find(&reader.buffer, &reader.delimiter) {
                    let last = reader.buffer.split_to(at).freeze();
                    return Ok((!last.is_empty()).then_some((last, None)));
                }
                // All but what may be the beginning of a delimiter.
                let sure = (reader.buffer.len() + 1).saturating_sub(reader.delimiter.len());
                if sure > 0 {
                    let piece = reader.buffer.split_to(sure).freeze();
                    return Ok(Some((piece, Some(reader))));
                }
                reader.fill().await?;
            }
        }))
    }
}

fn find(bytes: &[u8], wanted: &[u8]) -> Option<usize> {
    let first = *wanted.first()?;
    let mut from = 0;
    loop {
        let rest = bytes.get(from..)?;
        let at = from + rest.iter().position(|&byte| byte == first)?;
        if bytes.get(at..)?.starts_with(wanted) {
            return Some(at);
        }
        from = at + 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_trickles_is_given_up_and_what_is_large_is_not() {
        let left = |seconds, received| time_left(Duration::from_secs(seconds), received);
        assert!(left(59, 0).is_some());
        assert!(left(61, 0).is_none());
        assert!(left(61, 8_191).is_none());
        assert!(left(3_600, 100 << 20).is_some());
        assert!(left(3_600, 1 << 20).is_none());
    }

    fn in_pieces(text: &[u8], length: usize) -> Body {
        let pieces: Vec<_> = text.chunks(length).map(|piece| Ok(piece.to_vec().into())).collect();
        Box::pin(stream::iter(pieces))
    }

    async fn read(text: &str, length: usize) -> Result<(HeaderMap, Vec<u8>), Error> {
        let (headers, mut body) = parts(in_pieces(text.as_bytes(), length), "xyz").await?;
        let mut bytes = Vec::new();
        while let Some(piece) = body.next().await {
            bytes.extend_from_slice(&piece?);
        }
        Ok((headers, bytes))
    }

    #[tokio::test]
    async fn the_second_part_is_found_wherever_the_pieces_break() {
        let json = "Content-Type: application/json\r\n\r\n{}";
        for (text, content) in [
            (
                format!("--xyz\r\n{json}\r\n--xyz\r\ncontent-type: a/b\r\n\r\nfile\r\n--xyz--"),
                "file",
            ),
            (
                format!(
                    "\r\n--xyz\r\n{json}\r\n--xyz  \r\nContent-Type:a/b\r\n\r\na\r\n--xy\r\n\r\n--xyz--\r\n"
                ),
                "a\r\n--xy\r\n",
            ),
            (
                "hi\r\n--xyz\r\n\r\n{}\r\n--xyz\r\nContent-Type: a/b\r\n\r\n\r\n--xyz--".to_owned(),
                "",
            ),
        ] {
            for length in 1..text.len() {
                let (headers, bytes) = read(&text, length).await.unwrap();
                assert_eq!(String::from_utf8(bytes).unwrap(), content, "{text:?} by {length}");
                assert_eq!(headers["content-type"], "a/b");
            }
        }
    }

    #[tokio::test]
    async fn what_ends_early_or_has_no_second_part_is_refused() {
        let whole = "--xyz\r\n\r\n{}\r\n--xyz\r\n\r\nfile\r\n--xyz--";
        assert!(read(whole, 7).await.is_ok());
        for end in 0..whole.len() - 2 {
            assert!(read(&whole[..end], 7).await.is_err(), "{:?}", &whole[..end]);
        }
        assert!(read("--xyz\r\n\r\n{}\r\n--xyz--\r\n\r\n", 7).await.is_err());
        assert!(read(&"x".repeat(100_000), 1000).await.is_err());
    }

    #[test]
    fn the_boundary_is_read_from_the_content_type() {
        let of = |told: &'static str| {
            let mut headers = HeaderMap::new();
            headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(told));
            boundary(&headers)
        };
        assert_eq!(of("multipart/mixed; boundary=abc").unwrap(), "abc");
        assert_eq!(of("Multipart/Mixed; charset=x; Boundary=\"a c\"").unwrap(), "a c");
        for wrong in ["multipart/mixed", "image/png; boundary=a", "multipart/mixed; boundary="] {
            assert_eq!(of(wrong), None, "{wrong}");
        }
    }
}
