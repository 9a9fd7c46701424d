//! The machine.

use js_sys::{Array, Uint8Array};
use sealpost_e2e::{
    changes::{Change, Changes, Table},
    machine::{self, Now},
    store::{MemoryStore, Store as _},
};
use serde::Serialize;
use serde_json::Value;
use wasm_bindgen::prelude::*;

use crate::{error, parse, random, write};

pub fn key(bytes: &[u8]) -> Result<&[u8; 32], JsError> {
    bytes.try_into().map_err(|_| JsError::new("a key is 32 bytes long"))
}

/// What an operation answers.
#[wasm_bindgen]
pub struct Step {
    json: String,
    bytes: Vec<u8>,
    changes: Changes,
}

#[wasm_bindgen]
impl Step {
    /// The result, as JSON.
    #[wasm_bindgen(getter)]
    pub fn json(&self) -> String {
        self.json.clone()
    }

    /// The result, where it is bytes.
    #[wasm_bindgen(getter)]
    pub fn bytes(&self) -> Vec<u8> {
        self.bytes.clone()
    }

    /// The rows to write in one transaction: arrays of table, key, and value, which is undefined for a row that is
    /// gone.
    #[wasm_bindgen(getter)]
    pub fn rows(&self) -> Array {
        let rows = self.changes.0.iter().map(|change| {
            let value = match &change.value {
                Some(value) => Uint8Array::from(value.as_slice()).into(),
                None => JsValue::UNDEFINED,
            };
            let key = Uint8Array::from(change.key.as_slice());
            Array::of3(&change.table.number().into(), &key.into(), &value)
        });
        rows.collect()
    }
}

/// Rows that were read from a database, on their way to a machine.
#[wasm_bindgen]
#[derive(Default)]
pub struct Rows(MemoryStore);

#[wasm_bindgen]
impl Rows {
    /// None yet.
    #[wasm_bindgen(constructor)]
    pub fn new() -> Rows {
        Self::default()
    }

    /// Takes a row in.
    ///
    /// # Errors
    /// There is no such table.
    pub fn put(&mut self, table: u8, key: Vec<u8>, value: Vec<u8>) -> Result<(), JsValue> {
        let table = Table::from_number(table).map_err(error)?;
        let change = Change { table, key, value: Some(value.into()) };
        self.0.apply(&Changes(vec![change]));
        Ok(())
    }
}

/// A device.
#[wasm_bindgen(js_name = RawMachine)]
pub struct Machine(machine::Machine<MemoryStore>);

/// Runs an operation of the machine at a time.
macro_rules! step {
    (@raw $self:ident, $now:ident, $method:ident($($argument:expr),*)) => {{
        let mut rng = random();
        let now = Now { time: $now as i64, rng: &mut rng };
        $self.0.$method($($argument,)* now)
    }};
    ($self:ident, $now:ident, $method:ident($($argument:expr),*)) => {
        step(step!(@raw $self, $now, $method($($argument),*)))
    };
}

#[wasm_bindgen(js_class = RawMachine)]
impl Machine {
    /// A new device. Its first rows are those of the next step.
    ///
    /// # Errors
    /// Ids that Matrix does not have.
    pub fn create(user_id: &str, device_id: &str, now: f64) -> Result<Created, JsValue> {
        let mut rng = random();
        let now = Now { time: now as i64, rng: &mut rng };
        let store = MemoryStore::default();
        let (machine, changes) =
            machine::Machine::create(store, user_id, device_id, now).map_err(error)?;
        let step = Step { json: "null".to_owned(), bytes: Vec::new(), changes };
        Ok(Created { machine: Some(Self(machine)), step: Some(step) })
    }

    /// The device of stored rows.
    ///
    /// # Errors
    /// `Unknown`: there are none. `Store`: of a later version, or damaged.
    pub fn open(rows: Rows) -> Result<Machine, JsValue> {
        machine::Machine::open(rows.0).map(Self).map_err(error)
    }

    /// See `machine.ts`, as for all that follow.
    #[wasm_bindgen(js_name = pushSync)]
    pub fn push_sync(&mut self, sync: &str, now: f64) -> Result<Step, JsValue> {
        let sync = parse(sync)?;
        step!(self, now, push_sync(&sync))
    }

    #[wasm_bindgen(js_name = pushState)]
    pub fn push_state(
        &mut self,
        room_id: &str,
        events: &str,
        is_whole: bool,
        now: f64,
    ) -> Result<Step, JsValue> {
        let Value::Array(events) = parse(events)? else { return Err(wrong()) };
        step!(self, now, push_state(room_id, &events, is_whole))
    }

    #[wasm_bindgen(js_name = forgetMembers)]
    pub fn forget_members(&mut self, room_id: &str, now: f64) -> Result<Step, JsValue> {
        step!(self, now, forget_members(room_id))
    }

    #[wasm_bindgen(js_name = setGap)]
    pub fn set_gap(&mut self, room_id: &str, is_open: bool, now: f64) -> Result<Step, JsValue> {
        step!(self, now, set_gap(room_id, is_open))
    }

    #[wasm_bindgen(js_name = outdateAll)]
    pub fn outdate_all(&mut self, now: f64) -> Result<Step, JsValue> {
        step!(self, now, outdate_all())
    }

    pub fn requests(&mut self, now: f64) -> Result<Step, JsValue> {
        step!(self, now, requests())
    }

    #[wasm_bindgen(js_name = markSent)]
    pub fn mark_sent(&mut self, id: f64, answer: &str, now: f64) -> Result<Step, JsValue> {
        let answer = parse(answer)?;
        step!(self, now, mark_sent(id as u64, &answer))
    }

    #[wasm_bindgen(js_name = markRefused)]
    pub fn mark_refused(&mut self, id: f64, status: u16, now: f64) -> Result<Step, JsValue> {
        step!(self, now, mark_refused(id as u64, status))
    }

    pub fn prepare(&mut self, room_id: &str, now: f64) -> Result<Step, JsValue> {
        step!(self, now, prepare(room_id))
    }

    pub fn encrypt(
        &mut self,
        room_id: &str,
        event_type: &str,
        content: &str,
        shown: Option<Vec<String>>,
        now: f64,
    ) -> Result<Step, JsValue> {
        let content = parse(content)?;
        step!(self, now, encrypt(room_id, event_type, &content, shown.as_deref()))
    }

    #[wasm_bindgen(js_name = maySendAgain)]
    pub fn may_send_again(
        &mut self,
        room_id: &str,
        audience: &[u8],
        now: f64,
    ) -> Result<Step, JsValue> {
        step!(self, now, may_send_again(room_id, key(audience)?))
    }

    pub fn rotate(&mut self, room_id: &str, now: f64) -> Result<Step, JsValue> {
        step!(self, now, rotate(room_id))
    }

    pub fn decrypt(&mut self, room_id: &str, event: &str, now: f64) -> Result<Step, JsValue> {
        let event = parse(event)?;
        step!(self, now, decrypt(room_id, &event))
    }

    /// JSON, `null` where the list is not known.
    pub fn warnings(
        &mut self,
        room_id: &str,
        audience: &[u8],
        at: f64,
        now: f64,
    ) -> Result<Step, JsValue> {
        step!(self, now, warnings(room_id, key(audience)?, at as i64))
    }

    /// The result is the three private keys in base64.
    pub fn bootstrap(&mut self, now: f64) -> Result<Step, JsValue> {
        let mut rng = random();
        let now = Now { time: now as i64, rng: &mut rng };
        let (made, changes) = self.0.bootstrap(now).map_err(error)?;
        let base64 = |key: &[u8; 32]| sealpost_e2e::signed_json::to_base64(key);
        let result = serde_json::json!({
            "master": base64(&made.master),
            "self_signing": base64(&made.self_signing),
            "user_signing": base64(&made.user_signing),
        });
        step(Ok((result, changes)))
    }

    #[wasm_bindgen(js_name = adoptIdentity)]
    pub fn adopt_identity(
        &mut self,
        master: &[u8],
        self_signing: &[u8],
        user_signing: &[u8],
        now: f64,
    ) -> Result<Step, JsValue> {
        let (master, self_signing) = (key(master)?, key(self_signing)?);
        step!(self, now, adopt_identity(master, self_signing, key(user_signing)?))
    }

    pub fn track(&mut self, user_id: &str, now: f64) -> Result<Step, JsValue> {
        step!(self, now, track(user_id))
    }

    #[wasm_bindgen(js_name = acceptIdentity)]
    pub fn accept_identity(
        &mut self,
        user_id: &str,
        master: &[u8],
        now: f64,
    ) -> Result<Step, JsValue> {
        step!(self, now, accept_identity(user_id, key(master)?))
    }

    #[wasm_bindgen(js_name = verifyIdentity)]
    pub fn verify_identity(
        &mut self,
        user_id: &str,
        master: &[u8],
        now: f64,
    ) -> Result<Step, JsValue> {
        step!(self, now, verify_identity(user_id, key(master)?))
    }

    #[wasm_bindgen(js_name = vouchFor)]
    pub fn vouch_for(
        &mut self,
        device_id: &str,
        ed25519: &[u8],
        now: f64,
    ) -> Result<Step, JsValue> {
        step!(self, now, vouch_for(device_id, key(ed25519)?))
    }

    /// The private keys of a new backup are in `bytes` of the step; none, where there was no backup.
    #[wasm_bindgen(js_name = removeDevice)]
    pub fn remove_device(&mut self, device_id: &str, now: f64) -> Result<Step, JsValue> {
        secret(step!(@raw self, now, remove_device(device_id)), |keys| match keys {
            Some(keys) => keys.to_vec(),
            None => Vec::new(),
        })
    }

    #[wasm_bindgen(js_name = shareSecret)]
    pub fn share_secret(&mut self, device_id: &str, name: &str, now: f64) -> Result<Step, JsValue> {
        step!(self, now, share_secret(device_id, name))
    }

    #[wasm_bindgen(js_name = sharePins)]
    pub fn share_pins(&mut self, device_id: &str, now: f64) -> Result<Step, JsValue> {
        step!(self, now, share_pins(device_id))
    }

    #[wasm_bindgen(js_name = requestVerification)]
    pub fn request_verification(
        &mut self,
        user_id: &str,
        device_id: Option<String>,
        now: f64,
    ) -> Result<Step, JsValue> {
        step!(self, now, request_verification(user_id, device_id.as_deref()))
    }

    #[wasm_bindgen(js_name = acceptVerification)]
    pub fn accept_verification(&mut self, id: &str, now: f64) -> Result<Step, JsValue> {
        step!(self, now, accept_verification(id))
    }

    #[wasm_bindgen(js_name = startSas)]
    pub fn start_sas(&mut self, id: &str, now: f64) -> Result<Step, JsValue> {
        step!(self, now, start_sas(id))
    }

    #[wasm_bindgen(js_name = confirmSas)]
    pub fn confirm_sas(&mut self, id: &str, now: f64) -> Result<Step, JsValue> {
        step!(self, now, confirm_sas(id))
    }

    #[wasm_bindgen(js_name = setCanScan)]
    pub fn set_can_scan(&mut self, can_scan: bool) {
        self.0.set_can_scan(can_scan);
    }

    /// The code is in `bytes` of the step.
    #[wasm_bindgen(js_name = showQr)]
    pub fn show_qr(&mut self, id: &str, now: f64) -> Result<Step, JsValue> {
        secret(step!(@raw self, now, show_qr(id)), Clone::clone)
    }

    #[wasm_bindgen(js_name = scanQr)]
    pub fn scan_qr(&mut self, code: &[u8], now: f64) -> Result<Step, JsValue> {
        step!(self, now, scan_qr(code))
    }

    #[wasm_bindgen(js_name = confirmScanned)]
    pub fn confirm_scanned(&mut self, id: &str, now: f64) -> Result<Step, JsValue> {
        step!(self, now, confirm_scanned(id))
    }

    #[wasm_bindgen(js_name = cancelVerification)]
    pub fn cancel_verification(&mut self, id: &str, code: &str, now: f64) -> Result<Step, JsValue> {
        step!(self, now, cancel_verification(id, code))
    }

    /// JSON, `null` for one that is not known.
    pub fn verification(&self, id: &str) -> Result<String, JsValue> {
        write(&self.0.verification(id))
    }

    /// The private keys are in `bytes` of the step.
    #[wasm_bindgen(js_name = createBackup)]
    pub fn create_backup(&mut self, now: f64) -> Result<Step, JsValue> {
        secret(step!(@raw self, now, create_backup()), |keys| keys.to_vec())
    }

    #[wasm_bindgen(js_name = useBackup)]
    pub fn use_backup(&mut self, version: &str, now: f64) -> Result<Step, JsValue> {
        let version = parse(version)?;
        step!(self, now, use_backup(&version))
    }

    pub fn restore(
        &mut self,
        private: &[u8],
        mac_key: Option<Vec<u8>>,
        keys: &str,
        now: f64,
    ) -> Result<Step, JsValue> {
        let keys = parse(keys)?;
        let mac_key = mac_key.as_deref().map(key).transpose()?;
        step!(self, now, restore(private, mac_key, &keys))
    }

    #[wasm_bindgen(js_name = hurryBackup)]
    pub fn hurry_backup(&mut self, now: f64) -> Result<Step, JsValue> {
        step!(self, now, hurry_backup())
    }

    /// The secret is in `bytes` of the step.
    pub fn secret(&mut self, name: &str, now: f64) -> Result<Step, JsValue> {
        secret(step!(@raw self, now, secret(name)), |value| value.to_vec())
    }

    #[wasm_bindgen(js_name = keepSecret)]
    pub fn keep_secret(&mut self, name: &str, value: &[u8], now: f64) -> Result<Step, JsValue> {
        step!(self, now, keep_secret(name, key(value)?))
    }

    /// The keys are in `bytes` of the step.
    pub fn history(&mut self, room_id: &str, now: f64) -> Result<Step, JsValue> {
        secret(step!(@raw self, now, history(room_id)), |keys| keys.to_vec())
    }

    #[wasm_bindgen(js_name = shareHistory)]
    pub fn share_history(
        &mut self,
        user_id: &str,
        description: &str,
        now: f64,
    ) -> Result<Step, JsValue> {
        let description = parse(description)?;
        step!(self, now, share_history(user_id, &description))
    }

    #[wasm_bindgen(js_name = takeHistory)]
    pub fn take_history(
        &mut self,
        from: &str,
        room_id: &str,
        keys: &[u8],
        now: f64,
    ) -> Result<Step, JsValue> {
        step!(self, now, take_history(from, room_id, keys))
    }

    /// The keys are in `bytes` of the step.
    #[wasm_bindgen(js_name = exportKeys)]
    pub fn export_keys(&mut self, now: f64) -> Result<Step, JsValue> {
        secret(step!(@raw self, now, export_keys()), |keys| keys.to_vec())
    }

    #[wasm_bindgen(js_name = importKeys)]
    pub fn import_keys(&mut self, keys: &[u8], now: f64) -> Result<Step, JsValue> {
        step!(self, now, import_keys(keys))
    }

    pub fn room(&self, room_id: &str) -> Result<String, JsValue> {
        self.0.room(room_id).map_err(error).and_then(|view| write(&view))
    }

    #[wasm_bindgen(js_name = encryptedRooms)]
    pub fn encrypted_rooms(&self) -> Result<String, JsValue> {
        self.0.encrypted_rooms().map_err(error).and_then(|rooms| write(&rooms))
    }

    #[wasm_bindgen(js_name = unsavedRooms)]
    pub fn unsaved_rooms(&self) -> Result<String, JsValue> {
        self.0.unsaved_rooms().map_err(error).and_then(|rooms| write(&rooms))
    }

    pub fn user(&self, user_id: &str) -> Result<String, JsValue> {
        self.0.user(user_id).map_err(error).and_then(|view| write(&view))
    }

    /// The device's public Ed25519 key.
    #[wasm_bindgen(js_name = deviceKey)]
    pub fn device_key(&self) -> Vec<u8> {
        self.0.identity().ed25519.as_bytes().to_vec()
    }
}

/// A new device and its first rows.
#[wasm_bindgen]
pub struct Created {
    machine: Option<Machine>,
    step: Option<Step>,
}

#[wasm_bindgen]
impl Created {
    /// The device; once.
    pub fn machine(&mut self) -> Result<Machine, JsValue> {
        self.machine.take().ok_or_else(wrong)
    }

    /// What is to be written; once.
    pub fn step(&mut self) -> Result<Step, JsValue> {
        self.step.take().ok_or_else(wrong)
    }
}

fn step<T: Serialize>(step: machine::Step<T>) -> Result<Step, JsValue> {
    let (result, changes) = step.map_err(error)?;
    Ok(Step { json: write(&result)?, bytes: Vec::new(), changes })
}

fn secret<T>(step: machine::Step<T>, bytes: impl Fn(&T) -> Vec<u8>) -> Result<Step, JsValue> {
    let (result, changes) = step.map_err(error)?;
    Ok(Step { json: "null".to_owned(), bytes: bytes(&result), changes })
}

fn wrong() -> JsValue {
    error(sealpost_e2e::Error::Encoding)
}
