//! What comes from outside: ids, and members of JSON objects.

use serde_json::Value;

use crate::Error;

/// The longest id of a user, device, room or event in bytes, as Matrix has it.
pub const ID_MAX: usize = 255;

/// Ids become parts of keys, which end at zero bytes.
pub(super) fn check_id(id: &str) -> Result<(), Error> {
    if id.is_empty() || id.len() > ID_MAX || id.bytes().any(|byte| byte == 0) {
        Err(Error::Encoding)
    } else {
        Ok(())
    }
}

/// The text of a member of an object.
pub(crate) fn text<'v>(object: &'v Value, key: &str) -> Option<&'v str> {
    object.get(key).and_then(Value::as_str)
}
