//! Machines that talk through a server in memory.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may fail loudly")]

#[path = "machine/attacks.rs"]
mod attacks;
#[path = "machine/bounded.rs"]
mod bounded;
#[path = "machine/given_up.rs"]
mod given_up;
#[path = "machine/gone.rs"]
mod gone;
#[path = "machine/hostile.rs"]
mod hostile;
#[path = "machine/kept.rs"]
mod kept;
#[path = "machine/lies.rs"]
mod lies;
#[path = "machine/missed.rs"]
mod missed;
#[path = "machine/model.rs"]
mod model;
#[path = "machine/pins.rs"]
mod pins;
#[path = "machine/prekeys.rs"]
mod prekeys;
#[path = "machine/pruned.rs"]
mod pruned;
#[path = "machine/scanned.rs"]
mod scanned;
#[path = "machine/shared.rs"]
mod shared;
#[path = "machine/stored.rs"]
mod stored;
#[path = "machine/table.rs"]
mod table;
#[path = "machine/talk.rs"]
mod talk;
#[path = "machine/theft.rs"]
mod theft;
#[path = "machine/trust.rs"]
mod trust;
#[path = "machine/world.rs"]
mod world;
