//! Random text: tokens, ids, codes.

use rand::{Rng, RngExt as _};

const LETTERS_AND_DIGITS: &[u8; 62] =
    b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";

/// `length` letters and digits, 5.95 bits each.
pub fn letters_and_digits(length: usize, random: &mut impl Rng) -> String {
    pick(LETTERS_AND_DIGITS, length, random)
}

/// `length` capital letters, as in device ids.
pub fn capitals(length: usize, random: &mut impl Rng) -> String {
    pick(&LETTERS_AND_DIGITS[..26], length, random)
}

/// `length` small letters and digits, as in generated user names.
pub fn small_letters_and_digits(length: usize, random: &mut impl Rng) -> String {
    pick(&LETTERS_AND_DIGITS[26..], length, random)
}

fn pick(from: &[u8], length: usize, random: &mut impl Rng) -> String {
    (0..length)
        .filter_map(|_| from.get(random.random_range(0..from.len())))
        .map(|&byte| char::from(byte))
        .collect()
}
