//! Where things are: the repository, the build folder, and what is kept inside it.

use std::env::var_os;
use std::path::{Path, PathBuf};

/// The repository's top folder.
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().map(Path::to_owned).unwrap_or_default()
}

/// Cargo's build folder, wherever the environment puts it.
pub fn target() -> PathBuf {
    var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), PathBuf::from)
}

/// The web client's sources.
pub fn web() -> PathBuf {
    root().join("web")
}

/// A program that a Cargo profile has built.
pub fn built(profile_folder: &str, program: &str) -> PathBuf {
    target().join(profile_folder).join(program)
}

/// Commands that the project installs for itself.
pub fn tools() -> PathBuf {
    target().join("tools")
}

/// A Python virtual environment.
pub fn python(environment: &str) -> PathBuf {
    target().join("python").join(environment)
}

/// The first program of that name on the path.
pub fn on_path(program: &str) -> Option<PathBuf> {
    std::env::split_paths(&var_os("PATH")?)
        .map(|folder| folder.join(program))
        .find(|candidate| candidate.is_file())
}
