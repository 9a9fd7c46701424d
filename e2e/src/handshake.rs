//! PQXDH: two devices come to a first secret, of which one may be away. ([PQXDH][1], without its fourth
//! agreement: a claimed object holds a fresh X25519 key in the place of the signed prekey.)
//!
//! ```text
//! DH1 = DH(IK_A, K_B)   DH2 = DH(EK_A, IK_B)   DH3 = DH(EK_A, K_B)   (CT, SS) = Encaps(kem_B)
//!
//! AD  = hash("org.sealpost.pqxdh.v1 ad", enc(A), enc(B), object hash, u32be(generation), EK_A, CT)
//! id  = first 16 bytes of hash("org.sealpost.pqxdh.v1 session", AD)
//! root 32 ‖ chain 32 = HKDF(salt = 0^32, ikm = 0xFF^32 ‖ DH1 ‖ DH2 ‖ DH3 ‖ SS,
//!                           info = labelled("org.sealpost.pqxdh.v1 secret", AD))
//! ```
//!
//! Identities come from verified `device_keys`, never from the message: a message under other keys, for
//! another device or another object derives another secret and does not open.
//!
//! [1]: https://signal.org/docs/specifications/pqxdh/

use rand_core::CryptoRng;

use crate::{
    Error,
    encoding::coded,
    identity::{DeviceIdentity, OwnDevice},
    prekeys::{ClaimedPrekey, KeyId, Prekey},
    primitives::{Secret, kdf, kem, part, x25519},
};

/// What the first messages carry so that the other side derives the same, repeated until it answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Header {
    /// Which of the recipient's objects was claimed.
    pub prekey: KeyId,
    /// One more than the highest generation that the sender knew for the pair.
    pub generation: u32,
    /// The sender's ephemeral key.
    pub ephemeral: x25519::PublicKey,
    /// The encapsulated secret.
    pub ciphertext: kem::Ciphertext,
}

coded!(Header { prekey, generation, ephemeral, ciphertext });

/// The first secret of a session.
pub struct Handshake {
    /// Binds everything that the two sides must agree on. Part of each message's authenticated data.
    pub ad: [u8; 32],
    /// The root of the ratchet.
    pub root: Secret,
    /// The initiator's first sending chain.
    pub chain: Secret,
}

/// The name of a session: what its messages are found by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SessionId(pub [u8; 16]);

coded!(SessionId = 0);

impl Handshake {
    /// Begins a session with the `recipient`, of which `prekey` was claimed.
    ///
    /// # Errors
    /// [`Error::Key`]: a key of the recipient's forces the result.
    pub fn initiate(
        own: &OwnDevice,
        recipient: &DeviceIdentity,
        prekey: &ClaimedPrekey,
        generation: u32,
        rng: &mut dyn CryptoRng,
    ) -> Result<(Self, Header), Error> {
        let ephemeral = x25519::PrivateKey::generate(rng);
        let (ciphertext, secret) = prekey.kem.encapsulate(rng);
        let header =
            Header { prekey: prekey.id, generation, ephemeral: ephemeral.public(), ciphertext };
        let agreed = [
            own.x25519.agree(&prekey.x25519)?,
            ephemeral.agree(&recipient.x25519)?,
            ephemeral.agree(&prekey.x25519)?,
        ];
        let ad = associated_data(&own.identity(), recipient, &prekey.object_hash, &header);
        Ok((Self::derive(ad, &agreed, &secret), header))
    }

    /// The same secret on the recipient's side.
    ///
    /// # Errors
    /// [`Error::Key`]: a key of the initiator's forces the result. A forged header gives a secret that nobody
    /// else has: the first message then does not open.
    pub fn accept(
        own: &OwnDevice,
        initiator: &DeviceIdentity,
        prekey: &Prekey,
        header: &Header,
    ) -> Result<Self, Error> {
        let agreed = [
            prekey.x25519.agree(&initiator.x25519)?,
            own.x25519.agree(&header.ephemeral)?,
            prekey.x25519.agree(&header.ephemeral)?,
        ];
        let secret = prekey.kem.decapsulate(&header.ciphertext);
        let ad = associated_data(initiator, &own.identity(), &prekey.object_hash, header);
        Ok(Self::derive(ad, &agreed, &secret))
    }

    /// What the session is called on both sides.
    pub fn session_id(&self) -> SessionId {
        let hash = kdf::hash("org.sealpost.pqxdh.v1 session", &[&self.ad]);
        SessionId(part::<0, 16, 32>(&hash))
    }

    fn derive(ad: [u8; 32], [dh1, dh2, dh3]: &[Secret; 3], secret: &Secret) -> Self {
        let material: [&[u8]; 5] = [&[0xff; 32], &**dh1, &**dh2, &**dh3, &**secret];
        let label = "org.sealpost.pqxdh.v1 secret";
        let keys = kdf::derive::<64>(&[0; 32], &material, label, &[&ad]);
        Self { ad, root: Secret::part_of::<0, 64>(&keys), chain: Secret::part_of::<32, 64>(&keys) }
    }
}

fn associated_data(
    initiator: &DeviceIdentity,
    recipient: &DeviceIdentity,
    object_hash: &[u8; 32],
    header: &Header,
) -> [u8; 32] {
    let fields: [&[u8]; 6] = [
        &initiator.encoded(),
        &recipient.encoded(),
        object_hash,
        &header.generation.to_be_bytes(),
        header.ephemeral.as_bytes(),
        header.ciphertext.as_bytes(),
    ];
    kdf::hash("org.sealpost.pqxdh.v1 ad", &fields)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        prekeys::Kind,
        tests::{device, rng},
    };

    struct Setting {
        alice: OwnDevice,
        bob: OwnDevice,
        prekey: Prekey,
        handshake: Handshake,
        header: Header,
    }

    fn setting() -> Setting {
        let (alice, bob) = (device("@alice:a.test", "LAPTOP"), device("@bob:b.test", "PHONE"));
        let (prekey, object) = Prekey::generate(&bob, Kind::OneTime, &mut rng(1)).unwrap();
        let name = prekey.id.name();
        let claimed = ClaimedPrekey::verify(&bob.identity(), &name, &object).unwrap();
        let (handshake, header) =
            Handshake::initiate(&alice, &bob.identity(), &claimed, 3, &mut rng(2)).unwrap();
        Setting { alice, bob, prekey, handshake, header }
    }

    #[test]
    fn both_sides_come_to_the_same_secret() {
        let Setting { alice, bob, prekey, handshake, header } = setting();
        let accepted = Handshake::accept(&bob, &alice.identity(), &prekey, &header).unwrap();
        assert_eq!(accepted.session_id(), handshake.session_id());
        assert_eq!((accepted.root, accepted.chain), (handshake.root, handshake.chain));
    }

    #[test]
    fn whatever_is_swapped_gives_another_secret() {
        let Setting { alice, bob, prekey, handshake, header } = setting();
        let differs = |own: &OwnDevice, from: &DeviceIdentity, prekey: &Prekey, header: &Header| {
            let accepted = Handshake::accept(own, from, prekey, header).unwrap();
            assert_ne!(accepted.root, handshake.root);
        };
        let from = alice.identity();
        // The sender's name, device and keys.
        differs(
            &bob,
            &DeviceIdentity { user_id: "@eve:a.test".to_owned(), ..from.clone() },
            &prekey,
            &header,
        );
        differs(
            &bob,
            &DeviceIdentity { device_id: "TABLET".to_owned(), ..from.clone() },
            &prekey,
            &header,
        );
        let mallory = device("@mallory:m.test", "X").identity();
        differs(
            &bob,
            &DeviceIdentity { ed25519: mallory.ed25519, ..from.clone() },
            &prekey,
            &header,
        );
        differs(&bob, &DeviceIdentity { x25519: mallory.x25519, ..from.clone() }, &prekey, &header);
        // The recipient's device and object.
        differs(
            &OwnDevice { device_id: "TABLET".to_owned(), ..bob.clone() },
            &from,
            &prekey,
            &header,
        );
        let (other, _) = Prekey::generate(&bob, Kind::OneTime, &mut rng(9)).unwrap();
        differs(&bob, &from, &other, &header);
        differs(&bob, &from, &Prekey { kem: other.kem.clone(), ..prekey.clone() }, &header);
        differs(&bob, &from, &Prekey { object_hash: [0; 32], ..prekey.clone() }, &header);
        // What the message says.
        differs(&bob, &from, &prekey, &Header { generation: 4, ..header.clone() });
        let (ciphertext, _) = prekey.kem.public().encapsulate_with([0; 32]);
        differs(&bob, &from, &prekey, &Header { ciphertext, ..header.clone() });
        let ephemeral = other.x25519.public();
        differs(&bob, &from, &prekey, &Header { ephemeral, ..header });
    }

    #[test]
    fn an_ephemeral_key_of_low_order_is_refused() {
        let Setting { alice, bob, prekey, header, .. } = setting();
        let ephemeral = x25519::PublicKey::unchecked([0; 32]);
        let refused =
            Handshake::accept(&bob, &alice.identity(), &prekey, &Header { ephemeral, ..header });
        assert_eq!(refused.map(|_| ()), Err(Error::Key));
    }
}
