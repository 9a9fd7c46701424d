//! The layer rule of `ARCHITECTURE.md`: imports go only to the right.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

/// What each layer may use besides itself. `main` is the binary and `lib` the list of modules.
const MAY_USE: [(&str, &[&str]); 11] = [
    ("main", &["cli"]),
    ("cli", &["boot", "worker", "service", "error", "config", "clock"]),
    (
        "boot",
        &["http", "worker", "service", "storage", "room", "error", "config", "clock", FEDERATION],
    ),
    ("http", &["service", "room", "error", "config", "clock"]),
    ("worker", &["service", "room", "error", "config", "clock", FEDERATION]),
    ("service", &["storage", "room", "error", "config", "clock", FEDERATION]),
    ("storage", &["room", "error", "config", "clock"]),
    ("room", &["error", FEDERATION]),
    ("config", &["error"]),
    ("clock", &[]),
    ("error", &[]),
];

const FEDERATION: &str = "sealpost_federation";

#[test]
fn imports_go_only_to_the_right() {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut faults = Vec::new();
    for file in rust_files(&source) {
        let layer = layer(file.strip_prefix(&source).unwrap());
        if layer == "lib" {
            continue;
        }
        let (_, may_use) = MAY_USE.iter().find(|(name, _)| *name == layer).unwrap_or_else(|| {
            panic!("{layer} is not in the table of layers");
        });
        for used in used(&without_tests(&fs::read_to_string(&file).unwrap())) {
            if used != layer && !may_use.contains(&used.as_str()) {
                faults.push(format!("{}: {layer} must not use {used}", file.display()));
            }
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn diesel_appears_under_storage_only() {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    for file in rust_files(&source) {
        let path = file.strip_prefix(&source).unwrap();
        // The one error wraps diesel's.
        if !matches!(layer(path).as_str(), "storage" | "error") {
            let text = without_tests(&fs::read_to_string(&file).unwrap());
            assert!(!text.contains("use diesel"), "{} uses diesel", path.display());
        }
    }
}

#[test]
fn the_scan_sees_imports_in_groups_and_paths() {
    let text = "use crate::{error::Result, storage::{Store, rooms}, clock};\n\
                fn a() { crate::config::b() }\nuse sealpost_federation::Error;";
    let expected = ["clock", "config", "error", "sealpost_federation", "storage"];
    assert_eq!(used(text), expected.map(str::to_owned).into());
}

fn layer(path: &Path) -> String {
    let first = path.iter().next().unwrap().to_str().unwrap();
    first.trim_end_matches(".rs").to_owned()
}

fn rust_files(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files.extend(rust_files(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs")
            && path.file_stem().is_some_and(|stem| stem != "tests")
        {
            files.push(path);
        }
    }
    files
}

/// Tests are last in a file.
fn without_tests(text: &str) -> String {
    let code = text.split("#[cfg(test)]\nmod tests").next().unwrap_or_default();
    code.lines().filter(|line| !line.trim_start().starts_with("//")).collect::<Vec<_>>().join("\n")
}

/// The modules of this crate, and the crate federation, that a text names.
fn used(text: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for (at, _) in text.match_indices("crate::") {
        let rest = &text[at + "crate::".len()..];
        match rest.strip_prefix('{') {
            Some(group) => found.extend(first_of_each(group)),
            None => found.extend(identifier(rest)),
        }
    }
    for library in ["sealpost_federation", "sealpost_homeserver"] {
        if text.contains(&format!("{library}::")) {
            let own = library == "sealpost_homeserver";
            found.insert(if own { "cli".to_owned() } else { library.to_owned() });
        }
    }
    found
}

/// The first names of `a::b, c::{d, e}, f}`.
fn first_of_each(group: &str) -> Vec<String> {
    let (mut names, mut depth, mut is_first) = (Vec::new(), 0, true);
    for (at, sign) in group.char_indices() {
        match sign {
            '{' => depth += 1,
            '}' if depth == 0 => break,
            '}' => depth -= 1,
            ',' if depth == 0 => is_first = true,
            _ if is_first && !sign.is_whitespace() => {
                names.extend(identifier(&group[at..]));
                is_first = false;
            }
            _ => {}
        }
    }
    names
}

fn identifier(text: &str) -> Option<String> {
    let end = text.find(|sign: char| !sign.is_alphanumeric() && sign != '_')?;
    Some(text[..end].to_owned()).filter(|name| !name.is_empty())
}
