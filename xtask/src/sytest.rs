//! `cargo xtask sytest CHECKOUT GROUP…`: the field's older peer suite against a Sealpost of this tree.
//!
//! A group is a folder or file below the suite's `tests/`, without its ending: `12login`, `42tags`. What passed
//! before is in `tests/sytest/GROUP.txt`; a test of it that does not pass now is a loss. `--accept` writes
//! the lists anew. The plugin that starts our servers stands beside the project, or where `SYTEST_PLUGIN` says.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use crate::command::{command, run};
use crate::server::fresh_folder;
use crate::{Result, artefact, place, provision};

/// `sytest CHECKOUT [--accept] GROUP…`.
pub fn sytest(arguments: &[String]) -> Result<()> {
    let (accept, words): (Vec<_>, Vec<_>) = arguments.iter().partition(|word| *word == "--accept");
    let Some((checkout, groups)) = words.split_first().filter(|(_, groups)| !groups.is_empty())
    else {
        return Err("usage: cargo xtask sytest CHECKOUT [--accept] GROUP…".to_owned());
    };
    let suite = Suite::set_up(Path::new(checkout))?;
    let mut lost = 0;
    for group in groups {
        let passed = suite.passed(group)?;
        let list = place::root().join("tests/sytest").join(format!("{group}.txt"));
        let before = read_list(&list)?;
        let losses: Vec<_> = before.difference(&passed).collect();
        let gained = passed.difference(&before).count();
        println!("{group}: {} passed, {gained} of them new, {} lost", passed.len(), losses.len());
        for name in &losses {
            println!("  lost: {name}");
        }
        if accept.is_empty() {
            lost += losses.len();
        } else {
            write_list(&list, &passed)?;
        }
    }
    if lost == 0 { Ok(()) } else { Err(format!("{lost} tests passed before and do not now")) }
}

/// A checkout of the suite with everything that it needs to run.
struct Suite {
    checkout: PathBuf,
    plugin: PathBuf,
    server: PathBuf,
}

impl Suite {
    fn set_up(checkout: &Path) -> Result<Self> {
        let checkout =
            checkout.canonicalize().map_err(|error| format!("{}: {error}", checkout.display()))?;
        let plugin = std::env::var_os("SYTEST_PLUGIN")
            .map_or_else(|| place::root().join("../shared/tools/sytest-plugin"), PathBuf::from);
        let plugin = plugin
            .canonicalize()
            .map_err(|error| format!("the plugin, {}: {error}", plugin.display()))?;
        let packages = read(&plugin.join("apt-packages.txt"))?;
        let packages: Vec<&str> = packages.split_whitespace().collect();
        provision::debian_packages(&packages, "sytest is written in Perl")?;
        for test in files_of(&plugin.join("extra-tests"))? {
            let name = test.file_name().unwrap_or_default();
            fs::copy(&test, checkout.join("tests/10apidoc").join(name))
                .map_err(|error| format!("{}: {error}", test.display()))?;
        }
        let server = artefact::server()?;
        Ok(Self { checkout, plugin, server })
    }

    /// Runs a group; the names of the tests that pass.
    fn passed(&self, group: &str) -> Result<BTreeSet<String>> {
        let tests = ["", ".pl"]
            .map(|ending| format!("tests/{group}{ending}"))
            .into_iter()
            .find(|path| self.checkout.join(path).exists())
            .ok_or_else(|| format!("the suite has no tests/{group}"))?;
        let results = fresh_folder(&format!("sytest/{group}"))?;
        let mut suite = command(self.plugin.join("run.sh"), &self.checkout);
        suite
            .arg(tests)
            .env("SYTEST_DIR", &self.checkout)
            .env("SEALPOST_BIN", &self.server)
            .env("OUT", &results)
            .env("TIMEOUT_FACTOR", "2");
        // It fails when a test fails: which ones, the results say.
        let ended = run(&mut suite);
        let tap = read(&results.join("results.tap"))?;
        let ran = tap.lines().any(|line| line.starts_with("ok ") || line.starts_with("not ok "));
        if ran { Ok(passed(&tap)) } else { ended.map(|()| BTreeSet::new()) }
    }
}

/// The tests that a TAP stream reports as passed, without those that were skipped.
fn passed(tap: &str) -> BTreeSet<String> {
    let name = |line: &str| {
        let (number, name) = line.strip_prefix("ok ")?.split_once(' ')?;
        number.parse::<u32>().ok()?;
        if name.contains(" # skip") {
            return None;
        }
        let name = name.split(" # TODO").next()?.trim();
        let name = name.strip_prefix("(expected fail) ").unwrap_or(name);
        Some(match name.rsplit_once(" (") {
            Some((before, after)) if after.ends_with(" subtests)") => before.to_owned(),
            _ => name.to_owned(),
        })
    };
    tap.lines().filter_map(name).collect()
}

fn read_list(file: &Path) -> Result<BTreeSet<String>> {
    if !file.exists() {
        return Ok(BTreeSet::new());
    }
    Ok(read(file)?.lines().map(str::to_owned).collect())
}

fn write_list(file: &Path, names: &BTreeSet<String>) -> Result<()> {
    let folder = file.parent().unwrap_or(file);
    let text: String = names.iter().map(|name| format!("{name}\n")).collect();
    fs::create_dir_all(folder)
        .and_then(|()| fs::write(file, text))
        .map_err(|error| format!("{}: {error}", file.display()))
}

fn read(file: &Path) -> Result<String> {
    fs::read_to_string(file).map_err(|error| format!("{}: {error}", file.display()))
}

fn files_of(folder: &Path) -> Result<Vec<PathBuf>> {
    let entries = fs::read_dir(folder).map_err(|error| format!("{}: {error}", folder.display()))?;
    Ok(entries.flatten().map(|entry| entry.path()).collect())
}

#[cfg(test)]
mod tests {
    use super::passed;

    #[test]
    fn only_what_ran_and_passed_counts() {
        let tap = "ok 1 GET /login yields a set of flows\n\
                   not ok 2 POST /login can log in\n\
                   ok 3 Skipped one # skip no reason\n\
                   ok 4 (expected fail) A surprise # TODO expected fail\n\
                   ok 5 Many parts (3 subtests)\n";
        let names: Vec<_> = passed(tap).into_iter().collect();
        assert_eq!(names, ["A surprise", "GET /login yields a set of flows", "Many parts"]);
    }
}
