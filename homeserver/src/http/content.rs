//! How uploaded content is told to a browser: what it may do with it, which part of it is sent, under which
//! name it is saved.
//!
//! <https://spec.matrix.org/v1.16/client-server-api/#content-repository>

use std::ops::Range;

use actix_web::http::header::{self, HeaderMap, HeaderName, HeaderValue};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

const OCTETS: &str = "application/octet-stream";

/// What a page that shows the content may do.
pub const HEADERS: [(HeaderName, &str); 5] = [
    (
        header::CONTENT_SECURITY_POLICY,
        "sandbox; default-src 'none'; script-src 'none'; plugin-types application/pdf; \
         style-src 'unsafe-inline'; object-src 'self';",
    ),
    (HeaderName::from_static("cross-origin-resource-policy"), "cross-origin"),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::REFERRER_POLICY, "no-referrer"),
    // The content of an address never changes.
    (header::CACHE_CONTROL, "private, max-age=31536000, immutable"),
];

/// What a browser shows without running anything: the list of the specification.
const INLINE: [&str; 26] = [
    "text/css",
    "text/plain",
    "text/csv",
    "application/json",
    "application/ld+json",
    "image/jpeg",
    "image/gif",
    "image/png",
    "image/apng",
    "image/webp",
    "image/avif",
    "video/mp4",
    "video/webm",
    "video/ogg",
    "video/quicktime",
    "audio/mp4",
    "audio/webm",
    "audio/aac",
    "audio/mpeg",
    "audio/ogg",
    "audio/wave",
    "audio/wav",
    "audio/x-wav",
    "audio/x-pn-wav",
    "audio/flac",
    "audio/x-flac",
];

/// `attr-char` of RFC 8187.
const NOT_ATTRIBUTE: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'!')
    .remove(b'#')
    .remove(b'$')
    .remove(b'&')
    .remove(b'+')
    .remove(b'-')
    .remove(b'.')
    .remove(b'^')
    .remove(b'_')
    .remove(b'`')
    .remove(b'|')
    .remove(b'~');

/// The uploader's word for what it is.
pub fn content_type(told: Option<&str>) -> HeaderValue {
    told.and_then(|told| HeaderValue::from_str(told).ok())
        .unwrap_or(HeaderValue::from_static(OCTETS))
}

/// Whether to show or save it, and under which name.
pub fn disposition(content_type: Option<&str>, filename: Option<&str>) -> HeaderValue {
    let essence = content_type.and_then(|told| told.split(';').next()).unwrap_or_default().trim();
    let is_inline = INLINE.iter().any(|inline| essence.eq_ignore_ascii_case(inline));
    let kind = if is_inline { "inline" } else { "attachment" };
    let text = match filename.filter(|name| !name.is_empty()) {
        None => kind.to_owned(),
        Some(name) if name.bytes().all(|byte| byte == b' ' || byte.is_ascii_graphic()) => {
            let quoted = name.replace('\\', "\\\\").replace('"', "\\\"");
            format!("{kind}; filename=\"{quoted}\"")
        }
        Some(name) => {
            format!("{kind}; filename*=utf-8''{}", utf8_percent_encode(name, NOT_ATTRIBUTE))
        }
    };
    HeaderValue::from_str(&text).unwrap_or(HeaderValue::from_static("attachment"))
}

/// Which part of the content is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Part {
    Whole,
    Of(Range<u64>),
    /// It lies behind the end.
    Unsatisfiable,
}

/// Reads `Range`. What asks for several parts, or is malformed, gets the whole, as RFC 9110 has it.
pub fn part(headers: &HeaderMap, size: u64, etag: &str) -> Part {
    // The part of another version would not fit.
    if headers.get(header::IF_RANGE).is_some_and(|of| of.as_bytes() != etag.as_bytes()) {
        return Part::Whole;
    }
    let range = headers.get(header::RANGE).and_then(|range| range.to_str().ok());
    let Some((first, last)) = range
        .and_then(|range| range.strip_prefix("bytes="))
        .and_then(|range| range.trim().split_once('-'))
    else {
        return Part::Whole;
    };
    let range = match (first.parse::<u64>(), last.parse::<u64>()) {
        (Ok(first), Ok(last)) if first <= last => first..last.saturating_add(1).min(size),
        (Ok(first), Err(_)) if last.is_empty() => first..size,
        (Err(_), Ok(suffix)) if first.is_empty() => size.saturating_sub(suffix)..size,
        _ => return Part::Whole,
    };
    if range.start < range.end { Part::Of(range) } else { Part::Unsatisfiable }
}

/// Whether the caller has the content already.
pub fn is_known(headers: &HeaderMap, etag: &str) -> bool {
    let known = headers.get(header::IF_NONE_MATCH).and_then(|known| known.to_str().ok());
    known.is_some_and(|known| {
        known
            .split(',')
            .map(str::trim)
            .any(|known| known == "*" || known.strip_prefix("W/").unwrap_or(known) == etag)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(name: HeaderName, value: &'static str) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert(name, HeaderValue::from_static(value));
        headers
    }

    #[test]
    fn only_what_runs_nothing_is_shown_inline() {
        let shown = |kind| disposition(Some(kind), None).to_str().unwrap().to_owned();
        assert_eq!(shown("image/png"), "inline");
        assert_eq!(shown("Text/Plain; charset=utf-8"), "inline");
        assert_eq!(shown("text/html"), "attachment");
        assert_eq!(shown("image/svg+xml"), "attachment");
        assert_eq!(disposition(None, None), "attachment");
    }

    #[test]
    fn a_name_is_quoted_or_encoded_and_adds_no_header() {
        let named = |name| disposition(Some("image/png"), Some(name)).to_str().unwrap().to_owned();
        assert_eq!(named("a b.png"), r#"inline; filename="a b.png""#);
        assert_eq!(named(r#"a"b\.png"#), r#"inline; filename="a\"b\\.png""#);
        assert_eq!(named("ä☕.png"), "inline; filename*=utf-8''%C3%A4%E2%98%95.png");
        assert_eq!(named("a\r\nX: y"), "inline; filename*=utf-8''a%0D%0AX%3A%20y");
        assert_eq!(named(""), "inline");
        assert_eq!(content_type(Some("a/b\r\nX: y")), OCTETS);
    }

    #[test]
    fn a_range_is_one_part_of_what_is_there() {
        let asked = |range| part(&headers(header::RANGE, range), 100, "\"a\"");
        assert_eq!(asked("bytes=0-9"), Part::Of(0..10));
        assert_eq!(asked("bytes=90-"), Part::Of(90..100));
        assert_eq!(asked("bytes=-10"), Part::Of(90..100));
        assert_eq!(asked("bytes=-1000"), Part::Of(0..100));
        assert_eq!(asked("bytes=50-18446744073709551615"), Part::Of(50..100));
        assert_eq!(asked("bytes=100-"), Part::Unsatisfiable);
        assert_eq!(asked("bytes=-0"), Part::Unsatisfiable);
        for whole in ["bytes=9-0", "bytes=0-1,3-4", "lines=0-9", "bytes=", "bytes=-", "bytes=a-b"] {
            assert_eq!(asked(whole), Part::Whole, "{whole}");
        }
        let mut other = headers(header::RANGE, "bytes=0-9");
        other.insert(header::IF_RANGE, HeaderValue::from_static("\"b\""));
        assert_eq!(part(&other, 100, "\"a\""), Part::Whole);
    }

    #[test]
    fn content_that_is_known_is_not_sent_again() {
        for known in ["\"a\"", "W/\"a\"", "\"b\", \"a\"", "*"] {
            assert!(is_known(&headers(header::IF_NONE_MATCH, known), "\"a\""), "{known}");
        }
        assert!(!is_known(&headers(header::IF_NONE_MATCH, "\"b\""), "\"a\""));
        assert!(!is_known(&HeaderMap::new(), "\"a\""));
    }
}
