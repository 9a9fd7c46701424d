//! Where an encoding is written.

use zeroize::{Zeroize as _, Zeroizing};

/// How many bytes there is room for at first, where nothing is known: of what is erased, each costs a write.
const ROOM: usize = 256;

/// Bytes that may be secret: where they have to be moved because they became more, no copy stays behind.
pub struct Writer(Zeroizing<Vec<u8>>);

impl Default for Writer {
    fn default() -> Self {
        Self::with_room(ROOM)
    }
}

impl Writer {
    /// Has room for so many bytes: where it is enough, nothing is moved.
    pub fn with_room(bytes: usize) -> Self {
        Self(Zeroizing::new(Vec::with_capacity(bytes)))
    }

    /// Writes one byte.
    pub fn push(&mut self, byte: u8) {
        self.write(&[byte]);
    }

    /// Writes bytes.
    pub fn write(&mut self, bytes: &[u8]) {
        let length = self.0.len().saturating_add(bytes.len());
        if length > self.0.capacity() {
            let mut larger = Vec::with_capacity(length.saturating_mul(2));
            larger.extend_from_slice(&self.0);
            let mut left = std::mem::replace(&mut *self.0, larger);
            // No more than was written: each byte costs a write.
            left.as_mut_slice().zeroize();
        }
        self.0.extend_from_slice(bytes);
    }

    /// What was written.
    pub fn into_bytes(self) -> Zeroizing<Vec<u8>> {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_grows_stays_in_order() {
        let mut out = Writer::default();
        let all: Vec<u8> = (0..2_000_u32).map(|number| number as u8).collect();
        out.push(all[0]);
        all[1..].chunks(7).for_each(|some| out.write(some));
        assert!(*out.into_bytes() == all);
    }
}
