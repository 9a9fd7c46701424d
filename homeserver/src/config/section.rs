//! How a section of the configuration is declared: once, as a struct with doc comments, from which the
//! macro makes the defaults, the reader and the documentation that `config.example.toml` is made of.

use std::path::PathBuf;

use serde::de::DeserializeOwned;

use super::ConfigError;

/// One documented key of a section.
#[derive(Debug)]
pub struct Key {
    pub name: &'static str,
    pub doc: &'static [&'static str],
    /// A TOML value to show: the default, or an example where there is none.
    pub example: String,
}

/// A group of keys: what stands under one `[header]`.
pub trait Section: Default {
    fn keys() -> Vec<Key>;

    /// Takes the keys of `table`; what is left over is an error.
    fn read(table: toml::Table, path: &str) -> Result<Self, ConfigError>;
}

/// A value that can stand in the file.
pub trait Value: Sized {
    fn read(value: toml::Value, key: &str) -> Result<Self, ConfigError>;
    /// As it is written in TOML; `None` where the key is absent by default.
    fn show(&self) -> Option<String>;
}

/// A string that must not reach a log.
#[derive(Clone, serde::Deserialize)]
pub struct Secret(pub String);

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("[secret]")
    }
}

pub fn read_value<T: DeserializeOwned>(value: toml::Value, key: &str) -> Result<T, ConfigError> {
    value.try_into().map_err(|e: toml::de::Error| ConfigError::new(key, e.message().trim_end()))
}

macro_rules! plain_value {
    ($($type:ty),+) => {$(
        impl Value for $type {
            fn read(value: toml::Value, key: &str) -> Result<Self, ConfigError> {
                read_value(value, key)
            }

            fn show(&self) -> Option<String> {
                toml::Value::try_from(self).ok().map(|value| value.to_string())
            }
        }
    )+};
}
plain_value!(bool, u16, u32, u64, String, PathBuf, Vec<String>, Vec<PathBuf>);

impl Value for Secret {
    fn read(value: toml::Value, key: &str) -> Result<Self, ConfigError> {
        read_value(value, key)
    }

    fn show(&self) -> Option<String> {
        None
    }
}

impl<T: Value> Value for Option<T> {
    fn read(value: toml::Value, key: &str) -> Result<Self, ConfigError> {
        T::read(value, key).map(Some)
    }

    fn show(&self) -> Option<String> {
        self.as_ref().and_then(Value::show)
    }
}

/// Implements [`Value`] for an enum of lower-case words.
macro_rules! word_value {
    ($(#[$meta:meta])* $vis:vis enum $name:ident { $($variant:ident = $word:literal),+ $(,)? }) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        $vis enum $name { $($variant),+ }

        impl $crate::config::section::Value for $name {
            fn read(value: toml::Value, key: &str) -> Result<Self, $crate::config::ConfigError> {
                match value.as_str() {
                    $(Some($word) => Ok(Self::$variant),)+
                    _ => Err($crate::config::ConfigError::new(
                        key,
                        concat!("must be one of", $(" `", $word, "`"),+),
                    )),
                }
            }

            fn show(&self) -> Option<String> {
                Some(match self { $(Self::$variant => concat!("\"", $word, "\"").to_owned()),+ })
            }
        }
    };
}

/// Declares a section: `name: Type = default` or, where the example differs, `name: Type = default => "example"`.
macro_rules! section {
    (
        $(#[doc = $section_doc:literal])*
        pub struct $name:ident {
            $(
                $(#[doc = $doc:literal])+
                $key:ident: $type:ty = $default:expr $(=> $example:literal)?
            ),* $(,)?
        }
    ) => {
        $(#[doc = $section_doc])*
        #[derive(Clone, Debug)]
        pub struct $name {
            $($(#[doc = $doc])+ pub $key: $type,)*
        }

        impl Default for $name {
            fn default() -> Self {
                Self { $($key: $default),* }
            }
        }

        impl $crate::config::section::Section for $name {
            fn keys() -> Vec<$crate::config::section::Key> {
                let default = Self::default();
                vec![$($crate::config::section::Key {
                    name: stringify!($key),
                    doc: &[$($doc),+],
                    example: {
                        let example: Option<&str> = None $(.or(Some($example)))?;
                        example
                            .map(str::to_owned)
                            .or_else(|| $crate::config::section::Value::show(&default.$key))
                            .unwrap_or_default()
                    },
                }),*]
            }

            fn read(
                mut table: toml::Table,
                path: &str,
            ) -> Result<Self, $crate::config::ConfigError> {
                let mut section = Self::default();
                $(
                    if let Some(value) = table.remove(stringify!($key)) {
                        section.$key = $crate::config::section::Value::read(
                            value,
                            &$crate::config::section::dotted(path, stringify!($key)),
                        )?;
                    }
                )*
                match table.keys().next() {
                    Some(unknown) => Err($crate::config::ConfigError::unknown_key(
                        path,
                        unknown,
                        &[$(stringify!($key)),*],
                    )),
                    None => Ok(section),
                }
            }
        }
    };
}

pub(super) use {section, word_value};

/// `section.key`, or `key` at the top.
pub fn dotted(path: &str, key: &str) -> String {
    if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") }
}
