//! The table of attacks in `docs/protocol.md` names tests that there are.
#![cfg(not(target_family = "wasm"))]

use std::path::{Path, PathBuf};

/// Where the tests of a module may be.
fn places(module: &str) -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let (of_source, module) = match module.strip_suffix("::tests") {
        Some(module) => (format!("src/{module}/tests.rs"), module),
        None => (format!("src/{module}.rs"), module),
    };
    [
        of_source,
        format!("src/primitives/{module}.rs"),
        format!("src/attachment/{module}.rs"),
        format!("tests/machine/{module}.rs"),
        format!("tests/{module}.rs"),
    ]
    .into_iter()
    .map(|place| root.join(place))
    .filter(|place| place.exists())
    .collect()
}

#[test]
fn every_attack_of_the_protocol_s_table_has_a_test() {
    let protocol = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/protocol.md");
    let protocol = std::fs::read_to_string(protocol).unwrap();
    let (_, table) = protocol.split_once("### Attacks").unwrap();
    let (table, _) = table.split_once("\n## ").unwrap();
    let rows: Vec<&str> = table.lines().filter(|line| line.starts_with("| ")).skip(1).collect();
    assert!(rows.len() > 40, "{} rows", rows.len());
    for row in rows {
        let named = row.rsplit_once(" | ").unwrap().1;
        let tests: Vec<&str> = named.split('`').skip(1).step_by(2).collect();
        assert!(!tests.is_empty(), "{row}");
        for test in tests.iter().filter(|test| !test.contains("fuzz/") && !test.contains("e2e_")) {
            let (module, name) = match test.rsplit_once("::") {
                Some((module, name)) => (module, format!("#[test]\nfn {name}()")),
                None => (*test, "#[test]\nfn ".to_owned()),
            };
            let has = |place: &PathBuf| {
                let text = std::fs::read_to_string(place).unwrap();
                let text: Vec<&str> = text.lines().map(str::trim_start).collect();
                text.join("\n").contains(&name)
            };
            assert!(places(module).iter().any(has), "{test} is nowhere");
        }
    }
}
