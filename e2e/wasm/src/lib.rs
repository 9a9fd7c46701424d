//! Bindings of `sealpost-e2e` for browsers, workers and Node: conversions only, no logic.
//!
//! JSON goes in and out as text, bytes as byte arrays, times as milliseconds. `face/machine.ts` and `face/extra.ts` put
//! types around it. With the feature `extra` it is another module: what is seldom needed, and none of the rest.

#[cfg(feature = "extra")]
mod extra;
#[cfg(not(feature = "extra"))]
mod files;
#[cfg(not(feature = "extra"))]
mod machine;
#[cfg(not(feature = "extra"))]
mod recovery;
#[cfg(not(feature = "extra"))]
mod safety_number;

use getrandom::SysRng;
use rand_core::UnwrapErr;
use sealpost_e2e::json;
use serde::Serialize;
use serde_json::Value;
use wasm_bindgen::prelude::*;

/// The platform's randomness. A platform without any is left.
fn random() -> UnwrapErr<SysRng> {
    UnwrapErr(SysRng)
}

fn write(value: &impl Serialize) -> Result<String, JsValue> {
    json::write(value).map_err(error)
}

fn parse(text: &str) -> Result<Value, JsValue> {
    json::read(text.as_bytes()).map_err(error)
}

/// An error with a name that code can tell apart, and a text for people who read logs.
fn error(error: sealpost_e2e::Error) -> JsValue {
    let shown = js_sys::Error::new(&error.to_string());
    shown.set_name(&format!("{error:?}"));
    shown.into()
}
