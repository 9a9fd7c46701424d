//! Backups of the keys of encrypted sessions (client-server API, "Server-side key backups"): opaque to us, but
//! for what says which of two keys of a session is the better one.

use http::StatusCode;
use ruma::{
    UInt,
    api::{
        client::backup::{BackupAlgorithm, KeyBackupData},
        error::{ErrorKind, WrongRoomKeysVersionErrorData},
    },
    serde::Raw,
};
use serde::{Deserialize, Serialize, de::IgnoredAny};
use serde_json::value::RawValue;

use super::sessions::Session;
pub use crate::storage::key_backup::Which;
use crate::{
    error::{Error, Result},
    storage::{
        Conn, Store, Tx, UserNid,
        key_backup::{self as rows, Backup, Key},
    },
};

/// The longest id of a session or room and name of an algorithm, in bytes.
const ID_LENGTH: usize = 255;
/// The most bytes of what says how to encrypt.
const AUTH_DATA_LENGTH: usize = 65_536;

pub struct KeyBackup {
    store: Store,
}

/// How the keys of a version are encrypted.
#[derive(Deserialize, Serialize)]
struct Algorithm {
    algorithm: String,
    auth_data: Box<RawValue>,
    #[serde(default, skip_serializing)]
    version: Option<String>,
}

/// What is asked of the keys that a client puts in.
#[derive(Deserialize)]
struct KeyData {
    is_verified: bool,
    first_message_index: UInt,
    forwarded_count: UInt,
    #[serde(rename = "session_data")]
    _session_data: IgnoredAny,
}

/// What a client knows the keys of a version by.
#[derive(Clone, Copy, Debug)]
pub struct Contents {
    pub etag: i64,
    pub count: i64,
}

/// One version of a user's backup.
pub struct Version {
    pub number: i64,
    pub algorithm: Raw<BackupAlgorithm>,
    pub contents: Contents,
}

/// A key that is put in, with its room and session.
pub type Named<'a> = (&'a str, &'a str, &'a Raw<KeyBackupData>);

impl KeyBackup {
    pub fn new(store: Store) -> Self {
        Self { store }
    }

    /// Makes a version, which becomes the current one, and returns its number.
    pub async fn create(&self, caller: &Session, algorithm: &Raw<BackupAlgorithm>) -> Result<i64> {
        let (algorithm, user) = (parse(algorithm)?, caller.user_nid);
        let write = move |tx: &mut Tx<'_>| {
            rows::insert(tx, user, &algorithm.algorithm, algorithm.auth_data.get())
        };
        self.store.write(write).await
    }

    /// A version, or the current one; 404 if there is none.
    pub async fn version(&self, caller: &Session, version: Option<&str>) -> Result<Version> {
        let (user, number) = (caller.user_nid, version.map(number).transpose()?);
        let read = self.store.read(move |conn| match number {
            Some(number) => rows::find(conn, user, number),
            None => rows::current(conn, user),
        });
        let Backup { version, algorithm, auth_data, etag, key_count } =
            read.await?.ok_or_else(unknown)?;
        let broken = |error| Error::internal(format!("a backup: {error}"));
        let auth_data = RawValue::from_string(auth_data).map_err(broken)?;
        let algorithm = Algorithm { algorithm, auth_data, version: None };
        let algorithm = Raw::new(&algorithm).map_err(broken)?.cast_unchecked();
        let contents = Contents { etag, count: key_count };
        Ok(Version { number: version, algorithm, contents })
    }

    /// Says anew how the keys of a version are encrypted.
    pub async fn update(
        &self,
        caller: &Session,
        version: &str,
        algorithm: &Raw<BackupAlgorithm>,
    ) -> Result<()> {
        let Algorithm { algorithm, auth_data, version: named } = parse(algorithm)?;
        if named.is_some_and(|named| named != version) {
            return Err(Error::invalid_param("The version is not that of the path"));
        }
        let (user, number) = (caller.user_nid, number(version)?);
        let write = self.store.write(move |tx| {
            let backup = rows::find(tx, user, number)?.ok_or_else(unknown)?;
            if backup.algorithm != algorithm {
                return Err(Error::invalid_param("The algorithm is not that of the backup"));
            }
            rows::set_auth_data(tx, user, number, auth_data.get())
        });
        write.await
    }

    /// Deletes a version; nothing to do for one that was deleted.
    pub async fn delete(&self, caller: &Session, version: &str) -> Result<()> {
        let (user, number) = (caller.user_nid, number(version)?);
        let write = move |tx: &mut Tx<'_>| rows::delete(tx, user, number);
        if self.store.write(write).await? { Ok(()) } else { Err(unknown()) }
    }

    /// Puts keys into the current version, which must be `version`.
    pub async fn put_keys<'a>(
        &self,
        caller: &Session,
        version: &str,
        keys: impl Iterator<Item = Named<'a>>,
    ) -> Result<Contents> {
        let (user, version) = (caller.user_nid, version.to_owned());
        let keys: Vec<Key> = keys.map(key).collect::<Result<_>>()?;
        let write = self.store.write(move |tx| {
            let backup = rows::current(tx, user)?.ok_or_else(unknown)?;
            if backup.version.to_string() != version {
                return Err(wrong_version(backup.version));
            }
            let (new, replaced) = rows::put_keys(tx, user, backup.version, &keys)?;
            changed(tx, user, &backup, new as i64, new + replaced > 0)
        });
        write.await
    }

    /// The keys of a version as JSON: of all rooms, of one, or that of a session; 404 if there is none of it.
    pub async fn keys(&self, caller: &Session, version: &str, which: Which) -> Result<String> {
        let (user, number) = (caller.user_nid, number(version)?);
        let read = self.store.read(move |conn| {
            rows::find(conn, user, number)?.ok_or_else(unknown)?;
            let keys = rows::keys(conn, user, number, &which)?;
            match which {
                Which { session_id: Some(_), .. } => {
                    let key = keys.into_iter().next().map(|(_, _, json)| json);
                    key.ok_or_else(|| Error::not_found("Key not found"))
                }
                Which { room_id: Some(_), .. } => sessions_json(&keys),
                Which { .. } => rooms_json(&keys),
            }
        });
        read.await
    }

    pub async fn delete_keys(
        &self,
        caller: &Session,
        version: &str,
        which: Which,
    ) -> Result<Contents> {
        let (user, number) = (caller.user_nid, number(version)?);
        let write = self.store.write(move |tx| {
            let backup = rows::find(tx, user, number)?.ok_or_else(unknown)?;
            let gone = rows::delete_keys(tx, user, number, &which)?;
            changed(tx, user, &backup, -(gone as i64), gone > 0)
        });
        write.await
    }
}

fn changed(
    conn: &mut Conn,
    user: UserNid,
    backup: &Backup,
    more: i64,
    is_changed: bool,
) -> Result<Contents> {
    let (etag, count) = match is_changed {
        true => rows::keys_changed(conn, user, backup.version, more)?,
        false => (backup.etag, backup.key_count),
    };
    Ok(Contents { etag, count })
}

/// What is stored is JSON already: a backup may be large, so it isn't parsed to be put together.
fn rooms_json(keys: &[(String, String, String)]) -> Result<String> {
    let rooms = keys.chunk_by(|(one, ..), (next, ..)| one == next);
    let rooms = rooms.filter_map(|keys| Some((&keys.first()?.0, sessions_json(keys))));
    let rooms = rooms.map(|(room_id, sessions)| Ok((room_id.as_str(), sessions?)));
    Ok(format!("{{\"rooms\":{}}}", object(rooms)?))
}

fn sessions_json(keys: &[(String, String, String)]) -> Result<String> {
    let sessions = keys.iter().map(|(_, session_id, json)| Ok((session_id.as_str(), json)));
    Ok(format!("{{\"sessions\":{}}}", object(sessions)?))
}

fn object<'a, T: AsRef<str>>(
    members: impl Iterator<Item = Result<(&'a str, T)>>,
) -> Result<String> {
    let mut object = "{".to_owned();
    for member in members {
        let (name, json) = member?;
        if object.len() > 1 {
            object.push(',');
        }
        let name = serde_json::to_string(name);
        object.push_str(&name.map_err(|error| Error::internal(format!("a backup: {error}")))?);
        object.push(':');
        object.push_str(json.as_ref());
    }
    object.push('}');
    Ok(object)
}

fn parse(algorithm: &Raw<BackupAlgorithm>) -> Result<Algorithm> {
    let algorithm: Algorithm = serde_json::from_str(algorithm.json().get())
        .map_err(|error| Error::bad_json(error.to_string()))?;
    check_id(&algorithm.algorithm)?;
    let auth_data = algorithm.auth_data.get();
    // An object, by the specification; some clients send the text of one.
    if !auth_data.starts_with(['{', '"']) {
        return Err(Error::bad_json("auth_data is neither a JSON object nor a string"));
    }
    if auth_data.len() > AUTH_DATA_LENGTH {
        return Err(Error::invalid_param("auth_data is too long"));
    }
    Ok(algorithm)
}

fn key((room_id, session_id, data): Named<'_>) -> Result<Key> {
    check_id(room_id)?;
    check_id(session_id)?;
    let json = data.json().get();
    let parsed: KeyData = serde_json::from_str(json).map_err(|error| {
        Error::bad_json(format!("The key of the session {session_id}: {error}"))
    })?;
    Ok(Key {
        room_id: room_id.to_owned(),
        session_id: session_id.to_owned(),
        is_verified: parsed.is_verified,
        first_message_index: i64::from(parsed.first_message_index),
        forwarded_count: i64::from(parsed.forwarded_count),
        json: json.to_owned(),
    })
}

fn check_id(id: &str) -> Result<()> {
    if id.len() > ID_LENGTH || id.contains('\0') {
        return Err(Error::invalid_param("An id has more than 255 bytes, or a NUL character"));
    }
    Ok(())
}

/// Versions are numbers; what is none names no version.
fn number(version: &str) -> Result<i64> {
    let number: Option<i64> = version.parse().ok();
    number.filter(|number| number.to_string() == version).ok_or_else(unknown)
}

fn unknown() -> Error {
    Error::not_found("Unknown backup version")
}

fn wrong_version(current: i64) -> Error {
    let data = WrongRoomKeysVersionErrorData::new(current.to_string());
    Error::matrix(
        StatusCode::FORBIDDEN,
        ErrorKind::WrongRoomKeysVersion(data),
        "Wrong backup version",
    )
}
