//! `cargo xtask mutants MODULE`: changes one module of the encryption library in many small ways, and tells which changes
//! its own unit and vector tests do not notice. What is left, and why, is in `e2e/mutants.md`.

use crate::command::{command, run};
use crate::{Result, place, provision};

/// `mutants MODULE [ARGUMENT OF cargo-mutants…]`.
pub fn mutants(arguments: &[String]) -> Result<()> {
    let Some((module, rest)) = arguments.split_first() else {
        return Err("mutants wants a module of e2e/src, such as primitives or ratchet".to_owned());
    };
    let source = place::root().join("e2e/src").join(module).with_extension("rs");
    if !source.is_file() {
        return Err(format!("e2e has no module {module}"));
    }
    let output = place::target().join("mutants").join(module.replace('/', "-"));
    std::fs::create_dir_all(&output).map_err(|error| format!("{}: {error}", output.display()))?;
    let mut tool = command(provision::cargo_mutants()?, &place::root());
    tool.args(["mutants", "--package=sealpost-e2e", "--jobs=1", "--no-shuffle", "--timeout=120"]);
    tool.arg(format!("--file=e2e/src/{module}.rs")).arg(format!("--file=e2e/src/{module}/**"));
    tool.arg("--output").arg(output).args(rest).args(["--", "--lib"]);
    run(tool.arg(format!("{}::", module.replace('/', "::"))))
}
