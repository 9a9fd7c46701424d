//! Running other programs: shown before they run, and an error when they fail.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};

use crate::counts::without_colours;
use crate::failures::Failures;
use crate::{Counts, Result};

/// A command in the repository's folder or below.
pub fn command(program: impl AsRef<Path>, folder: &Path) -> Command {
    let mut command = Command::new(program.as_ref());
    command.current_dir(folder);
    command
}

/// Cargo itself, in the repository's top folder.
pub fn cargo(arguments: &[&str]) -> Command {
    let program = std::env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned());
    let mut command = command(program, &crate::place::root());
    // What cargo told this program about its own package, build scripts would take for a change of theirs.
    for (name, _) in std::env::vars_os() {
        let text = name.to_string_lossy();
        if ["CARGO_PKG_", "CARGO_MANIFEST_", "CARGO_CRATE_", "CARGO_BIN_"]
            .iter()
            .any(|prefix| text.starts_with(prefix))
        {
            command.env_remove(&name);
        }
    }
    command.args(arguments);
    command
}

/// Runs a command to its end; its output goes where ours goes.
pub fn run(command: &mut Command) -> Result<()> {
    announce(command);
    let status = command.status().map_err(|error| unstarted(command, &error))?;
    if status.success() { Ok(()) } else { Err(format!("{} failed: {status}", shown(command))) }
}

/// Runs a command that tests something, shows what it prints and adds up what its lines report.
///
/// A command that fails without reporting a failed test counts as one.
pub fn run_counted(command: &mut Command) -> Result<Counts> {
    announce(command);
    let mut child =
        command.stdout(Stdio::piped()).spawn().map_err(|error| unstarted(command, &error))?;
    let mut counts = Counts::default();
    let mut failures = Failures::default();
    if let Some(output) = child.stdout.take() {
        for line in BufReader::new(output).lines().map_while(std::io::Result::ok) {
            println!("{line}");
            let line = without_colours(&line);
            counts.read_line(&line);
            failures.read_line(&line);
        }
    }
    let status = child.wait().map_err(|error| unstarted(command, &error))?;
    if !status.success() && counts.failed == 0 {
        let why = format!("{} failed: {status}", shown(command));
        eprintln!("{why}");
        counts += Counts::failed(&why);
    }
    counts.told.extend(failures.into_lines());
    Ok(counts)
}

/// What a command prints, or `None` when it cannot be run or fails.
pub fn output(command: &mut Command) -> Option<String> {
    let output = command.stderr(Stdio::null()).output().ok()?;
    output.status.success().then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

fn announce(command: &Command) {
    eprintln!("\n$ {}", shown(command));
}

fn unstarted(command: &Command, error: &std::io::Error) -> String {
    format!("{} cannot be started: {error}", shown(command))
}

fn shown(command: &Command) -> String {
    let program = Path::new(command.get_program()).file_name().unwrap_or_default();
    std::iter::once(program)
        .chain(command.get_args())
        .map(|word| word.to_string_lossy())
        .collect::<Vec<_>>()
        .join(" ")
}
