//! The same requests to this server and to Synapse: where do their answers differ? (`tests/clients/differential`)

use crate::command::{command, run_counted};
use crate::server::fresh_folder;
use crate::{Counts, Result, clients, place, synapse};

/// What Synapse has to do for the answers to be comparable: never answer from the cache, let rooms be
/// published, know what is stable by now.
const COMPARABLE: &str = "
caches: {sync_response_cache_duration: 0s}
experimental_features: {msc4222_enabled: true}
room_list_publication_rules: [{user_id: '*', alias: '*', room_id: '*', action: allow}]
rc_presence: {per_user: {per_second: 1000000, burst_count: 1000000}}
";

pub fn differential() -> Result<Counts> {
    let python = synapse::python()?;
    let ours = clients::server("differential/sealpost")?;
    let theirs = synapse::start(&fresh_folder("differential/synapse")?, COMPARABLE)?;
    let folder = place::root().join("tests/clients/differential");
    let mut compare = command(python, &folder);
    compare.env("PYTHONDONTWRITEBYTECODE", "1");
    run_counted(compare.arg("main.py").arg(ours.url()).arg(theirs.url()))
}
