//! The plaintext of a room's message: padded, so that its length tells little.
//!
//! ```text
//! padded = u32be(length) ‖ content ‖ zeros        to a multiple of 128 bytes up to 1 KiB, from there to
//!                                                 a length of Padmé: at most 12 % more
//! ```

use zeroize::Zeroizing;

use crate::Error;

/// The longest content in bytes: longer text goes as a file.
pub const LENGTH_MAX: usize = 24 * 1024;

const STEP: usize = 128;
const STEPS_UP_TO: usize = 1024;

/// Pads content.
///
/// # Errors
/// [`Error::TooLong`].
pub fn pad(content: &[u8]) -> Result<Zeroizing<Vec<u8>>, Error> {
    if content.len() > LENGTH_MAX {
        return Err(Error::TooLong);
    }
    let length = u32::try_from(content.len()).map_err(|_| Error::TooLong)?;
    let padded = padded_length(content.len() + 4);
    let mut bytes = Zeroizing::new(Vec::with_capacity(padded));
    bytes.extend_from_slice(&length.to_be_bytes());
    bytes.extend_from_slice(content);
    bytes.resize(padded, 0);
    Ok(bytes)
}

/// Takes the padding off.
///
/// # Errors
/// [`Error::Encoding`]: not what [`pad`] gives.
pub fn unpad(bytes: &[u8]) -> Result<&[u8], Error> {
    let (length, rest) = bytes.split_first_chunk::<4>().ok_or(Error::Encoding)?;
    let length = u32::from_be_bytes(*length) as usize;
    let (content, zeros) = rest.split_at_checked(length).ok_or(Error::Encoding)?;
    let is_padding = zeros.iter().all(|byte| *byte == 0);
    if length <= LENGTH_MAX && is_padding && bytes.len() == padded_length(length + 4) {
        Ok(content)
    } else {
        Err(Error::Encoding)
    }
}

fn padded_length(length: usize) -> usize {
    if length <= STEPS_UP_TO {
        return length.next_multiple_of(STEP).max(STEP);
    }
    // Padmé: of a length with exponent e, the last e − (⌊log₂ e⌋ + 1) bits are zero.
    let exponent = length.ilog2();
    let zeros = exponent - (exponent.ilog2() + 1);
    length.next_multiple_of(1 << zeros)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn content_comes_out_as_it_went_in() {
        for length in [0, 1, 123, 124, 125, 1020, 1021, 5000, LENGTH_MAX] {
            let content = vec![7; length];
            let padded = pad(&content).unwrap();
            assert!(padded.len() >= STEP && padded.len() <= (length + 4).max(1024) * 28 / 25);
            assert_eq!(unpad(&padded), Ok(content.as_slice()));
        }
        assert_eq!(pad(&vec![7; LENGTH_MAX + 1]).unwrap_err(), Error::TooLong);
    }

    #[test]
    fn lengths_that_are_close_look_alike() {
        let padded = |length: usize| pad(&vec![7; length]).unwrap().len();
        assert_eq!(padded(0), padded(100));
        assert_eq!(padded(3000), padded(3040));
    }

    #[test]
    fn other_paddings_are_refused() {
        let padded = pad(b"content").unwrap();
        for change in [3, 11, padded.len() - 1] {
            let mut other = padded.to_vec();
            other[change] ^= 0xff;
            assert_eq!(unpad(&other), Err(Error::Encoding), "{change}");
        }
        assert_eq!(unpad(&padded[..padded.len() - 1]), Err(Error::Encoding));
        assert_eq!(unpad(&[&padded[..], &[0; 128]].concat()), Err(Error::Encoding));
        assert_eq!(unpad(&[0; 3]), Err(Error::Encoding));
    }

    #[test]
    fn content_is_padded_to_the_lengths_of_the_protocol() {
        for (length, padded) in [
            (0, 128),
            (124, 128),
            (125, 256),
            (1_020, 1_024),
            (1_021, 1_088),
            (5_000, 5_120),
            (24_576, 25_600),
        ] {
            assert_eq!(pad(&vec![7; length]).unwrap().len(), padded, "{length}");
        }
        let padded = pad(b"content").unwrap();
        assert_eq!(padded[..12], *b"\0\0\0\x07content\0");
        // Longer than what is sealed, though padded as it should be.
        let mut long = [&24_577_u32.to_be_bytes()[..], &[7; 24_577]].concat();
        long.resize(25_600, 0);
        assert_eq!(unpad(&long), Err(Error::Encoding));
    }
}
