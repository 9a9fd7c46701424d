//! The second module: passphrases, keys in a file, images of QR codes.

use qrcodegen::{QrCode, QrCodeEcc};
use sealpost_e2e::{
    Error, export,
    passphrase::{self, Cost},
};
use wasm_bindgen::prelude::*;

use crate::{error, parse, random, write};

/// See `extra.ts`, as for all that follow. JSON.
#[wasm_bindgen(js_name = describePassphrase)]
pub fn describe_passphrase() -> Result<String, JsValue> {
    write(&passphrase::describe(&mut random()))
}

#[wasm_bindgen(js_name = derivePassphrase)]
pub fn derive_passphrase(passphrase: &str, description: &str) -> Result<Vec<u8>, JsValue> {
    passphrase::derive(passphrase, &parse(description)?).map(|key| key.to_vec()).map_err(error)
}

#[wasm_bindgen(js_name = sealExport)]
pub fn seal_export(passphrase: &str, keys: &[u8]) -> Result<Vec<u8>, JsValue> {
    export::seal(passphrase, Cost::USUAL, keys, &mut random()).map_err(error)
}

#[wasm_bindgen(js_name = openExport)]
pub fn open_export(passphrase: &str, file: &[u8]) -> Result<Vec<u8>, JsValue> {
    export::open(passphrase, file).map(|keys| keys.to_vec()).map_err(error)
}

/// The modules of a QR code with one segment of byte mode, row by row: 1 is dark.
#[wasm_bindgen(js_name = qrModules)]
pub fn qr_modules(bytes: &[u8]) -> Result<Vec<u8>, JsValue> {
    let code =
        QrCode::encode_binary(bytes, QrCodeEcc::Medium).map_err(|_| error(Error::TooLong))?;
    let at = |row: i32, column: i32| u8::from(code.get_module(column, row));
    Ok((0..code.size())
        .flat_map(|row| (0..code.size()).map(move |column| (row, column)))
        .map(|(row, column)| at(row, column))
        .collect())
}
