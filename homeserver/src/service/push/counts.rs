//! How much is unread for a user in a room: differences of the room's running totals, with the user's
//! exceptions.
//!
//! ```text
//!   room    ──●──●──●──●──●──●──  running total of what notifies by default
//!   user    ──────┤read           total now − total there
//!   quiet   ·········├─────┤····  where the default does not count for the user
//!   own     ───────────+──────    exceptions: what counts more, or less
//! ```

use std::collections::{BTreeMap, HashMap, HashSet};

use ruma::OwnedEventId;

use crate::{
    error::Result,
    service::timeline::Context,
    storage::{
        Conn, Position, RoomNid, UserNid,
        push_counts::{self, CounterRow, ExceptionRow, RedactionRow, Totals},
        read_positions::{self, ALL},
    },
};

const MAIN: &str = "main";

/// What is unread.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Unread {
    /// Of all the room, or, when threads are told apart, of what is in none.
    pub room: Totals,
    /// Of threads in which something is.
    pub threads: BTreeMap<OwnedEventId, Totals>,
}

/// What is unread for a user in a room at `now`.
pub fn unread(
    context: &Context,
    conn: &mut Conn,
    (user, room): (UserNid, RoomNid),
    now: Position,
    by_thread: bool,
) -> Result<Unread> {
    let mut counts = Counts::load(context, conn, (user, room), now)?;
    let all = counts.read_all;
    let mut unread = Unread::default();
    if by_thread {
        let from = counts.read_in(MAIN);
        unread.room = counts.range(conn, Part::Main, from)?;
        for thread in push_counts::threads_after(conn, room, all)? {
            let from = counts.read_in(&thread);
            let totals = counts.range(conn, Part::Thread(&thread), from)?;
            if let Ok(root) = OwnedEventId::try_from(thread)
                && totals != Totals::default()
            {
                unread.threads.insert(root, totals);
            }
        }
    } else {
        unread.room = counts.range(conn, Part::Room, all)?;
        for (thread, read) in counts.read_threads.clone() {
            let part = if thread == MAIN { Part::Main } else { Part::Thread(&thread) };
            let all = counts.range(conn, part, all)?;
            let rest = counts.range(conn, part, read)?;
            unread.room.notify -= all.notify - rest.notify;
            unread.room.highlight -= all.highlight - rest.highlight;
        }
    }
    Ok(unread)
}

/// Where the default counts for a user, between two positions.
pub(super) fn default_intervals(
    modes: &[(Position, bool)],
    (after, until): (Position, Position),
) -> Vec<(Position, Position)> {
    let mut intervals = Vec::new();
    let mut from = Some(Position(i64::MIN));
    for &(position, quiet) in modes {
        match (quiet, from) {
            (true, Some(begin)) => {
                intervals.push((begin, position));
                from = None;
            }
            (false, None) => from = Some(position),
            _ => {}
        }
    }
    intervals.extend(from.map(|begin| (begin, Position(i64::MAX))));
    let clipped = intervals.into_iter().map(|(begin, end)| (begin.max(after), end.min(until)));
    clipped.filter(|(begin, end)| begin < end).collect()
}

#[derive(Clone, Copy)]
enum Part<'a> {
    Room,
    Main,
    Thread(&'a str),
}

impl Part<'_> {
    fn has(self, thread: &str) -> bool {
        match self {
            Self::Room => true,
            Self::Main => thread == MAIN,
            Self::Thread(own) => thread == own,
        }
    }
}

struct Counts {
    room: RoomNid,
    now: Position,
    read_all: Position,
    /// What is read beyond that.
    read_threads: Vec<(String, Position)>,
    modes: Vec<(Position, bool)>,
    exceptions: Vec<ExceptionRow>,
    redactions: Vec<RedactionRow>,
    redacted: HashSet<Position>,
    known: HashMap<Position, Option<CounterRow>>,
}

impl Counts {
    fn load(
        context: &Context,
        conn: &mut Conn,
        (user, room): (UserNid, RoomNid),
        now: Position,
    ) -> Result<Self> {
        let mut read_threads = read_positions::of_user(conn, user, room)?;
        let all = read_threads.iter().find(|(thread, _)| thread == ALL);
        let read_all = all.map_or(Position(0), |(_, position)| *position);
        read_threads.retain(|(thread, position)| thread != ALL && *position > read_all);
        let modes = match context.push_rules.changed_users(conn)?.contains_key(&user) {
            true => push_counts::modes(conn, user, room)?,
            false => Vec::new(),
        };
        let redactions = push_counts::redactions(conn, room, (read_all, now))?;
        Ok(Self {
            room,
            now,
            read_all,
            read_threads,
            modes,
            exceptions: push_counts::exceptions(conn, (user, room), (read_all, now))?,
            redacted: redactions.iter().map(|row| row.position).collect(),
            redactions,
            known: HashMap::new(),
        })
    }

    fn read_in(&self, thread: &str) -> Position {
        let found = self.read_threads.iter().find(|(known, _)| known == thread);
        found.map_or(self.read_all, |(_, position)| *position)
    }

    /// What counts after a position.
    fn range(&mut self, conn: &mut Conn, part: Part<'_>, after: Position) -> Result<Totals> {
        let mut totals = Totals::default();
        let intervals = default_intervals(&self.modes, (after, self.now));
        for &(from, to) in &intervals {
            let (begin, end) = (self.at(conn, part, from)?, self.at(conn, part, to)?);
            totals.notify += end.notify - begin.notify;
            totals.highlight += end.highlight - begin.highlight;
        }
        let counted =
            |position| intervals.iter().any(|&(from, to)| from < position && position <= to);
        for row in self.redactions.iter().filter(|row| part.has(&row.thread)) {
            if row.position > after && counted(row.position) {
                totals.notify -= row.notify;
                totals.highlight -= row.highlight;
            }
        }
        for row in self.exceptions.iter().filter(|row| part.has(&row.thread)) {
            if row.position > after && !self.redacted.contains(&row.position) {
                totals.notify += row.notify;
                totals.highlight += row.highlight;
            }
        }
        Ok(totals)
    }

    /// The running totals at a position.
    fn at(&mut self, conn: &mut Conn, part: Part<'_>, at: Position) -> Result<Totals> {
        if let Part::Thread(thread) = part {
            return push_counts::thread_totals(conn, self.room, thread, at);
        }
        let row = match self.known.get(&at) {
            Some(row) => row.clone(),
            None => {
                let row = push_counts::counter_at(conn, self.room, at)?;
                self.known.insert(at, row.clone());
                row
            }
        };
        Ok(match (row, part) {
            (None, _) => Totals::default(),
            (Some(row), Part::Main) => {
                Totals { notify: row.main_notify, highlight: row.main_highlight }
            }
            (Some(row), _) => Totals { notify: row.room_notify, highlight: row.room_highlight },
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_counts_where_the_mode_is_not_quiet() {
        let at = |from, to| (Position(from), Position(to));
        let all = |modes: &[(i64, bool)], range| {
            let modes: Vec<_> = modes.iter().map(|&(p, quiet)| (Position(p), quiet)).collect();
            default_intervals(&modes, range)
        };
        assert_eq!(all(&[], at(3, 9)), [at(3, 9)]);
        assert_eq!(all(&[(5, true)], at(3, 9)), [at(3, 5)]);
        assert_eq!(all(&[(5, true), (7, false)], at(3, 9)), [at(3, 5), at(7, 9)]);
        assert_eq!(all(&[(1, true)], at(3, 9)), []);
        assert_eq!(all(&[(1, true), (2, false), (2, false)], at(3, 9)), [at(3, 9)]);
    }
}
