//! What is to be sent, and what an answer means.

use serde::Serialize;
use serde_json::{Value, json};

use super::{
    Work,
    rows::{Purpose, Request},
};
use crate::{Error, json, primitives::random, signed_json::to_hex};

/// A request to the server, as it goes out.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct OutgoingRequest {
    /// To mark it as sent.
    pub id: u64,
    /// `keys_upload`, `keys_query`, `keys_claim`, `to_device`, `signing_keys_upload` (which wants user-interactive
    /// authentication), `signatures_upload`, `backup_version`, `backup_keys`, `account_data`.
    pub kind: &'static str,
    /// Of HTTP.
    pub method: String,
    /// Below the server's base, with its query.
    pub path: String,
    /// The body.
    pub body: Value,
}

impl Work<'_> {
    pub(super) fn requests(&mut self) -> Result<Vec<OutgoingRequest>, Error> {
        self.prune()?;
        let waiting = self.tx.scan::<Request>(&[])?;
        let has = |is: fn(&Purpose) -> bool| waiting.iter().any(|(_, row)| is(&row.purpose));
        let (upload, query, claim) = (
            has(|purpose| matches!(purpose, Purpose::KeysUpload(..))),
            has(|purpose| matches!(purpose, Purpose::KeysQuery(..))),
            has(|purpose| matches!(purpose, Purpose::KeysClaim(..))),
        );
        if !upload {
            self.upload_keys()?;
        }
        if !query {
            self.query_keys()?;
        }
        if !claim {
            self.claim_keys()?;
        }
        if !waiting.iter().any(|(_, row)| matches!(row.purpose, Purpose::BackupKeys(..))) {
            self.write_backup()?;
        }
        self.post_letters()?;
        let rows = self.tx.scan::<Request>(&[])?.into_iter();
        rows.map(|(key, row)| {
            let id = u64::from_be_bytes(key.try_into().map_err(|_| Error::Store)?);
            let body = json::read(row.body.as_bytes()).map_err(|_| Error::Store)?;
            let (method, path, kind) = (row.method, row.path, row.purpose.kind());
            Ok(OutgoingRequest { id, kind, method, path, body })
        })
        .collect()
    }

    /// Keeps a request until it is answered. A `{}` in the path becomes its number with something random: no other
    /// request has it, nor one of a store that was set back to before this one.
    pub(super) fn request(
        &mut self,
        method: &str,
        path: &str,
        body: &Value,
        purpose: Purpose,
    ) -> Result<(), Error> {
        let id = self.account.next;
        self.account.next = id.checked_add(1).ok_or(Error::TooLong)?;
        self.account_changed = true;
        let fresh = to_hex(&random::<4>(self.rng));
        let path = path.replace("{}", &format!("{}.{id}.{fresh}", self.account.device_id));
        let (method, body, made_at) = (method.to_owned(), json::write(body)?, Some(self.now));
        let row = Request { method, path, body, purpose, made_at };
        self.tx.put(&id.to_be_bytes(), &row);
        Ok(())
    }

    pub(super) fn mark_sent(&mut self, id: u64, answer: &Value) -> Result<(), Error> {
        let key = id.to_be_bytes();
        let Some(request) = self.tx.get::<Request>(&key)? else { return Ok(()) };
        self.tx.delete::<Request>(&key);
        match request.purpose {
            Purpose::KeysUpload(device, prekeys) => self.keys_uploaded(device, &prekeys, answer),
            Purpose::KeysQuery(users) => self.keys_queried(&users, answer),
            Purpose::KeysClaim(devices) => self.keys_claimed(&devices, answer),
            Purpose::SigningKeysUpload | Purpose::SignaturesUpload => {
                let own = self.account.user_id.clone();
                self.outdate(&own)
            }
            Purpose::ToDevice | Purpose::AccountData | Purpose::BackupKeys(_) => Ok(()),
            Purpose::BackupVersion => self.backup_created(answer),
        }
    }

    pub(super) fn mark_refused(&mut self, id: u64, status: u16) -> Result<(), Error> {
        let key = id.to_be_bytes();
        let Some(request) = self.tx.get::<Request>(&key)? else { return Ok(()) };
        if !(400..500).contains(&status) || status == 429 {
            return Ok(());
        }
        self.tx.delete::<Request>(&key);
        match request.purpose {
            Purpose::KeysUpload(_, prekeys) => self.upload_refused(&prekeys),
            Purpose::KeysQuery(users) => self.keys_queried(&users, &json!({ "failures": "all" })),
            Purpose::KeysClaim(devices) => self.keys_claimed(&devices, &json!({})),
            Purpose::BackupKeys(..) => self.backup_refused(&request.path),
            _ => Ok(()),
        }
    }
}

impl Purpose {
    fn kind(&self) -> &'static str {
        match self {
            Self::KeysUpload(..) => "keys_upload",
            Self::KeysQuery(..) => "keys_query",
            Self::KeysClaim(..) => "keys_claim",
            Self::ToDevice => "to_device",
            Self::SigningKeysUpload => "signing_keys_upload",
            Self::SignaturesUpload => "signatures_upload",
            Self::BackupVersion => "backup_version",
            Self::BackupKeys(..) => "backup_keys",
            Self::AccountData => "account_data",
        }
    }
}
