//! `config.example.toml`, made from the documented sections.

use std::fmt::Write as _;

use super::{
    Listener, Server, documented,
    section::{Key, Section},
};

/// The documented configuration of a server of that name: every key with its meaning, those with a default
/// commented out.
pub fn example(server_name: &str) -> String {
    let mut text = String::from(
        "# Configuration of Sealpost. A key that is commented out shows its default, or an example where\n\
         # it has none. Relative paths count from the folder of this file.\n\n",
    );
    for key in Server::keys() {
        write_doc(&mut text, &key);
        if key.name == "server_name" {
            let _ = writeln!(text, "server_name = \"{server_name}\"");
        } else {
            write_key(&mut text, &key);
        }
        text.push('\n');
    }
    text.push_str("# One section for each address; this one when there is none.\n[[listeners]]\n");
    write_section(&mut text, &Listener::keys());
    for (name, keys) in documented() {
        let _ = writeln!(text, "[{name}]");
        write_section(&mut text, &keys);
    }
    text.truncate(text.trim_end().len());
    text.push('\n');
    text
}

fn write_section(text: &mut String, keys: &[Key]) {
    for key in keys {
        write_doc(text, key);
        write_key(text, key);
    }
    text.push('\n');
}

fn write_doc(text: &mut String, key: &Key) {
    for line in key.doc {
        let _ = writeln!(text, "#{line}");
    }
}

fn write_key(text: &mut String, key: &Key) {
    let _ = writeln!(text, "#{} = {}", key.name, key.example);
}

#[cfg(test)]
mod tests {
    use std::{fs, path::Path};

    use super::*;
    use crate::config::Config;

    const FILE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../config.example.toml");

    #[test]
    fn config_example_toml_is_what_the_sections_document() {
        let expected = example("example.org");
        if std::env::var_os("SEALPOST_UPDATE_EXAMPLE").is_some() {
            fs::write(FILE, &expected).unwrap();
        }
        assert!(
            fs::read_to_string(FILE).unwrap() == expected,
            "config.example.toml is out of date: run this test with SEALPOST_UPDATE_EXAMPLE=1"
        );
    }

    #[test]
    fn the_example_with_everything_switched_on_names_known_keys_only() {
        let text = example("example.org");
        let config = Config::parse(&text, Path::new("/")).unwrap();
        assert_eq!(config.server.server_name, "example.org");
        let uncommented: String = text
            .lines()
            .map(|line| match line.strip_prefix('#') {
                Some(rest) if !rest.starts_with(' ') => format!("{rest}\n"),
                _ => format!("{line}\n"),
            })
            .collect();
        Config::parse(&uncommented, Path::new("/")).unwrap();
    }

    #[test]
    fn every_key_is_documented() {
        for (section, keys) in documented() {
            for key in keys {
                assert!(!key.example.is_empty(), "{section}.{} shows no value", key.name);
            }
        }
    }
}
