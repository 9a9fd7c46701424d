//! Finds the route of a request by its *raw* path: split on `/` first, then every argument percent-decoded
//! once, so that an encoded `/` stays inside its argument.
//!
//! A literal segment wins over an argument. A path registered with a trailing slash is found without it too;
//! other paths are not found with one. An argument is never empty, except a `state_key`.

use std::{borrow::Cow, collections::HashMap, str::Utf8Error};

use actix_web::http::Method;
use percent_encoding::percent_decode_str;
use smallvec::SmallVec;

/// No route is this deep: longer paths are not looked at.
const MAX_SEGMENTS: usize = 16;

type Segments<'a> = SmallVec<[&'a str; MAX_SEGMENTS]>;

/// Where the arguments of a route stand in the raw path.
#[derive(Clone, Debug, Default)]
pub struct Arguments(SmallVec<[(u16, u16); 4]>);

impl Arguments {
    /// The arguments, decoded. `path` is the one that the route was found by.
    pub fn decode<'a>(&self, path: &'a str) -> Result<SmallVec<[Cow<'a, str>; 4]>, Utf8Error> {
        self.0
            .iter()
            .map(|&(start, end)| {
                let raw = path.get(usize::from(start)..usize::from(end)).unwrap_or_default();
                percent_decode_str(raw).decode_utf8()
            })
            .collect()
    }
}

#[derive(Debug)]
pub enum Found<'r, T> {
    Route(&'r T, Arguments),
    /// The path is known, the method is not.
    OtherMethod,
    Nothing,
}

/// A tree of path segments.
#[derive(Debug)]
pub struct Router<T> {
    root: Node<T>,
}

#[derive(Debug)]
struct Node<T> {
    literals: HashMap<&'static str, Node<T>>,
    argument: Option<Box<Argument<T>>>,
    methods: Vec<(Method, T)>,
}

#[derive(Debug)]
struct Argument<T> {
    may_be_empty: bool,
    node: Node<T>,
}

impl<T> Default for Node<T> {
    fn default() -> Self {
        Self { literals: HashMap::new(), argument: None, methods: Vec::new() }
    }
}

impl<T> Default for Router<T> {
    fn default() -> Self {
        Self { root: Node::default() }
    }
}

impl<T: Clone> Router<T> {
    /// Adds a path such as `/rooms/{room_id}/state`. A path and method added twice keeps the first route.
    pub fn add(&mut self, method: &Method, path: &'static str, route: T) {
        self.insert(method, path, route.clone());
        if let Some(without_slash) = path.strip_suffix('/')
            && !without_slash.is_empty()
        {
            self.insert(method, without_slash, route);
        }
    }

    fn insert(&mut self, method: &Method, path: &'static str, route: T) {
        let mut node = &mut self.root;
        for segment in path.split('/').skip(1) {
            node = match segment.strip_prefix('{').and_then(|rest| rest.strip_suffix('}')) {
                Some(name) => {
                    let argument = node.argument.get_or_insert_with(|| {
                        Box::new(Argument { may_be_empty: false, node: Node::default() })
                    });
                    argument.may_be_empty |= name == "state_key";
                    &mut argument.node
                }
                None => node.literals.entry(segment).or_default(),
            };
        }
        if !node.methods.iter().any(|(known, _)| known == method) {
            node.methods.push((method.clone(), route));
        }
    }
}

impl<T> Router<T> {
    pub fn find(&self, method: &Method, path: &str) -> Found<'_, T> {
        if path.len() > usize::from(u16::MAX) {
            return Found::Nothing;
        }
        let mut segments = Segments::new();
        for segment in path.split('/').skip(1) {
            if segments.len() == MAX_SEGMENTS {
                return Found::Nothing;
            }
            segments.push(segment);
        }
        let mut arguments = SmallVec::new();
        let Some(node) = self.root.descend(&segments, path, &mut arguments) else {
            return Found::Nothing;
        };
        // What answers GET answers HEAD; the body is dropped by the connection.
        let method = if method == Method::HEAD { &Method::GET } else { method };
        match node.methods.iter().find(|(known, _)| known == method) {
            Some((_, route)) => Found::Route(route, Arguments(arguments)),
            None => Found::OtherMethod,
        }
    }
}

impl<T> Node<T> {
    fn descend<'n>(
        &'n self,
        segments: &[&str],
        path: &str,
        arguments: &mut SmallVec<[(u16, u16); 4]>,
    ) -> Option<&'n Self> {
        let Some((segment, rest)) = segments.split_first() else {
            return (!self.methods.is_empty()).then_some(self);
        };
        if let Some(literal) = self.literals.get(*segment)
            && let Some(node) = literal.descend(rest, path, arguments)
        {
            return Some(node);
        }
        let argument = self.argument.as_deref()?;
        if segment.is_empty() && !argument.may_be_empty {
            return None;
        }
        // Both are slices of one path, which is no longer than u16::MAX.
        let start = (segment.as_ptr() as usize).wrapping_sub(path.as_ptr() as usize) as u16;
        arguments.push((start, start.wrapping_add(segment.len() as u16)));
        let found = argument.node.descend(rest, path, arguments);
        if found.is_none() {
            arguments.pop();
        }
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn router() -> Router<u8> {
        let mut router = Router::default();
        router.add(&Method::GET, "/v3/rooms/{room_id}/event/{event_id}", 1);
        router.add(&Method::GET, "/v3/rooms/{room_id}/state/{event_type}/{state_key}", 2);
        router.add(&Method::PUT, "/v3/rooms/{room_id}/state/{event_type}/{state_key}", 3);
        router.add(&Method::GET, "/v3/rooms/{room_id}/state/{event_type}", 4);
        router.add(&Method::GET, "/v3/rooms/{room_id}/state", 5);
        router.add(&Method::GET, "/v3/pushrules/", 6);
        router.add(&Method::GET, "/v3/pushrules/global/", 7);
        router.add(&Method::GET, "/v3/pushrules/{scope}/{kind}", 8);
        router
    }

    fn found(method: Method, path: &str) -> Option<(u8, Vec<String>)> {
        match router().find(&method, path) {
            Found::Route(route, arguments) => {
                let arguments = arguments.decode(path).unwrap();
                Some((*route, arguments.into_iter().map(Cow::into_owned).collect()))
            }
            Found::OtherMethod | Found::Nothing => None,
        }
    }

    #[test]
    fn a_v3_event_id_keeps_its_encoded_slash_and_plus() {
        let (route, arguments) = found(
            Method::GET,
            "/v3/rooms/!r%3Aa.b/event/%24acR1l0raoZnm60CBwAVgqbZqoO%2FmYU81xysh1u7XcJk",
        )
        .unwrap();
        assert_eq!(route, 1);
        assert_eq!(arguments, ["!r:a.b", "$acR1l0raoZnm60CBwAVgqbZqoO/mYU81xysh1u7XcJk"]);
        let (_, arguments) = found(Method::GET, "/v3/rooms/!r/event/$a%2Bb+c").unwrap();
        assert_eq!(arguments, ["!r", "$a+b+c"]);
    }

    #[test]
    fn an_argument_is_decoded_once() {
        let (_, arguments) = found(Method::GET, "/v3/rooms/!r/event/%2525%252F").unwrap();
        assert_eq!(arguments, ["!r", "%25%2F"]);
    }

    #[test]
    fn a_state_key_may_hold_a_slash() {
        let (route, arguments) = found(Method::PUT, "/v3/rooms/!r/state/org.x/a%2Fb%2F").unwrap();
        assert_eq!(route, 3);
        assert_eq!(arguments, ["!r", "org.x", "a/b/"]);
    }

    #[test]
    fn the_empty_state_key_is_found_with_and_without_a_trailing_slash() {
        assert_eq!(
            found(Method::GET, "/v3/rooms/!r/state/m.room.name/").unwrap(),
            (2, vec!["!r".to_owned(), "m.room.name".to_owned(), String::new()])
        );
        assert_eq!(
            found(Method::GET, "/v3/rooms/!r/state/m.room.name").unwrap(),
            (4, vec!["!r".to_owned(), "m.room.name".to_owned()])
        );
        assert_eq!(found(Method::GET, "/v3/rooms/!r/state").unwrap().0, 5);
    }

    #[test]
    fn other_arguments_are_not_empty() {
        assert!(found(Method::GET, "/v3/rooms//event/$e").is_none());
        assert!(found(Method::GET, "/v3/rooms/!r/event/").is_none());
    }

    #[test]
    fn a_path_with_a_trailing_slash_is_found_without_it() {
        assert_eq!(found(Method::GET, "/v3/pushrules/").unwrap().0, 6);
        assert_eq!(found(Method::GET, "/v3/pushrules").unwrap().0, 6);
        assert_eq!(found(Method::GET, "/v3/pushrules/global").unwrap().0, 7);
        assert!(found(Method::GET, "/v3/rooms/!r/state//").is_none());
    }

    #[test]
    fn a_literal_wins_but_does_not_hide_an_argument() {
        assert_eq!(found(Method::GET, "/v3/pushrules/global/room").unwrap().0, 8);
    }

    #[test]
    fn an_unknown_method_is_told_from_an_unknown_path() {
        assert!(matches!(router().find(&Method::DELETE, "/v3/pushrules/"), Found::OtherMethod));
        assert!(matches!(router().find(&Method::GET, "/v3/nothing"), Found::Nothing));
        assert!(matches!(router().find(&Method::HEAD, "/v3/pushrules/"), Found::Route(6, _)));
    }

    #[test]
    fn bytes_that_are_not_utf_8_are_refused() {
        let (router, path) = (router(), "/v3/rooms/!r/event/%ff");
        let Found::Route(_, arguments) = router.find(&Method::GET, path) else {
            panic!("not found")
        };
        assert!(arguments.decode(path).is_err());
    }
}
