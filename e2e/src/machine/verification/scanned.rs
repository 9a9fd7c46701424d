//! Verification by QR code: showing one, scanning one, saying so.
//!
//! ```text
//!   shows                                        scans
//!   │ ◄── start: m.reciprocate.v1, the secret ── │    both keys in the code are those known here: believed
//!   │ done ────────────────────────────────────► │    the person sees that it was scanned: believed
//!   │ ◄────────────────────────────────── done   │
//! ```

use serde_json::{Value, json};
use subtle::ConstantTimeEq as _;
use zeroize::Zeroizing;

use super::{Flow, Work};
use crate::{
    Error,
    machine::text,
    primitives::random,
    qr::{Mode, QrCode},
    signed_json::{from_base64, to_base64},
};

impl Work<'_> {
    /// The code to show. The same one again until the verification is over.
    pub(in crate::machine) fn show_qr(&mut self, id: &str) -> Result<Vec<u8>, Error> {
        let mut flow = self.flow(id)?;
        if let Some(code) = &flow.code_shown {
            return code.to_bytes();
        }
        let Some(device_id) = flow.device_id.clone().filter(|_| flow.may_show()) else {
            return Err(Error::Order);
        };
        let own = self.user(&self.account.user_id)?;
        let trusted = own.trusted();
        let (mode, first, second) = if self.is_own(&flow.user_id) {
            let device = own.device(&device_id).ok_or(Error::Unknown)?;
            match (trusted, own.master) {
                (Some(master), _) => (Mode::OwnTrusted, master.0, device.ed25519.0),
                (None, Some(master)) => {
                    let this = self.account.ed25519.public();
                    (Mode::OwnUntrusted, *this.as_bytes(), master.0)
                }
                (None, None) => return Err(Error::Identity),
            }
        } else {
            let their = self.user(&flow.user_id)?.master.ok_or(Error::Identity)?;
            (Mode::User, trusted.ok_or(Error::Identity)?.0, their.0)
        };
        let secret = Zeroizing::new(random::<16>(self.rng).to_vec());
        let code = QrCode { mode, transaction_id: id.to_owned(), first, second, secret };
        let bytes = code.to_bytes()?;
        flow.code_shown = Some(code);
        self.keep_flow(id, flow);
        Ok(bytes)
    }

    /// Takes in a code of the other device. Other keys than those known here cancel the verification.
    pub(in crate::machine) fn scan_qr(&mut self, bytes: &[u8]) -> Result<String, Error> {
        let code = QrCode::from_bytes(bytes)?;
        let id = code.transaction_id.as_str();
        let mut flow = self.flow(id)?;
        let Some(device_id) = flow.device_id.clone().filter(|_| flow.may_scan()) else {
            return Err(Error::Order);
        };
        match self.believe_scanned(&flow, &device_id, &code) {
            Ok(()) => {
                let start = json!({
                    "from_device": self.account.device_id, "transaction_id": id,
                    "method": "m.reciprocate.v1", "secret": to_base64(&code.secret),
                });
                self.tell(&flow.user_id, &device_id, "start", &start)?;
                flow.state = "confirmed";
            }
            Err(Error::Store) => return Err(Error::Store),
            Err(_) => self.cancel(id, &mut flow, "m.key_mismatch")?,
        }
        self.keep_flow(id, flow);
        Ok(code.transaction_id)
    }

    fn believe_scanned(
        &mut self,
        flow: &Flow,
        device_id: &str,
        code: &QrCode,
    ) -> Result<(), Error> {
        let is_own = self.is_own(&flow.user_id);
        let trusted = self.user(&self.account.user_id)?.trusted().map(|key| key.0);
        let is_right = |right: bool| if right { Ok(()) } else { Err(Error::Identity) };
        match code.mode {
            Mode::User => {
                is_right(!is_own && trusted == Some(code.second))?;
                // It must be the identity that the server tells of, too.
                self.verify_identity(&flow.user_id, &code.first)
            }
            Mode::OwnTrusted => {
                let this = self.account.ed25519.public();
                is_right(is_own && *this.as_bytes() == code.second)?;
                is_right(trusted.is_none_or(|key| key == code.first))?;
                self.verify_identity(&flow.user_id, &code.first)
            }
            Mode::OwnUntrusted => {
                is_right(is_own && trusted == Some(code.second))?;
                self.vouch_if_able(device_id, &code.first)
            }
        }
    }

    /// The other device says that it scanned the code that is shown here.
    pub(super) fn reciprocated(
        &mut self,
        id: &str,
        flow: &mut Flow,
        content: &Value,
    ) -> Result<(), Error> {
        let code = flow.code_shown.as_ref().ok_or(Error::Order)?;
        let secret = from_base64(text(content, "secret").ok_or(Error::Encoding)?)?;
        if !bool::from(secret.ct_eq(&code.secret)) {
            return Err(Error::Authentication);
        }
        match flow.state {
            "ready" => flow.state = "scanned",
            // Each scanned the other's: both believe already.
            "confirmed" if flow.sas.is_none() => self.done(id, flow)?,
            _ => return Err(Error::Order),
        }
        Ok(())
    }

    /// The person saw that the other device scanned the code and found it right.
    pub(in crate::machine) fn confirm_scanned(&mut self, id: &str) -> Result<(), Error> {
        let mut flow = self.flow(id)?;
        let (Some(code), Some(device_id)) = (flow.code_shown.clone(), flow.device_id.clone())
        else {
            return Err(Error::Order);
        };
        if flow.state != "scanned" {
            return Err(Error::Order);
        }
        match code.mode {
            Mode::User | Mode::OwnUntrusted => {
                self.verify_identity(&flow.user_id, &code.second)?;
            }
            Mode::OwnTrusted => self.vouch_if_able(&device_id, &code.second)?,
        }
        self.done(id, &mut flow)?;
        self.keep_flow(id, flow);
        Ok(())
    }
}
