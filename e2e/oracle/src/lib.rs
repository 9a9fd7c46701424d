//! [`vodozemac`](https://docs.rs/vodozemac) as an oracle of `sealpost-e2e`, in a crate of its own, for nothing else
//! is to compile it.
//!
//! | file | what it does |
//! |---|---|
//! | `tests/schedules.rs` | the same random sends, losses and reorderings go through both and deliver the same |
//! | `tests/sas.rs` | vodozemac is the other end of a verification |
//! | `examples/cost.rs` | what both cost, side by side: `cargo xtask bench e2e` |
