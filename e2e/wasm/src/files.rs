//! Files, sealed in chunks: the reference for what WebCrypto does in bulk.

use sealpost_e2e::attachment::{self, FileKey, HEADER_LENGTH, Opener, Role, Sealer, StreamOpener};
use wasm_bindgen::prelude::*;

use crate::{error, machine::key, random};

/// Seals a file: the header, then each chunk of 16 KiB, then what is left.
#[wasm_bindgen]
pub struct FileSealer {
    key: FileKey,
    header: [u8; HEADER_LENGTH],
    sealer: Option<Sealer>,
}

#[wasm_bindgen]
impl FileSealer {
    /// With a fresh key.
    ///
    /// # Errors
    /// None that a caller can cause.
    #[wasm_bindgen(constructor)]
    pub fn new(context: &[u8]) -> Result<FileSealer, JsValue> {
        let key = FileKey::generate(&mut random());
        let (sealer, header) = key.seal(context).map_err(error)?;
        Ok(Self { key, header, sealer: Some(sealer) })
    }

    /// Begins again, with the same key: the same bytes come out.
    ///
    /// # Errors
    /// None that a caller can cause.
    pub fn again(&mut self, context: &[u8]) -> Result<(), JsValue> {
        self.sealer = Some(self.key.seal(context).map_err(error)?.0);
        Ok(())
    }

    /// The 32 bytes that go into the event.
    pub fn key(&self) -> Vec<u8> {
        self.key.as_bytes().to_vec()
    }

    /// What stands before the first chunk.
    pub fn header(&self) -> Vec<u8> {
        self.header.to_vec()
    }

    /// Seals the next 16 KiB.
    ///
    /// # Errors
    /// Not 16 KiB, or the last chunk was sealed.
    pub fn chunk(&mut self, chunk: &[u8]) -> Result<Vec<u8>, JsValue> {
        let wrong = || error(sealpost_e2e::Error::Encoding);
        let chunk = chunk.try_into().map_err(|_| wrong())?;
        self.sealer.as_mut().ok_or_else(wrong)?.chunk(chunk).map_err(error)
    }

    /// Seals what is left, less than 16 KiB and perhaps nothing.
    ///
    /// # Errors
    /// 16 KiB or more, or the last chunk was sealed.
    pub fn last(&mut self, rest: &[u8]) -> Result<Vec<u8>, JsValue> {
        let sealer = self.sealer.take().ok_or_else(|| error(sealpost_e2e::Error::Encoding))?;
        sealer.last(rest).map_err(error)
    }
}

/// Opens a file's chunks.
#[wasm_bindgen]
pub struct FileOpener(Option<Opener>);

#[wasm_bindgen]
impl FileOpener {
    /// With the key, the context and the first bytes.
    ///
    /// # Errors
    /// Another key, context or file.
    #[wasm_bindgen(constructor)]
    pub fn new(key_bytes: &[u8], context: &[u8], header: &[u8]) -> Result<FileOpener, JsValue> {
        let wrong = |_| error(sealpost_e2e::Error::Encoding);
        let header = header.try_into().map_err(wrong)?;
        Ok(Self(Some(Opener::new(key(key_bytes)?, context, header).map_err(error)?)))
    }

    /// Goes on with the chunk of this number, from zero.
    pub fn seek(&mut self, chunk: u64) {
        if let Some(opener) = &mut self.0 {
            opener.seek(chunk);
        }
    }

    /// Opens the next whole chunk.
    ///
    /// # Errors
    /// Changed, moved, or not whole.
    pub fn chunk(&mut self, sealed: &[u8]) -> Result<Vec<u8>, JsValue> {
        let wrong = || error(sealpost_e2e::Error::Authentication);
        let sealed = sealed.try_into().map_err(|_| wrong())?;
        self.0.as_mut().ok_or_else(wrong)?.chunk(sealed).map_err(error)
    }

    /// Opens the last chunk. Only then is the file complete.
    ///
    /// # Errors
    /// Changed, moved, or cut off.
    pub fn last(&mut self, sealed: &[u8]) -> Result<Vec<u8>, JsValue> {
        let wrong = || error(sealpost_e2e::Error::Authentication);
        self.0.take().ok_or_else(wrong)?.last(sealed).map_err(error)
    }
}

/// What a file of a room is sealed with besides its key: the role is `file`, `thumbnail` or `history`.
///
/// # Errors
/// Another role.
#[wasm_bindgen(js_name = fileContext)]
pub fn file_context(room_id: &str, role: &str) -> Result<Vec<u8>, JsValue> {
    Ok(attachment::context(room_id, Role::parse(role).map_err(error)?))
}

/// Opens a file as it was uploaded, while it comes.
#[wasm_bindgen]
pub struct FileStream(Option<StreamOpener>);

#[wasm_bindgen]
impl FileStream {
    /// With what the event says of it, and its context.
    ///
    /// # Errors
    /// No file has this size.
    #[wasm_bindgen(constructor)]
    pub fn new(
        key_bytes: &[u8],
        hash: &[u8],
        size: f64,
        context: &[u8],
    ) -> Result<FileStream, JsValue> {
        let (key_bytes, hash) = (key(key_bytes)?, key(hash)?);
        let opener = StreamOpener::new(key_bytes, hash, size as u64, context).map_err(error)?;
        Ok(Self(Some(opener)))
    }

    /// Takes in the next bytes; answers what of the file is certain by now.
    ///
    /// # Errors
    /// Another file, or one that was changed or extended.
    pub fn push(&mut self, bytes: &[u8]) -> Result<Vec<u8>, JsValue> {
        let wrong = || error(sealpost_e2e::Error::Authentication);
        self.0.as_mut().ok_or_else(wrong)?.push(bytes).map_err(error)
    }

    /// Opens what is left. Only then is the file complete.
    ///
    /// # Errors
    /// It was changed or cut off.
    pub fn finish(&mut self) -> Result<Vec<u8>, JsValue> {
        let wrong = || error(sealpost_e2e::Error::Authentication);
        self.0.take().ok_or_else(wrong)?.finish().map_err(error)
    }
}

/// The hash of the list of hashes of every MiB of a ciphertext.
#[wasm_bindgen]
#[derive(Default)]
pub struct FileSegments(attachment::Segments);

#[wasm_bindgen]
impl FileSegments {
    /// None yet.
    #[wasm_bindgen(constructor)]
    pub fn new() -> FileSegments {
        Self::default()
    }

    /// Takes in the next bytes of the ciphertext.
    pub fn update(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    /// The hash (32 bytes), then the list.
    pub fn finish(self) -> Vec<u8> {
        let (list, hash) = self.0.finish();
        [&hash[..], &list].concat()
    }
}
