//! Who takes part: devices and their long-lived keys.

use rand_core::CryptoRng;

use crate::{
    Error,
    encoding::coded,
    primitives::{ed25519, kdf, x25519},
};

/// A device as its verified `device_keys` describe it: never as a message does.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct DeviceIdentity {
    /// Whose device it is.
    pub user_id: String,
    /// Its id.
    pub device_id: String,
    /// What it signs with.
    pub ed25519: ed25519::PublicKey,
    /// Its long-lived key for agreement.
    pub x25519: x25519::PublicKey,
}

impl DeviceIdentity {
    /// What goes into derivations for this device: user id, device id, Ed25519, X25519, each behind its
    /// length, under a label.
    pub fn encoded(&self) -> Vec<u8> {
        let fields: [&[u8]; 4] = [
            self.user_id.as_bytes(),
            self.device_id.as_bytes(),
            self.ed25519.as_bytes(),
            self.x25519.as_bytes(),
        ];
        kdf::labelled("org.sealpost.device.v1", &fields)
    }
}

/// The private keys of this device.
#[derive(Clone)]
pub struct OwnDevice {
    /// Its id and whose it is.
    pub user_id: String,
    /// Its id.
    pub device_id: String,
    /// Signs its keys and objects.
    pub ed25519: ed25519::PrivateKey,
    /// Agrees with other devices.
    pub x25519: x25519::PrivateKey,
}

impl OwnDevice {
    /// A device with fresh keys.
    pub fn generate(user_id: &str, device_id: &str, rng: &mut dyn CryptoRng) -> Self {
        Self {
            user_id: user_id.to_owned(),
            device_id: device_id.to_owned(),
            ed25519: ed25519::PrivateKey::generate(rng),
            x25519: x25519::PrivateKey::generate(rng),
        }
    }

    /// What others see of it.
    pub fn identity(&self) -> DeviceIdentity {
        DeviceIdentity {
            user_id: self.user_id.clone(),
            device_id: self.device_id.clone(),
            ed25519: self.ed25519.public(),
            x25519: self.x25519.public(),
        }
    }
}

/// The statement that a device is gone for good: its key never receives anything or is believed again, whatever
/// a server still lists. Signed by its user's self-signing key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Removal {
    /// Whose device it was.
    pub user_id: String,
    /// Its id.
    pub device_id: String,
    /// Its key.
    pub ed25519: ed25519::PublicKey,
    signature: [u8; 64],
}

coded!(Removal { user_id, device_id, ed25519, signature });

impl Removal {
    /// States it.
    pub fn sign(device: &DeviceIdentity, self_signing: &ed25519::PrivateKey) -> Self {
        let (user_id, device_id) = (device.user_id.clone(), device.device_id.clone());
        let signature = self_signing.sign(&Self::signed(&user_id, &device_id, &device.ed25519));
        Self { user_id, device_id, ed25519: device.ed25519, signature }
    }

    /// Checks who states it.
    ///
    /// # Errors
    /// [`Error::Authentication`]: not the owner of this self-signing key.
    pub fn verify(&self, self_signing: &ed25519::PublicKey) -> Result<(), Error> {
        let signed = Self::signed(&self.user_id, &self.device_id, &self.ed25519);
        self_signing.verify(&signed, &self.signature)
    }

    fn signed(user_id: &str, device_id: &str, ed25519: &ed25519::PublicKey) -> Vec<u8> {
        let fields: [&[u8]; 3] = [user_id.as_bytes(), device_id.as_bytes(), ed25519.as_bytes()];
        kdf::labelled("org.sealpost.device.v1 removed", &fields)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tests::{device, rng};

    #[test]
    fn a_device_goes_into_derivations_as_the_protocol_says() {
        let one = device("@a", "ONE").identity();
        let encoded: [&[u8]; 4] = [
            b"\0\0\0\x16org.sealpost.device.v1\0\0\0\x02@a\0\0\0\x03ONE\0\0\0\x20",
            one.ed25519.as_bytes(),
            b"\0\0\0\x20",
            one.x25519.as_bytes(),
        ];
        assert_eq!(one.encoded(), encoded.concat());
    }

    #[test]
    fn only_the_owner_of_the_self_signing_key_removes_a_device() {
        let self_signing = ed25519::PrivateKey::generate(&mut rng(1));
        let one = device("@a", "ONE").identity();
        let removal = Removal::sign(&one, &self_signing);
        assert_eq!(removal.ed25519, one.ed25519);
        let refused = Err(Error::Authentication);
        assert_eq!(removal.verify(&self_signing.public()), Ok(()));
        assert_eq!(removal.verify(&one.ed25519), refused);
        for other in [
            Removal { user_id: "@b".to_owned(), ..removal.clone() },
            Removal { device_id: "TWO".to_owned(), ..removal.clone() },
            Removal { ed25519: self_signing.public(), ..removal.clone() },
        ] {
            assert_eq!(other.verify(&self_signing.public()), refused, "{other:?}");
        }
        let stated: [&[u8]; 2] = [
            b"\0\0\0\x1eorg.sealpost.device.v1 removed\0\0\0\x02@a\0\0\0\x03ONE\0\0\0\x20",
            one.ed25519.as_bytes(),
        ];
        assert_eq!(removal.signature, self_signing.sign(&stated.concat()));
    }
}
