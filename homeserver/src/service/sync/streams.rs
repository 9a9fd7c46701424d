//! The blocks of a sync that are not rooms' timelines, one file each; both kinds of sync use them.

pub mod account_data;
pub mod invites;
