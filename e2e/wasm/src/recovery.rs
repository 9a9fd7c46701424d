//! The recovery key and secret storage.

use sealpost_e2e::secret_storage;
use wasm_bindgen::prelude::*;

use crate::{error, machine::key, parse, random, write};

/// The key that unlocks everything else.
#[wasm_bindgen]
pub struct RecoveryKey(secret_storage::RecoveryKey);

#[wasm_bindgen]
impl RecoveryKey {
    /// A fresh key.
    pub fn generate() -> RecoveryKey {
        Self(secret_storage::RecoveryKey::generate(&mut random()))
    }

    /// What a person typed.
    ///
    /// # Errors
    /// `Encoding`: mistyped.
    pub fn parse(text: &str) -> Result<RecoveryKey, JsValue> {
        secret_storage::RecoveryKey::parse(text).map(Self).map_err(error)
    }

    /// A key of 32 bytes, as a passphrase gives it.
    ///
    /// # Errors
    /// Not 32 bytes.
    #[wasm_bindgen(js_name = fromBytes)]
    pub fn from_bytes(bytes: &[u8]) -> Result<RecoveryKey, JsValue> {
        Ok(Self(secret_storage::RecoveryKey::from_bytes(*key(bytes)?)))
    }

    /// What a person writes down.
    pub fn encode(&self) -> String {
        self.0.encode().to_string()
    }

    /// JSON: the key's fresh id, and the content of the account data `m.secret_storage.key.<id>`.
    pub fn describe(&self) -> Result<String, JsValue> {
        let (id, content) = self.0.describe(&mut random());
        write(&serde_json::json!({ "id": id, "content": content }))
    }

    /// Whether this is the key that the content of account data tells of.
    ///
    /// # Errors
    /// `Encoding`: of another algorithm.
    pub fn check(&self, description: &str) -> Result<bool, JsValue> {
        match self.0.check(&parse(description)?) {
            Ok(()) => Ok(true),
            Err(sealpost_e2e::Error::Authentication) => Ok(false),
            Err(other) => Err(error(other)),
        }
    }

    /// The content, as JSON, of the account data of a secret's name.
    pub fn encrypt(&self, id: &str, name: &str, secret: &[u8]) -> Result<String, JsValue> {
        write(&self.0.encrypt(id, name, secret, &mut random()))
    }

    /// Opens a secret of account data.
    ///
    /// # Errors
    /// `Unknown`: not under this key; `Authentication`: changed.
    pub fn decrypt(&self, id: &str, name: &str, content: &str) -> Result<Vec<u8>, JsValue> {
        let content = parse(content)?;
        self.0.decrypt(id, name, &content).map(|secret| secret.to_vec()).map_err(error)
    }
}
