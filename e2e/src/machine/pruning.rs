//! What is forgotten in time, so that a store does not grow for ever and no key outlives its use. Once a day these rows
//! are looked through, a part in each call, whether anything is written or read or not. How far that came is kept.
//!
//! | rows | kept |
//! |---|---|
//! | strangers who sent something, and are in no room | a day |
//! | sessions that others took the place of | 30 days |
//! | keys of letters that were passed over | 30 days; 90 while something is to be fetched in a room of that person |
//! | former fallback prekeys | 30 days; 60 while something is to be fetched in any room |
//! | whom a chain or message was sealed for | 90 days: who asks for its key later gets no answer |
//! | missing keys that were asked for | 90 days |
//! | statements that devices were removed, of which nobody knows who signed them | 90 days |
//! | parts of lists of readers of which others never came | 7 days |
//! | letters that were never sent | 30 days, and the newest 2,000: what was in them is asked for as missing keys |
//!
//! Beside that, the empty message that a session owes its other side after a day is written here.

use super::{
    Work,
    letters::split,
    rows::{Asked, AudiencePart, Claim, Given, Member, Purpose, Request, User},
};
use crate::{Error, changes::Table, inside::Inside, json, session::Sessions, store::key};

const DAY_MS: i64 = 24 * 60 * 60 * 1_000;
const SKIPPED_KEPT_MS: i64 = 30 * DAY_MS;
const SKIPPED_KEPT_IN_GAP_MS: i64 = 90 * DAY_MS;
const GIVEN_KEPT_MS: i64 = 90 * DAY_MS;
const PARTS_KEPT_MS: i64 = 7 * DAY_MS;
const LETTERS_KEPT_MS: i64 = 30 * DAY_MS;
const LETTERS_MAX: usize = 2_000;
/// How many rows one call looks at.
const ROWS_OF_CALL: usize = 200;
/// What is looked through, in this order.
const AGED: [Table; 7] = [
    Table::Users,
    Table::Sessions,
    Table::Prekeys,
    Table::Given,
    Table::Asked,
    Table::Parts,
    Table::Claims,
];

impl Work<'_> {
    /// Looks at the next rows, if there are any today.
    pub(super) fn prune(&mut self) -> Result<(), Error> {
        let place = match self.account.pruned_to.take() {
            Some(place) => place,
            None => {
                // Of a clock that was ahead, nothing is believed.
                let age = self.account.pruned_at.map(|at| self.now.saturating_sub(at));
                if age.is_some_and(|age| (0..DAY_MS).contains(&age)) {
                    return Ok(());
                }
                self.account.pruned_at = Some(self.now);
                self.forget_letters()?;
                self.forget_one_time()?;
                vec![Table::Users.number()]
            }
        };
        self.account_changed = true;
        let (number, after) = place.split_first().ok_or(Error::Store)?;
        let first = AGED.iter().position(|table| table.number() == *number).unwrap_or(AGED.len());
        let (mut after, mut left) = (after.to_vec(), ROWS_OF_CALL);
        let gaps = self.rooms_with_gaps()?;
        for table in AGED.into_iter().skip(first) {
            let keys = self.tx.keys_after(table, &after, left);
            for at in &keys {
                self.age(table, at, &gaps)?;
            }
            left = left.saturating_sub(keys.len());
            if left == 0 {
                let last = keys.last().map_or(after.as_slice(), Vec::as_slice);
                self.account.pruned_to = Some([&[table.number()], last].concat());
                return Ok(());
            }
            after.clear();
        }
        Ok(())
    }

    /// Forgets of a row what is old.
    fn age(&mut self, table: Table, at: &[u8], gaps: &[Vec<u8>]) -> Result<(), Error> {
        let now = self.now;
        let is_old = |then: i64, kept: i64| now.saturating_sub(then) >= kept;
        match table {
            Table::Users => {
                if let Some(user) = self.tx.get::<User>(at)? {
                    self.forget_stranger(at, &user)?;
                }
            }
            Table::Sessions => self.age_sessions(at, gaps)?,
            Table::Prekeys => self.age_prekey(at, !gaps.is_empty())?,
            Table::Given
                if self.tx.get::<Given>(at)?.is_some_and(|row| is_old(row.at, GIVEN_KEPT_MS)) =>
            {
                self.tx.delete::<Given>(at);
            }
            Table::Asked
                if self.tx.get::<Asked>(at)?.is_some_and(|row| is_old(row.at, GIVEN_KEPT_MS)) =>
            {
                self.tx.delete::<Asked>(at);
            }
            Table::Claims
                if self.tx.get::<Claim>(at)?.is_some_and(|row| is_old(row.at, GIVEN_KEPT_MS)) =>
            {
                self.tx.delete::<Claim>(at);
            }
            Table::Parts => {
                // Earlier versions did not say when one came, nor who told it.
                let part = self.tx.get::<AudiencePart>(at)?;
                let part = part.and_then(|part| json::read(part.0.as_bytes()).ok());
                let came_at = part.and_then(|part| part.get("at")?.as_i64());
                if came_at.is_none_or(|then| is_old(then, PARTS_KEPT_MS)) {
                    self.tx.delete::<AudiencePart>(at);
                }
            }
            _ => {}
        }
        Ok(())
    }

    fn age_sessions(&mut self, at: &[u8], gaps: &[Vec<u8>]) -> Result<(), Error> {
        let Some(sessions) = self.tx.get::<Sessions>(at)? else { return Ok(()) };
        let (user_id, device_id) = split(at)?;
        let mut kept = SKIPPED_KEPT_MS;
        for room_id in gaps {
            if self.tx.get::<Member>(&key(&[room_id, user_id.as_bytes()]))?.is_some() {
                kept = SKIPPED_KEPT_IN_GAP_MS;
            }
        }
        let sessions = sessions.forget_before(self.now.saturating_sub(kept), self.now);
        self.tx.renew(at, &sessions);
        if !sessions.owes_message(self.now) {
            return Ok(());
        }
        let user = self.user(&user_id)?;
        let Some(device) = user.device(&device_id) else { return Ok(()) };
        if device.gone_at.is_none() && !self.is_removed(&user_id, &device.ed25519.0)? {
            self.send_inside(&user_id, &device_id, &Inside::Empty)?;
        }
        Ok(())
    }

    /// Letters that nobody sent.
    fn forget_letters(&mut self) -> Result<(), Error> {
        let mut letters = self.tx.scan::<Request>(&[])?;
        letters.retain(|(_, row)| row.purpose == Purpose::ToDevice);
        let beyond = letters.len().saturating_sub(LETTERS_MAX);
        for (number, (at, row)) in letters.into_iter().enumerate() {
            let age = row.made_at.map(|at| self.now.saturating_sub(at));
            if number < beyond || age.is_some_and(|age| age >= LETTERS_KEPT_MS) {
                self.tx.delete::<Request>(&at);
            }
        }
        Ok(())
    }
}
