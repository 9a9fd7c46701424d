//! Whom a message is sealed for: every device, with the identity that vouches for it.
//!
//! ```text
//! audience = hash("org.sealpost.audience.v1", one reader after the other, sorted)
//! reader   = labelled("org.sealpost.reader.v1", user id, master key, device id, Ed25519, X25519)
//! ```
//!
//! Readers are sorted by user id, then device id, as bytes. The hash is in what each message authenticates; the
//! list is told once for each change, in an encrypted event of type `org.sealpost.audience`.

use serde_json::{Value, json};

use crate::{
    Error,
    encoding::{Bytes32, coded},
    primitives::{kdf, x25519},
    signed_json::{key_from_base64, to_base64},
};

/// The type of the encrypted event that tells a list.
pub const EVENT_TYPE: &str = "org.sealpost.audience";
/// How many readers one event tells.
pub const PART_MAX: usize = 75;
/// And how many bytes of JSON they have: a person's server lets devices have ids of any kind, and what is sealed has 24 KiB.
const PART_BYTES: usize = 22 * 1024;
/// How many readers a list may have.
pub const READERS_MAX: usize = 20_000;
/// A list is told in so many events at most: one that tells of twice as many readers whose ids have 255 bytes each.
pub const PARTS_MAX: usize = 2 * READERS_MAX.div_ceil(PART_BYTES / ROW_BYTES);
/// What a reader with such ids takes: beside them three keys, and what stands between.
const ROW_BYTES: usize = 2 * 255 + 3 * 43 + 16;

/// A device that can read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reader {
    /// Whose it is.
    pub user_id: String,
    /// The identity that vouches for it.
    pub master: Bytes32,
    /// Its id.
    pub device_id: String,
    /// Its keys.
    pub ed25519: Bytes32,
    /// Its key for agreement.
    pub x25519: x25519::PublicKey,
}

coded!(Reader { user_id, master, device_id, ed25519, x25519 });

impl Reader {
    fn encoded(&self) -> Vec<u8> {
        let fields: [&[u8]; 5] = [
            self.user_id.as_bytes(),
            &self.master.0,
            self.device_id.as_bytes(),
            &self.ed25519.0,
            self.x25519.as_bytes(),
        ];
        kdf::labelled("org.sealpost.reader.v1", &fields)
    }

    fn to_json(&self) -> Value {
        json!([
            self.user_id,
            to_base64(&self.master.0),
            self.device_id,
            to_base64(&self.ed25519.0),
            to_base64(self.x25519.as_bytes()),
        ])
    }

    fn from_json(value: &Value) -> Result<Self, Error> {
        let Some([user_id, master, device_id, ed25519, x25519]) =
            value.as_array().map(Vec::as_slice)
        else {
            return Err(Error::Encoding);
        };
        let text = |value: &Value| value.as_str().map(str::to_owned).ok_or(Error::Encoding);
        let key = |value: &Value| key_from_base64(value.as_str().unwrap_or_default());
        Ok(Self {
            user_id: text(user_id)?,
            master: Bytes32(key(master)?),
            device_id: text(device_id)?,
            ed25519: Bytes32(key(ed25519)?),
            x25519: x25519::PublicKey::from_bytes(key(x25519)?)?,
        })
    }
}

/// Where a reader is in a list.
fn place(reader: &Reader) -> (&str, &str) {
    (&reader.user_id, &reader.device_id)
}

/// Whether a reader is in a sorted list.
pub fn is_in(list: &[Reader], reader: &Reader) -> bool {
    let at = list.binary_search_by(|other| place(other).cmp(&place(reader)));
    at.ok().and_then(|at| list.get(at)) == Some(reader)
}

/// Sorts a list into its only order.
pub fn sort(readers: &mut Vec<Reader>) {
    readers.sort_by(|one, other| place(one).cmp(&place(other)));
    readers.dedup();
}

/// The hash of a sorted list.
pub fn hash(readers: &[Reader]) -> [u8; 32] {
    let encoded: Vec<Vec<u8>> = readers.iter().map(Reader::encoded).collect();
    let fields: Vec<&[u8]> = encoded.iter().map(Vec::as_slice).collect();
    kdf::hash("org.sealpost.audience.v1", &fields)
}

/// The contents of the events that tell a list, what is too long for one in parts: whole for whoever reads for the first
/// time, or while it is short; else, if all its readers were told before, those that are gone.
pub fn tell(readers: &[Reader], before: Option<(&[u8; 32], &[Reader])>) -> Vec<Value> {
    let mut rows: Vec<&Reader> = readers.iter().collect();
    let mut from = None;
    if let Some((base, before)) = before.filter(|(_, before)| {
        readers.len() > PART_MAX
            && before.len() < 2 * readers.len()
            && readers.iter().all(|reader| is_in(before, reader))
    }) {
        rows = before.iter().filter(|reader| !is_in(readers, reader)).collect();
        from = Some(to_base64(base));
    }
    let mut parts = vec![Vec::new()];
    let mut bytes = 0;
    for row in rows {
        let row = row.to_json();
        let length = row.to_string().len() + 1;
        if let Some(part) = parts.last()
            && (part.len() >= PART_MAX || bytes + length > PART_BYTES)
        {
            parts.push(Vec::new());
            bytes = 0;
        }
        bytes += length;
        if let Some(part) = parts.last_mut() {
            part.push(row);
        }
    }
    let (count, hash) = (parts.len(), to_base64(&hash(readers)));
    let numbered = parts.into_iter().enumerate();
    numbered
        .map(|(part, some)| match &from {
            None => json!({ "audience": hash, "part": part, "parts": count, "readers": some }),
            Some(base) => json!({
                "audience": hash, "part": part, "parts": count, "readers": [], "base": base, "gone": some,
            }),
        })
        .collect()
}

/// One event of a list, read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Told {
    /// The list's hash.
    pub audience: [u8; 32],
    /// The list that this one is told as a difference from.
    pub base: Option<[u8; 32]>,
    /// Which part this is, from zero, and how many there are.
    pub part: (usize, usize),
    /// Readers of the list, or those that the base has not.
    pub readers: Vec<Reader>,
    /// Readers of the base that this list has not.
    pub gone: Vec<Reader>,
}

/// Reads the content of an event that tells a list, or a part of it.
///
/// # Errors
/// [`Error::Encoding`], [`Error::Key`].
pub fn read(content: &Value) -> Result<Told, Error> {
    let hash = |key: &str| content.get(key).and_then(Value::as_str).map(key_from_base64);
    let list = |key: &str| match content.get(key).map(Value::as_array) {
        None => Ok(Vec::new()),
        Some(Some(rows)) if rows.len() <= PART_MAX => rows.iter().map(Reader::from_json).collect(),
        _ => Err(Error::Encoding),
    };
    let number = |key: &str| {
        let number = content.get(key).and_then(Value::as_u64).ok_or(Error::Encoding)?;
        usize::try_from(number).map_err(|_| Error::Encoding)
    };
    let part = (number("part")?, number("parts")?);
    if part.0 >= part.1 || part.1 > PARTS_MAX {
        return Err(Error::Encoding);
    }
    Ok(Told {
        audience: hash("audience").ok_or(Error::Encoding)??,
        base: hash("base").transpose()?,
        part,
        readers: list("readers")?,
        gone: list("gone")?,
    })
}

/// The list that parts tell, when its hash is right.
///
/// # Errors
/// [`Error::Authentication`]: it is another list.
pub fn assemble(
    base: Option<&[Reader]>,
    parts: &[Told],
    audience: &[u8; 32],
) -> Result<Vec<Reader>, Error> {
    let mut gone: Vec<Reader> = parts.iter().flat_map(|part| part.gone.iter().cloned()).collect();
    sort(&mut gone);
    let kept = base.unwrap_or_default().iter().filter(|reader| !is_in(&gone, reader)).cloned();
    let mut readers: Vec<Reader> =
        kept.chain(parts.iter().flat_map(|part| part.readers.iter().cloned())).collect();
    sort(&mut readers);
    let is_right = readers.len() <= READERS_MAX && hash(&readers) == *audience;
    if is_right { Ok(readers) } else { Err(Error::Authentication) }
}

#[cfg(test)]
mod tests {
    use sha2::{Digest as _, Sha256};

    use super::*;
    use crate::tests::device;

    fn readers(count: usize) -> Vec<Reader> {
        let mut readers: Vec<Reader> = (0..count)
            .map(|at| {
                let one = device("@a:a.test", &format!("D{at}")).identity();
                Reader {
                    user_id: one.user_id,
                    master: one.ed25519.into(),
                    device_id: one.device_id,
                    ed25519: one.ed25519.into(),
                    x25519: one.x25519,
                }
            })
            .collect();
        sort(&mut readers);
        readers
    }

    #[test]
    fn a_list_is_told_whole_in_parts_or_as_a_difference() {
        let (short, long) = (readers(3), readers(200));
        let fewer = long[..199].to_vec();
        for (list, before, events, rows) in [
            (&short, None, 1, 3),
            (&long, None, 3, 200),
            (&long, Some(&long[..199]), 3, 200),
            (&fewer, Some(&long[..]), 1, 0),
        ] {
            let base = before.map(hash);
            let told = tell(list, base.as_ref().zip(before));
            assert_eq!(told.len(), events);
            assert!(told.iter().all(|content| content.to_string().len() < 22 * 1024));
            let parts: Vec<Told> = told.iter().map(|content| read(content).unwrap()).collect();
            assert_eq!(parts.iter().map(|part| part.readers.len()).sum::<usize>(), rows);
            let before = before.filter(|_| parts[0].base.is_some());
            assert_eq!(assemble(before, &parts, &hash(list)).as_ref(), Ok(list));
            if events == 3 {
                assert!(assemble(before, &parts[1..], &hash(list)).is_err());
            }
        }
    }

    #[test]
    fn readers_with_long_ids_are_told_in_more_parts() {
        let mut list = readers(75);
        for (at, reader) in list.iter_mut().enumerate() {
            // As JSON, each of these has six bytes.
            reader.device_id = format!("{at:02}{}", "\u{1}".repeat(253));
        }
        sort(&mut list);
        let told = tell(&list, None);
        assert!(told.len() > 1 && told.iter().all(|one| one.to_string().len() < 23 * 1024));
        let parts: Vec<Told> = told.iter().map(|content| read(content).unwrap()).collect();
        assert_eq!(assemble(None, &parts, &hash(&list)).as_ref(), Ok(&list));
    }

    #[test]
    fn each_reader_and_each_key_is_in_the_hash() {
        let list = readers(3);
        let mut other = list.clone();
        other[1].x25519 = other[2].x25519;
        assert_ne!(hash(&list), hash(&other));
        assert_ne!(hash(&list), hash(&list[1..]));
    }

    /// What another implementation must come to, byte by byte.
    #[test]
    fn the_hash_is_over_each_reader_s_fields_behind_their_lengths() {
        let list = readers(2);
        let encoded = |reader: &Reader| {
            let fields: [&[u8]; 9] = [
                b"\0\0\0\x16org.sealpost.reader.v1\0\0\0\x09@a:a.test\0\0\0\x20",
                &reader.master.0,
                b"\0\0\0\x02",
                reader.device_id.as_bytes(),
                b"\0\0\0\x20",
                &reader.ed25519.0,
                b"\0\0\0\x20",
                reader.x25519.as_bytes(),
                &[],
            ];
            fields.concat()
        };
        let [one, other] = [encoded(&list[0]), encoded(&list[1])];
        assert_eq!(one.len(), 153);
        let length: &[u8] = b"\0\0\0\x99";
        let all: [&[u8]; 5] = [b"\0\0\0\x18org.sealpost.audience.v1", length, &one, length, &other];
        assert_eq!(hash(&list)[..], *Sha256::digest(all.concat()));
    }

    #[test]
    fn a_difference_is_told_only_of_a_long_list_without_new_readers_and_only_if_it_is_shorter() {
        let all = readers(152);
        // A reader whose keys changed is new.
        let mut changed = all[..80].to_vec();
        changed[5].master = changed[6].master;
        for (list, before, is_whole) in [
            (&all[..75], &all[..76], true), // not longer than one event
            (&all[..76], &all[..76], false),
            (&all[..76], &all[..75], true), // one is new
            (&all[..80], &all[20..100], true),
            (&changed[..], &all[..80], true),
            (&all[..76], &all[..151], false), // 75 are gone
            (&all[..76], &all[..152], true),  // as many are gone as are there
        ] {
            let base = hash(before);
            let told = tell(list, Some((&base, before)));
            let parts: Vec<Told> = told.iter().map(|content| read(content).unwrap()).collect();
            assert_eq!(parts[0].base, (!is_whole).then_some(base), "{}", list.len());
            let before = (!is_whole).then_some(before);
            assert_eq!(assemble(before, &parts, &hash(list)).as_deref(), Ok(list));
            let rows = |part: &Told| part.readers.len() + part.gone.len();
            assert!(parts.iter().all(|part| rows(part) <= 75 && part.part.1 == parts.len()));
        }
    }

    #[test]
    fn what_is_no_list_or_too_long_is_refused() {
        let list = readers(76);
        let good = tell(&list[..75], None).remove(0);
        assert!(read(&good).is_ok());
        let with = |key: &str, value: Value| {
            let mut content = good.clone();
            content[key] = value;
            read(&content).map(|told| told.part)
        };
        assert_eq!(with("parts", json!(PARTS_MAX)), Ok((0, PARTS_MAX)));
        let rows: Vec<Value> = list.iter().map(Reader::to_json).collect();
        let mut row = rows[0].clone();
        row[1] = json!("AAAA");
        for (key, value) in [
            ("parts", json!(PARTS_MAX + 1)),
            ("parts", json!(0)),
            ("parts", json!(-1)),
            ("part", json!(1)),
            ("part", json!("0")),
            ("readers", json!(rows)),
            ("gone", json!(rows)),
            ("readers", json!("none")),
            ("readers", json!([row])),
            ("readers", json!([[]])),
            ("audience", json!("AAAA")),
            ("audience", Value::Null),
            ("base", json!("AAAA")),
        ] {
            assert!(with(key, value.clone()).is_err(), "{key} {value}");
        }
        let mut none = good.clone();
        none.as_object_mut().unwrap().remove("readers");
        assert_eq!(read(&none).unwrap().readers, []);
        assert_eq!(assemble(None, &[], &hash(&list)), Err(Error::Authentication));
    }
}
