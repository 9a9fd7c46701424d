//! Verification by short strings, `m.sas.v1`: two people compare what [`crate::sas`] derives.

use serde_json::Value;

use super::{Flow, Work};
use crate::{
    Error,
    sas::{self, Party, Sas},
    signed_json::to_base64,
};

impl Work<'_> {
    pub(in crate::machine) fn start_sas(&mut self, id: &str) -> Result<(), Error> {
        let mut flow = self.flow(id)?;
        let Some(device_id) = flow.device_id.clone().filter(|_| flow.may_start()) else {
            return Err(Error::Order);
        };
        let start = sas::start(&self.account.device_id, id);
        let (own, other) = self.parties(&flow.user_id, &device_id);
        flow.sas = Some(Sas::new(own, other, true, &start, self.rng)?);
        (flow.state, flow.started) = ("started", true);
        self.tell(&flow.user_id, &device_id, "start", &start)?;
        self.keep_flow(id, flow);
        Ok(())
    }

    pub(in crate::machine) fn confirm_sas(&mut self, id: &str) -> Result<(), Error> {
        let mut flow = self.flow(id)?;
        let (Some(device_id), Some(sas)) = (&flow.device_id, &flow.sas) else {
            return Err(Error::Order);
        };
        if flow.state != "compare" {
            return Err(Error::Order);
        }
        let own = self.account.own().identity();
        let mut keys =
            vec![(format!("ed25519:{}", own.device_id), to_base64(own.ed25519.as_bytes()))];
        if let Some(master) = self.user(&own.user_id)?.trusted() {
            let master = to_base64(&master.0);
            keys.push((format!("ed25519:{master}"), master));
        }
        let mac = sas.mac(&keys)?;
        self.tell(&flow.user_id, device_id, "mac", &mac)?;
        flow.state = "confirmed";
        self.finish_sas(id, &mut flow)?;
        self.keep_flow(id, flow);
        Ok(())
    }

    /// The other device says that it began.
    pub(super) fn started_sas(
        &mut self,
        flow: &mut Flow,
        from: &str,
        content: &Value,
    ) -> Result<(), Error> {
        match flow.state {
            "ready" => {}
            // Both started at once: the one of the lower user and device counts.
            "started" if flow.started => {
                let own = (self.account.user_id.as_str(), self.account.device_id.as_str());
                if own < (flow.user_id.as_str(), from) {
                    return Ok(());
                }
            }
            _ => return Err(Error::Order),
        }
        let (own, other) = self.parties(&flow.user_id, from);
        let sas = Sas::new(own, other, false, content, self.rng)?;
        self.tell(&flow.user_id, from, "accept", &sas.accept()?)?;
        (flow.sas, flow.state, flow.started) = (Some(sas), "started", false);
        Ok(())
    }

    pub(super) fn accepted(&mut self, flow: &mut Flow, content: &Value) -> Result<(), Error> {
        let (Some(sas), Some(device_id)) = (&mut flow.sas, &flow.device_id) else {
            return Err(Error::Order);
        };
        sas.accepted(content)?;
        let key = sas.key();
        self.tell(&flow.user_id, device_id, "key", &key)
    }

    pub(super) fn key_received(&mut self, flow: &mut Flow, content: &Value) -> Result<(), Error> {
        let (Some(sas), Some(device_id)) = (&mut flow.sas, &flow.device_id) else {
            return Err(Error::Order);
        };
        sas.received(content)?;
        flow.state = "compare";
        if flow.started {
            return Ok(());
        }
        let key = sas.key();
        self.tell(&flow.user_id, device_id, "key", &key)
    }

    /// Believes what was compared, once both sides have said so.
    pub(super) fn finish_sas(&mut self, id: &str, flow: &mut Flow) -> Result<(), Error> {
        let (Some(sas), Some(mac), Some(device_id)) = (&flow.sas, &flow.mac, &flow.device_id)
        else {
            return Ok(());
        };
        if flow.state != "confirmed" {
            return if flow.state == "compare" { Ok(()) } else { Err(Error::Order) };
        }
        let user = self.user(&flow.user_id)?;
        let device = user.device(device_id).ok_or(Error::Unknown)?;
        let device_key = device.ed25519.0;
        let mut known = vec![(format!("ed25519:{device_id}"), to_base64(&device_key))];
        let master = user.master;
        if let Some(master) = master {
            let master = to_base64(&master.0);
            known.push((format!("ed25519:{master}"), master));
        }
        let verified = sas.verify_mac(mac, &known)?;
        if !verified.iter().any(|one| one.strip_prefix("ed25519:") == Some(device_id)) {
            return Err(Error::Authentication);
        }
        if let Some(master) = master
            && verified
                .iter()
                .any(|one| one.strip_prefix("ed25519:") == Some(&to_base64(&master.0)))
        {
            self.verify_identity(&flow.user_id, &master.0)?;
        }
        if self.is_own(&flow.user_id) {
            self.vouch_if_able(device_id, &device_key)?;
        }
        self.done(id, flow)
    }

    fn parties(&self, user_id: &str, device_id: &str) -> (Party, Party) {
        let party = |user_id: &str, device_id: &str| Party {
            user_id: user_id.to_owned(),
            device_id: device_id.to_owned(),
        };
        let own = party(&self.account.user_id, &self.account.device_id);
        (own, party(user_id, device_id))
    }
}
