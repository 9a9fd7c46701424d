//! A Synapse as the other server of a federation: `tests/peer`, which starts both, stops them and plays their users.

use crate::clients::nio_python;
use crate::command::{command, run_counted};
use crate::server::fresh_folder;
use crate::{Counts, Result, artefact, place, synapse};

/// Everything that both servers can do together.
pub fn peer() -> Result<Counts> {
    let program = artefact::server()?;
    let module = artefact::wasm_for_node()?;
    let mut driver = command(nio_python()?, &place::root().join("tests/peer"));
    driver.env("SEALPOST_WASM", module);
    driver.arg("-B").arg("main.py").arg(program).arg(synapse::python()?);
    run_counted(driver.arg(fresh_folder("peer")?))
}
