//! Verification between two devices by to-device messages: request, ready, `m.sas.v1` or a QR code, done.
//!
//! ```text
//! requested ──► ready ──► started ──► compare ──► confirmed ──► done      short strings
//!      │          ├───────────────────────────────► confirmed ──► done      this device scanned
//!      │          └───────────────────────────────► scanned ────► done      the other device scanned
//!      └──────────┴──────── from each ───────────────────────────► cancelled
//! ```
//!
//! Flows live in memory: one that a restart interrupts is begun again. What was compared becomes a pin, signatures, or
//! both; nothing is believed before the strings were found equal by a person *and* the other side's MAC is right, or
//! before a code was scanned.

mod methods;
mod scanned;
mod short_strings;

use serde::Serialize;
use serde_json::{Value, json};

use self::methods::Methods;
use super::{Work, check_id, identity::SELF_SIGNING, rows::Purpose, text};
use crate::{
    Error,
    primitives::random,
    qr::QrCode,
    sas::{EMOJI, Sas},
    signed_json::to_hex,
};

/// How many flows there are at once; of these asked for by one user, by all others, by strangers; how long one may take.
const FLOWS_MAX: usize = 50;
const OF_USER_MAX: u32 = 3;
const OF_OTHERS_MAX: u32 = 40;
const OF_STRANGERS_MAX: u32 = 10;
const TAKES_MAX_MS: i64 = 10 * 60 * 1_000;
const AHEAD_MAX_MS: i64 = 5 * 60 * 1_000;

/// A verification.
#[derive(Clone)]
pub struct Flow {
    user_id: String,
    /// The other device, once it is known.
    device_id: Option<String>,
    /// Devices that were asked.
    asked: Vec<String>,
    is_ours: bool,
    state: &'static str,
    begun_at: i64,
    started: bool,
    /// What both sides can do.
    methods: Methods,
    sas: Option<Sas>,
    mac: Option<Value>,
    code_shown: Option<QrCode>,
    code: Option<String>,
}

/// All verifications, by their transaction ids: at most [`FLOWS_MAX`].
#[derive(Clone, Default)]
pub struct Flows(Vec<(String, Flow)>);

impl Flows {
    pub fn get(&self, id: &str) -> Option<&Flow> {
        self.0.iter().find(|(known, _)| known == id).map(|(_, flow)| flow)
    }

    fn put(&mut self, id: &str, flow: Flow) {
        if let Some((_, known)) = self.0.iter_mut().find(|(known, _)| known == id) {
            *known = flow;
            return;
        }
        let is_asked = |flow: &Flow| !flow.is_ours && flow.state == "requested";
        if self.0.len() >= FLOWS_MAX {
            // What others ask for makes room: first of what the same user did, so that nobody keeps others out.
            let of_user = |known: &Flow| is_asked(known) && known.user_id == flow.user_id;
            let found = self.0.iter().position(|(_, known)| of_user(known));
            let found = found.or_else(|| self.0.iter().position(|(_, known)| known.is_over()));
            let found = found.or_else(|| self.0.iter().position(|(_, known)| is_asked(known)));
            let Some(at) = found else { return };
            self.0.remove(at);
        }
        self.0.push((id.to_owned(), flow));
    }
}

impl Flow {
    /// One with a user that begins, asked for by them.
    fn requested(user_id: &str, now: i64) -> Self {
        Self {
            user_id: user_id.to_owned(),
            device_id: None,
            asked: Vec::new(),
            is_ours: false,
            state: "requested",
            begun_at: now,
            started: false,
            methods: Methods::default(),
            sas: None,
            mac: None,
            code_shown: None,
            code: None,
        }
    }
}

/// A verification as it is shown.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct VerificationView {
    /// Its name.
    pub transaction_id: String,
    /// The other user.
    pub user_id: String,
    /// The other device.
    pub device_id: Option<String>,
    /// This device asked.
    pub is_ours: bool,
    /// `requested`, `ready`, `started`, `compare`, `scanned`, `confirmed`, `done` or `cancelled`.
    pub state: &'static str,
    /// Short strings can be compared now.
    pub may_start_sas: bool,
    /// A QR code can be shown now, for the other device to scan.
    pub may_show_qr: bool,
    /// The other device's code can be scanned now.
    pub may_scan_qr: bool,
    /// Seven emoji with their English names, to compare.
    pub emoji: Option<[(&'static str, &'static str); 7]>,
    /// Three numbers, to compare.
    pub decimal: Option<[u16; 3]>,
    /// Why it was cancelled.
    pub code: Option<String>,
}

impl Flow {
    pub(super) fn view(&self, transaction_id: &str) -> VerificationView {
        let shown =
            self.sas.as_ref().filter(|_| self.state == "compare" || self.state == "confirmed");
        let shown = shown.and_then(|sas| sas.short_string().ok());
        let emoji = |at: u8| EMOJI.get(usize::from(at)).copied().unwrap_or_default();
        VerificationView {
            transaction_id: transaction_id.to_owned(),
            user_id: self.user_id.clone(),
            device_id: self.device_id.clone(),
            is_ours: self.is_ours,
            state: self.state,
            may_start_sas: self.may_start(),
            may_show_qr: self.may_show(),
            may_scan_qr: self.may_scan(),
            emoji: shown.as_ref().map(|shown| shown.emoji.map(emoji)),
            decimal: shown.map(|shown| shown.decimal),
            code: self.code.clone(),
        }
    }

    fn may_start(&self) -> bool {
        self.state == "ready" && self.methods.sas
    }

    fn may_show(&self) -> bool {
        self.state == "ready" && self.methods.show
    }

    fn may_scan(&self) -> bool {
        self.state == "ready" && self.methods.scan
    }

    fn is_over(&self) -> bool {
        matches!(self.state, "done" | "cancelled")
    }
}

impl Work<'_> {
    pub(super) fn request_verification(
        &mut self,
        user_id: &str,
        device_id: Option<&str>,
    ) -> Result<String, Error> {
        let user = self.user(user_id)?;
        let asked: Vec<String> = user
            .devices
            .iter()
            .filter(|device| device.gone_at.is_none())
            .map(|device| device.device_id.clone())
            .filter(|id| device_id.is_none_or(|wanted| wanted == id) && !self.is_this(user_id, id))
            .collect();
        if asked.is_empty() {
            return Err(Error::Unknown);
        }
        let id = to_hex(&random::<16>(self.rng));
        let content = json!({
            "from_device": self.account.device_id, "methods": self.methods().names(),
            "timestamp": self.now, "transaction_id": id,
        });
        for device_id in &asked {
            self.tell(user_id, device_id, "request", &content)?;
        }
        self.keep_flow(&id, Flow { asked, is_ours: true, ..Flow::requested(user_id, self.now) });
        Ok(id)
    }

    pub(super) fn accept_verification(&mut self, id: &str) -> Result<(), Error> {
        let mut flow = self.flow(id)?;
        let Some(device_id) = flow.device_id.clone().filter(|_| !flow.is_ours) else {
            return Err(Error::Order);
        };
        if flow.state != "requested" {
            return Err(Error::Order);
        }
        let content = json!({
            "from_device": self.account.device_id, "methods": flow.methods.names(),
            "transaction_id": id,
        });
        self.tell(&flow.user_id, &device_id, "ready", &content)?;
        flow.state = "ready";
        self.keep_flow(id, flow);
        Ok(())
    }

    pub(super) fn cancel_verification(&mut self, id: &str, code: &str) -> Result<(), Error> {
        let mut flow = self.flow(id)?;
        self.cancel(id, &mut flow, code)?;
        self.keep_flow(id, flow);
        Ok(())
    }

    /// Takes in a message of a verification. Whatever does not follow cancels it.
    pub(super) fn take_verification(
        &mut self,
        sender: &str,
        kind: &str,
        content: &Value,
    ) -> Result<(), Error> {
        let Some(id) = text(content, "transaction_id").filter(|id| check_id(id).is_ok()) else {
            return Ok(());
        };
        if kind == "request" {
            return self.requested(sender, id, content);
        }
        let Some(mut flow) = self.flows.get(id).filter(|flow| flow.user_id == sender).cloned()
        else {
            return Ok(());
        };
        if flow.is_over() {
            return Ok(());
        }
        let taken = match kind {
            "ready" => self.ready(id, &mut flow, content),
            "start" => self.started(id, &mut flow, content),
            "accept" => self.accepted(&mut flow, content),
            "key" => self.key_received(&mut flow, content),
            "mac" => {
                flow.mac = Some(content.clone());
                self.finish_sas(id, &mut flow)
            }
            // Of short strings, this side is done when both have said that they are equal.
            "done" if flow.state == "confirmed" && flow.sas.is_none() => self.done(id, &mut flow),
            "cancel" => {
                flow.code = text(content, "code").map(|code| code.chars().take(64).collect());
                flow.state = "cancelled";
                Ok(())
            }
            _ => Ok(()),
        };
        match taken {
            Ok(()) => {}
            Err(Error::Store) => return Err(Error::Store),
            Err(Error::Authentication) => {
                let code = if kind == "key" { "m.mismatched_commitment" } else { "m.key_mismatch" };
                self.cancel(id, &mut flow, code)?;
            }
            Err(Error::Identity) => self.cancel(id, &mut flow, "m.key_mismatch")?,
            Err(Error::Encoding | Error::Key) => self.cancel(id, &mut flow, "m.invalid_message")?,
            Err(_) => self.cancel(id, &mut flow, "m.unexpected_message")?,
        }
        self.keep_flow(id, flow);
        Ok(())
    }

    fn requested(&mut self, sender: &str, id: &str, content: &Value) -> Result<(), Error> {
        let device_id = text(content, "from_device").filter(|id| check_id(id).is_ok());
        let sent = content.get("timestamp").and_then(Value::as_i64).unwrap_or(0);
        let is_now = self.now.saturating_sub(sent) < TAKES_MAX_MS
            && sent.saturating_sub(self.now) < AHEAD_MAX_MS;
        let methods = self.methods().answering(Methods::of(content));
        let Some(device_id) = device_id.filter(|_| is_now && !methods.is_empty()) else {
            return Ok(());
        };
        if self.flows.get(id).is_some() || self.is_this(sender, device_id) {
            return Ok(());
        }
        self.forget_old_flows();
        // Nobody keeps another, or this device's person, from verifying.
        if !self.meet(sender)? {
            return Ok(());
        }
        let is_stranger =
            |of: &str| -> Result<bool, Error> { Ok(self.user(of)?.stranger_since.is_some()) };
        let (mut of_user, mut of_all, mut of_strangers) = (0, 0, 0);
        for (_, flow) in &self.flows.0 {
            if !flow.is_ours && !flow.is_over() {
                of_all += 1;
                of_user += u32::from(flow.user_id == sender);
                of_strangers += u32::from(is_stranger(&flow.user_id)?);
            }
        }
        if of_user >= OF_USER_MAX
            || (of_all >= OF_OTHERS_MAX && !self.is_own(sender))
            || (of_strangers >= OF_STRANGERS_MAX && is_stranger(sender)?)
        {
            return Ok(());
        }
        let device_id = Some(device_id.to_owned());
        self.keep_flow(id, Flow { device_id, methods, ..Flow::requested(sender, self.now) });
        Ok(())
    }

    fn ready(&mut self, id: &str, flow: &mut Flow, content: &Value) -> Result<(), Error> {
        let from = text(content, "from_device").ok_or(Error::Encoding)?.to_owned();
        if !flow.is_ours || flow.state != "requested" || !flow.asked.contains(&from) {
            return Err(Error::Order);
        }
        let taken = json!({ "transaction_id": id, "code": "m.accepted",
            "reason": "another device of this user answered" });
        for other in flow.asked.iter().filter(|other| **other != from) {
            self.tell(&flow.user_id, other, "cancel", &taken)?;
        }
        flow.methods = self.methods().answering(Methods::of(content));
        (flow.device_id, flow.state) = (Some(from), "ready");
        Ok(())
    }

    fn started(&mut self, id: &str, flow: &mut Flow, content: &Value) -> Result<(), Error> {
        let from = text(content, "from_device").ok_or(Error::Encoding)?.to_owned();
        if flow.device_id.as_ref() != Some(&from) {
            return Err(Error::Order);
        }
        if text(content, "method") == Some("m.reciprocate.v1") {
            return self.reciprocated(id, flow, content);
        }
        self.started_sas(flow, &from, content)
    }

    fn cancel(&mut self, id: &str, flow: &mut Flow, code: &str) -> Result<(), Error> {
        let content = json!({ "transaction_id": id, "code": code, "reason": code });
        let devices = match &flow.device_id {
            Some(device_id) => vec![device_id.clone()],
            None => flow.asked.clone(),
        };
        for device_id in devices {
            self.tell(&flow.user_id, &device_id, "cancel", &content)?;
        }
        (flow.state, flow.code) = ("cancelled", Some(code.to_owned()));
        Ok(())
    }

    /// Vouches for an own device, if the key for that is here: else the other side has it, or nobody.
    fn vouch_if_able(&mut self, device_id: &str, key: &[u8; 32]) -> Result<(), Error> {
        if self.secret(SELF_SIGNING)?.is_none() {
            let own = self.user(&self.account.user_id)?;
            let device = own.device(device_id).ok_or(Error::Unknown)?;
            return if device.ed25519.0 == *key { Ok(()) } else { Err(Error::Identity) };
        }
        self.vouch_for(device_id, key)
    }

    fn done(&mut self, id: &str, flow: &mut Flow) -> Result<(), Error> {
        let device_id = flow.device_id.clone().ok_or(Error::Order)?;
        self.tell(&flow.user_id, &device_id, "done", &json!({ "transaction_id": id }))?;
        flow.state = "done";
        Ok(())
    }

    fn tell(
        &mut self,
        user_id: &str,
        device_id: &str,
        kind: &str,
        content: &Value,
    ) -> Result<(), Error> {
        let path = format!("/_matrix/client/v3/sendToDevice/m.key.verification.{kind}/{{}}");
        let body = json!({ "messages": { user_id: { device_id: content } } });
        self.request("PUT", &path, &body, Purpose::ToDevice)
    }

    /// What this device can do.
    fn methods(&self) -> Methods {
        Methods { sas: true, show: true, scan: self.can_scan }
    }

    fn flow(&self, id: &str) -> Result<Flow, Error> {
        self.flows.get(id).filter(|flow| !flow.is_over()).cloned().ok_or(Error::Unknown)
    }

    fn forget_old_flows(&mut self) {
        let now = self.now;
        let is_young = |flow: &Flow| now.saturating_sub(flow.begun_at) < 2 * TAKES_MAX_MS;
        self.flows.0.retain(|(_, flow)| is_young(flow));
    }

    fn keep_flow(&mut self, id: &str, flow: Flow) {
        self.forget_old_flows();
        self.flows.put(id, flow);
        if !self.synced.verifications.iter().any(|known| known == id) {
            self.synced.verifications.push(id.to_owned());
        }
    }
}
