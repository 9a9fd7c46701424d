//! Safety numbers.

use sealpost_e2e::{Identity, SafetyNumber};
use wasm_bindgen::prelude::*;

use crate::machine::key;

/// The sixty digits that two people compare, without separators.
///
/// # Errors
/// A master key that is not 32 bytes long.
#[wasm_bindgen(js_name = safetyNumber)]
pub fn safety_number(
    user_id: &str,
    master_key: &[u8],
    other_user_id: &str,
    other_master_key: &[u8],
) -> Result<String, JsError> {
    let number = SafetyNumber::new(
        Identity { user_id, master_key: key(master_key)? },
        Identity { user_id: other_user_id, master_key: key(other_master_key)? },
    );
    Ok(number.as_str().to_owned())
}
