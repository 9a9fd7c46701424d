//! JSON as text. All of it is read and written here: each further way to do so is code in the browser's module.

use serde::Serialize;
use serde_json::Value;

use crate::Error;

/// Reads a value.
///
/// # Errors
/// [`Error::Encoding`]: no JSON, or nested deeper than 128.
pub fn read(text: &[u8]) -> Result<Value, Error> {
    serde_json::from_slice(text).map_err(|_| Error::Encoding)
}

/// Writes a value.
///
/// # Errors
/// None: the values of this library have a form in JSON.
pub fn write(value: &impl Serialize) -> Result<String, Error> {
    serde_json::to_string(value).map_err(|_| Error::Encoding)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_value_is_read_and_written_and_its_depth_is_bounded() {
        let value = json!({ "a": [1, true, null, "\u{e4}\n"] });
        let text = "{\"a\":[1,true,null,\"\u{e4}\\n\"]}";
        assert_eq!(write(&value).as_deref(), Ok(text));
        assert_eq!(read(text.as_bytes()), Ok(value));
        let nested = |depth: usize| ["[".repeat(depth), "]".repeat(depth)].concat();
        assert!(read(nested(127).as_bytes()).is_ok());
        for refused in [nested(129).as_str(), "", "{", "1 2", "{\"a\":\u{fffd}}"] {
            assert_eq!(read(refused.as_bytes()), Err(Error::Encoding), "{refused}");
        }
    }
}
