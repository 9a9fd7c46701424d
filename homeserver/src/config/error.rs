//! What is wrong with a configuration, as one line that names file, key and fault.

use std::{fmt, path::PathBuf};

use super::section::dotted;

#[derive(Debug)]
pub struct ConfigError {
    file: Option<PathBuf>,
    key: String,
    fault: String,
}

impl ConfigError {
    pub fn new(key: impl Into<String>, fault: impl Into<String>) -> Self {
        let fault = fault.into().split('\n').map(str::trim).collect::<Vec<_>>().join(" ");
        Self { file: None, key: key.into(), fault }
    }

    pub fn unknown_key(path: &str, key: &str, known: &[&str]) -> Self {
        let nearest = known
            .iter()
            .map(|known| (strsim::damerau_levenshtein(key, known), known))
            .min()
            .filter(|(distance, known)| *distance <= known.len().max(key.len()) / 2);
        let fault = match nearest {
            Some((_, nearest)) => {
                format!("unknown key, did you mean `{}`?", dotted(path, nearest))
            }
            None => format!("unknown key, known ones here: {}", known.join(", ")),
        };
        Self::new(dotted(path, key), fault)
    }

    pub fn in_file(mut self, file: impl Into<PathBuf>) -> Self {
        self.file.get_or_insert(file.into());
        self
    }

    pub fn key(&self) -> &str {
        &self.key
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(file) = &self.file {
            write!(f, "{}: ", file.display())?;
        }
        if !self.key.is_empty() {
            write!(f, "`{}`: ", self.key)?;
        }
        f.write_str(&self.fault)
    }
}

impl std::error::Error for ConfigError {}
