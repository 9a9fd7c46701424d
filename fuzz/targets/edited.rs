//! Input for what checks signatures and shapes: bytes as they are, or edits of something genuine.

use sealpost_e2e::signed_json::{from_base64, to_base64};
use serde_json::{Value, json};

/// Bytes in the order in which they are asked for; zeros when they are spent.
pub struct Input<'a>(pub &'a [u8]);

impl Input<'_> {
    pub fn byte(&mut self) -> u8 {
        let Some((first, rest)) = self.0.split_first() else { return 0 };
        self.0 = rest;
        *first
    }

    pub fn below(&mut self, bound: usize) -> usize {
        let number = if bound > 256 {
            usize::from(self.byte()) << 8 | usize::from(self.byte())
        } else {
            usize::from(self.byte())
        };
        number % bound.max(1)
    }

    pub fn is_spent(&self) -> bool {
        self.0.is_empty()
    }

    /// Up to so many bytes, as many as the next two say.
    pub fn take(&mut self, at_most: usize) -> Vec<u8> {
        let length = self.below(at_most).min(self.0.len());
        let (taken, rest) = self.0.split_at(length);
        self.0 = rest;
        taken.to_vec()
    }

    /// One of the genuine ones with up to three edits, or bytes of the input's own.
    pub fn bytes(&mut self, genuine: &[Vec<u8>]) -> Vec<u8> {
        let how = self.byte();
        if how % 4 == 3 || genuine.is_empty() {
            return self.take(4_096);
        }
        let mut bytes = genuine[self.below(genuine.len())].clone();
        for _ in 0..how % 4 {
            let at = self.below(bytes.len());
            match self.byte() % 6 {
                0 => bytes.truncate(at),
                1 => {
                    let more = self.take(64);
                    bytes.splice(at..at, more);
                }
                2 => bytes.extend_from_within(at..),
                3 => {
                    let end = (at + self.below(64)).min(bytes.len());
                    bytes.drain(at..end);
                }
                _ if !bytes.is_empty() => bytes[at] = self.byte(),
                _ => {}
            }
        }
        bytes
    }

    /// One of the genuine ones, in which up to three values are others.
    pub fn json(&mut self, genuine: &[Value]) -> Value {
        let how = self.byte();
        if how % 4 == 3 || genuine.is_empty() {
            return serde_json::from_slice(&self.take(2_048)).unwrap_or(Value::Null);
        }
        let mut value = genuine[self.below(genuine.len())].clone();
        for _ in 0..how % 4 {
            self.edit(&mut value);
        }
        value
    }

    fn edit(&mut self, value: &mut Value) {
        let what = self.byte();
        match value {
            Value::Object(object) if what % 5 > 0 && !object.is_empty() => {
                let at = self.below(object.len());
                let name = object.keys().nth(at).cloned().unwrap_or_default();
                match what % 16 {
                    1 => {
                        object.remove(&name);
                    }
                    2 => {
                        let other = self.below(object.len());
                        let other = object.values().nth(other).cloned().unwrap_or_default();
                        object.insert(name, other);
                    }
                    3 => {
                        let inner = object.remove(&name).unwrap_or_default();
                        object.insert(String::from_utf8_lossy(&self.take(64)).into_owned(), inner);
                    }
                    _ => self.edit(&mut object[&name]),
                }
            }
            Value::Array(list) if what % 5 > 0 && !list.is_empty() => {
                let at = self.below(list.len());
                match what % 16 {
                    1 => {
                        list.remove(at);
                    }
                    2 => {
                        let again = list[at].clone();
                        list.push(again);
                    }
                    3 => list.reverse(),
                    _ => self.edit(&mut list[at]),
                }
            }
            Value::String(text) if what % 5 > 0 => {
                *text = match from_base64(text) {
                    Ok(bytes) if what % 4 > 0 => to_base64(&self.bytes(&[bytes])),
                    _ => {
                        let bytes = self.bytes(&[std::mem::take(text).into_bytes()]);
                        String::from_utf8_lossy(&bytes).into_owned()
                    }
                };
            }
            other => {
                *other = match self.byte() % 11 {
                    0 => json!(null),
                    1 => json!(-1),
                    2 => json!(u64::MAX),
                    3 => json!(i64::MIN),
                    4 => json!(0.5),
                    5 => json!("\u{0}"),
                    6 => json!([[]]),
                    7 => json!({ "": {} }),
                    8 => json!("A".repeat(300)),
                    9 => json!(self.byte()),
                    _ => serde_json::from_slice(&self.take(256)).unwrap_or(json!(true)),
                };
            }
        }
    }
}
