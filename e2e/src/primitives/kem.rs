//! ML-KEM-768 (FIPS 203), by libcrux: verified code, as libsignal uses. See the decision
//! "The encryption library's primitives".

use libcrux_ml_kem::mlkem768::{
    MlKem768Ciphertext, MlKem768KeyPair, MlKem768PublicKey, decapsulate, encapsulate,
    generate_key_pair, validate_public_key,
};
use rand_core::CryptoRng;
use zeroize::Zeroizing;

use super::{Secret, random};
use crate::Error;

/// The length of an encapsulation key in bytes.
pub const PUBLIC_LENGTH: usize = 1184;
/// The length of a ciphertext in bytes.
pub const CIPHERTEXT_LENGTH: usize = 1088;

/// What a secret is encapsulated with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PublicKey(Box<[u8; PUBLIC_LENGTH]>);

/// A secret that only the owner of the key can take out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ciphertext(Box<[u8; CIPHERTEXT_LENGTH]>);

impl PublicKey {
    /// Takes a key as a peer sent it.
    ///
    /// # Errors
    /// [`Error::Key`]: another length, or a coefficient that is not reduced (FIPS 203, section 7.2).
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, Error> {
        let bytes: &[u8; PUBLIC_LENGTH] = bytes.try_into().map_err(|_| Error::Key)?;
        if !validate_public_key(&MlKem768PublicKey::from(bytes)) {
            return Err(Error::Key);
        }
        Ok(Self(Box::new(*bytes)))
    }

    /// The bytes that others are sent.
    pub fn as_bytes(&self) -> &[u8; PUBLIC_LENGTH] {
        &self.0
    }

    /// A fresh secret, and the ciphertext that carries it to the key's owner.
    pub fn encapsulate(&self, rng: &mut dyn CryptoRng) -> (Ciphertext, Secret) {
        self.encapsulate_with(*Zeroizing::new(random(rng)))
    }

    /// The same from given randomness (FIPS 203, `ML-KEM.Encaps_internal`).
    pub(crate) fn encapsulate_with(&self, message: [u8; 32]) -> (Ciphertext, Secret) {
        let (ciphertext, secret) = encapsulate(&MlKem768PublicKey::from(&*self.0), message);
        (Ciphertext(Box::new(*ciphertext.as_slice())), Secret::new(secret))
    }
}

impl Ciphertext {
    /// Takes a ciphertext as a peer sent it.
    ///
    /// # Errors
    /// [`Error::Key`]: another length.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, Error> {
        let bytes: [u8; CIPHERTEXT_LENGTH] = bytes.try_into().map_err(|_| Error::Key)?;
        Ok(Self(Box::new(bytes)))
    }

    /// The bytes that are sent.
    pub fn as_bytes(&self) -> &[u8; CIPHERTEXT_LENGTH] {
        &self.0
    }
}

/// A private key as the seed of 64 bytes that it comes from (`d ‖ z`), erased when dropped.
#[derive(Clone)]
pub struct PrivateKey(Box<Zeroizing<[u8; 64]>>);

impl PrivateKey {
    /// A fresh key.
    pub fn generate(rng: &mut dyn CryptoRng) -> Self {
        Self(Box::new(Zeroizing::new(random(rng))))
    }

    /// A stored seed.
    pub fn from_bytes(seed: &[u8; 64]) -> Self {
        Self(Box::new(Zeroizing::new(*seed)))
    }

    /// The seed to store.
    pub fn as_bytes(&self) -> &[u8; 64] {
        &self.0
    }

    /// The key that others are told. Costs a key generation.
    pub fn public(&self) -> PublicKey {
        PublicKey(Box::new(*self.pair().pk()))
    }

    /// Takes the secret out. A forged ciphertext gives a secret that nobody knows (implicit rejection).
    pub fn decapsulate(&self, ciphertext: &Ciphertext) -> Secret {
        let ciphertext = MlKem768Ciphertext::from(&*ciphertext.0);
        let mut pair = self.pair();
        let secret = decapsulate(pair.private_key(), &ciphertext);
        erase(&mut pair);
        Secret::new(secret)
    }

    fn pair(&self) -> MlKem768KeyPair {
        generate_key_pair(**self.0)
    }
}

/// libcrux leaves the erasure of its keys to whoever owns them. The black box keeps the write from being left
/// out as one that nobody reads.
fn erase(pair: &mut MlKem768KeyPair) {
    *pair = MlKem768KeyPair::new([0; 2400], [0; PUBLIC_LENGTH]);
    std::hint::black_box(&*pair);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_owner_takes_out_what_was_put_in() {
        let key = PrivateKey::from_bytes(&[3; 64]);
        let (ciphertext, secret) = key.public().encapsulate_with([4; 32]);
        assert_eq!(key.decapsulate(&ciphertext), secret);
        let mut forged = ciphertext.as_bytes().to_vec();
        forged[0] ^= 1;
        assert_ne!(key.decapsulate(&Ciphertext::from_bytes(&forged).unwrap()), secret);
    }

    #[test]
    fn what_libcrux_makes_of_a_seed_is_erased() {
        let mut pair = PrivateKey::from_bytes(&[3; 64]).pair();
        assert_ne!(pair.sk(), &[0; 2400]);
        erase(&mut pair);
        assert_eq!(pair.sk(), &[0; 2400]);
    }

    #[test]
    fn a_key_with_a_coefficient_too_large_is_refused() {
        let mut bytes = *PrivateKey::from_bytes(&[3; 64]).public().as_bytes();
        (bytes[0], bytes[1]) = (0xff, 0xff);
        assert_eq!(PublicKey::from_bytes(&bytes), Err(Error::Key));
    }

    #[test]
    fn a_stored_key_is_its_seed_and_each_secret_is_fresh() {
        let key = PrivateKey::from_bytes(&[3; 64]);
        assert_eq!(key.as_bytes(), &[3; 64]);
        let mut rng = crate::tests::rng(1);
        let [one, other] = [(); 2].map(|()| key.public().encapsulate(&mut rng));
        assert!(one.0 != other.0 && one.1 != other.1);
        assert_eq!(key.decapsulate(&one.0), one.1);
        let other = PrivateKey::generate(&mut rng);
        assert_ne!(other.as_bytes(), PrivateKey::generate(&mut rng).as_bytes());
    }
}
