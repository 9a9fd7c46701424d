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
