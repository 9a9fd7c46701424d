//! Surrogate ids: integers that stand for text ids in the large tables. The one writing process hands
//! them out from memory, starting behind the highest there is; a number that was reserved and not used
//! stays unused.

use std::sync::atomic::{AtomicI64, Ordering};

use diesel::{
    backend::Backend,
    deserialize::{self, FromSql, FromSqlRow},
    dsl::max,
    expression::AsExpression,
    prelude::*,
    serialize::{self, Output, ToSql},
    sql_types::BigInt,
};

use super::{Conn, schema};
use crate::error::Result;

/// An integer newtype that diesel takes for a `BigInt`.
macro_rules! big_int {
    ($($(#[$meta:meta])* $name:ident,)*) => {$(
        $(#[$meta])*
        #[derive(
            Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, AsExpression, FromSqlRow,
        )]
        #[diesel(sql_type = BigInt)]
        pub struct $name(pub i64);

        impl<DB: Backend> ToSql<BigInt, DB> for $name
        where
            i64: ToSql<BigInt, DB>,
        {
            fn to_sql<'b>(&'b self, out: &mut Output<'b, '_, DB>) -> serialize::Result {
                self.0.to_sql(out)
            }
        }

        impl<DB: Backend> FromSql<BigInt, DB> for $name
        where
            i64: FromSql<BigInt, DB>,
        {
            fn from_sql(bytes: DB::RawValue<'_>) -> deserialize::Result<Self> {
                i64::from_sql(bytes).map(Self)
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                self.0.fmt(formatter)
            }
        }
    )*};
}
pub(super) use big_int;

big_int! {
    RoomNid,
    EventNid,
    UserNid,
    /// A state of a room: all of its entries at one point.
    StateNid,
    /// A pair of event type and state key.
    StateKeyNid,
    /// A chain of the chain cover.
    ChainNid,
}

/// The allocators.
#[derive(Debug)]
pub struct Nids {
    rooms: AtomicI64,
    events: AtomicI64,
    users: AtomicI64,
    states: AtomicI64,
    state_keys: AtomicI64,
    chains: AtomicI64,
}

impl Nids {
    pub(super) fn load(conn: &mut Conn) -> Result<Self> {
        use schema::{event_chains, events, rooms, state_keys, states, users};
        macro_rules! behind {
            ($table:ident, $column:ident) => {
                AtomicI64::new(
                    $table::table
                        .select(max($table::$column))
                        .first::<Option<i64>>(conn)?
                        .map_or(1, |highest| highest.max(0) + 1),
                )
            };
        }
        Ok(Self {
            rooms: behind!(rooms, room_nid),
            events: behind!(events, event_nid),
            users: behind!(users, user_nid),
            states: behind!(states, state_nid),
            state_keys: behind!(state_keys, state_key_nid),
            chains: behind!(event_chains, chain_nid),
        })
    }

    pub fn room(&self) -> RoomNid {
        RoomNid(next(&self.rooms))
    }

    pub fn event(&self) -> EventNid {
        EventNid(next(&self.events))
    }

    pub fn user(&self) -> UserNid {
        UserNid(next(&self.users))
    }

    pub fn state(&self) -> StateNid {
        StateNid(next(&self.states))
    }

    pub fn state_key(&self) -> StateKeyNid {
        StateKeyNid(next(&self.state_keys))
    }

    pub fn chain(&self) -> ChainNid {
        ChainNid(next(&self.chains))
    }
}

fn next(counter: &AtomicI64) -> i64 {
    counter.fetch_add(1, Ordering::Relaxed)
}
