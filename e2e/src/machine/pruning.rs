//! What is forgotten in time, so that a store does not grow for ever: looked through once a day.
//!
//! | rows | kept |
//! |---|---|
//! | whom a chain or message was sealed for | 90 days: who asks for its key later gets no answer |
//! | missing keys that were asked for | 90 days |
//! | parts of lists of readers of which others never came | 7 days |
//! | strangers who sent something, and are in no room | a day |
//! | letters that were never sent | 30 days, and the newest 2,000: what was in them is asked for as missing keys |

use super::{
    Work,
    rows::{Asked, AudiencePart, Given, Purpose, Request},
};
use crate::{Error, json};

const DAY_MS: i64 = 24 * 60 * 60 * 1_000;
const GIVEN_KEPT_MS: i64 = 90 * DAY_MS;
const PARTS_KEPT_MS: i64 = 7 * DAY_MS;
const LETTERS_KEPT_MS: i64 = 30 * DAY_MS;
const LETTERS_MAX: usize = 2_000;

impl Work<'_> {
    pub(super) fn prune(&mut self) -> Result<(), Error> {
        let now = self.now;
        let age = |at: i64| now.saturating_sub(at);
        if self.account.pruned_at.is_some_and(|at| age(at) < DAY_MS) {
            return Ok(());
        }
        self.forget_strangers()?;
        for (at, row) in self.tx.scan::<Given>(&[])? {
            if age(row.at) >= GIVEN_KEPT_MS {
                self.tx.delete::<Given>(&at);
            }
        }
        for (at, row) in self.tx.scan::<Asked>(&[])? {
            if age(row.at) >= GIVEN_KEPT_MS {
                self.tx.delete::<Asked>(&at);
            }
        }
        for (at, part) in self.tx.scan::<AudiencePart>(&[])? {
            // Earlier versions did not say when one came, nor who told it.
            let came_at = json::read(part.0.as_bytes()).ok();
            let came_at = came_at.and_then(|part| part.get("at")?.as_i64());
            if came_at.is_none_or(|at| age(at) >= PARTS_KEPT_MS) {
                self.tx.delete::<AudiencePart>(&at);
            }
        }
        let mut letters = self.tx.scan::<Request>(&[])?;
        letters.retain(|(_, row)| row.purpose == Purpose::ToDevice);
        let beyond = letters.len().saturating_sub(LETTERS_MAX);
        for (number, (at, row)) in letters.into_iter().enumerate() {
            let is_late = row.made_at.is_some_and(|at| age(at) >= LETTERS_KEPT_MS);
            if number < beyond || is_late {
                self.tx.delete::<Request>(&at);
            }
        }
        self.account.pruned_at = Some(self.now);
        self.account_changed = true;
        Ok(())
    }
}
