//! What goes into one transaction, and the limits of one that came in.
//!
//! A transaction carries at most 50 PDUs and 100 EDUs. ([Transactions][1])
//!
//! [1]: https://spec.matrix.org/v1.19/server-server-api/#transactions

use serde_json::value::RawValue;

use crate::Error;

/// The most PDUs in one transaction.
pub const MAX_PDUS: usize = 50;
/// The most EDUs in one transaction.
pub const MAX_EDUS: usize = 100;
/// The most bytes in one EDU that is taken: as much as a PDU may have.
pub const MAX_EDU_BYTES: usize = 65_536;

/// One thing that waits for a destination.
#[derive(Clone, Debug)]
pub enum Item {
    /// An event, as signed.
    Pdu(Box<RawValue>),
    /// An ephemeral unit: `{"edu_type": …, "content": …}`.
    Edu(Box<RawValue>),
}

/// The contents of one transaction.
#[derive(Debug, Default)]
pub struct Batch {
    /// Events, in the order they waited.
    pub pdus: Vec<Box<RawValue>>,
    /// Ephemeral units, in the order they waited.
    pub edus: Vec<Box<RawValue>>,
}

impl Batch {
    /// Takes `item` in, or gives it back when the transaction is full of its kind: the batch then ends
    /// before it, so that a destination gets everything in order.
    pub fn push(&mut self, item: Item) -> Result<(), Item> {
        match item {
            Item::Pdu(pdu) if self.pdus.len() < MAX_PDUS => self.pdus.push(pdu),
            Item::Edu(edu) if self.edus.len() < MAX_EDUS => self.edus.push(edu),
            full => return Err(full),
        }
        Ok(())
    }

    /// How many things are in it.
    pub fn len(&self) -> usize {
        self.pdus.len() + self.edus.len()
    }

    /// Whether there is nothing in it.
    pub fn is_empty(&self) -> bool {
        self.pdus.is_empty() && self.edus.is_empty()
    }
}

/// Refuses a transaction that came in with more than the specification allows.
pub fn check_limits(pdus: usize, edus: usize) -> Result<(), Error> {
    if pdus > MAX_PDUS || edus > MAX_EDUS {
        return Err(Error::Request(format!(
            "a transaction has at most {MAX_PDUS} PDUs and {MAX_EDUS} EDUs"
        )));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn raw(number: usize) -> Box<RawValue> {
        RawValue::from_string(number.to_string()).unwrap()
    }

    #[test]
    fn a_batch_ends_before_what_does_not_fit() {
        let mut batch = Batch::default();
        assert!(batch.is_empty());
        for number in 0..MAX_PDUS {
            batch.push(Item::Pdu(raw(number))).unwrap();
        }
        assert!(matches!(batch.push(Item::Pdu(raw(50))), Err(Item::Pdu(pdu)) if pdu.get() == "50"));
        for number in 0..MAX_EDUS {
            batch.push(Item::Edu(raw(number))).unwrap();
        }
        assert!(batch.push(Item::Edu(raw(100))).is_err());
        assert_eq!(batch.pdus.first().unwrap().get(), "0");
        assert_eq!(batch.edus.last().unwrap().get(), "99");
    }

    #[test]
    fn more_than_the_specification_allows_is_refused() {
        assert!(check_limits(50, 100).is_ok());
        assert!(check_limits(51, 0).is_err());
        assert!(check_limits(0, 101).is_err());
    }
}
