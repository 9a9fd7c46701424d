//! Bindings of `sealpost-e2e` for browsers, workers and Node: conversions only, no logic.
//!
//! JSON goes in and out as text, bytes as byte arrays, times as milliseconds. `face/machine.ts` puts types around it.

mod files;
mod machine;
mod recovery;

use sealpost_e2e::{Identity, SafetyNumber};
use wasm_bindgen::prelude::*;

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

fn key(bytes: &[u8]) -> Result<&[u8; 32], JsError> {
    bytes.try_into().map_err(|_| JsError::new("a key is 32 bytes long"))
}

/// An error with a name that code can tell apart, and a text for people who read logs.
fn error(error: sealpost_e2e::Error) -> JsValue {
    let shown = js_sys::Error::new(&error.to_string());
    shown.set_name(&format!("{error:?}"));
    shown.into()
}
