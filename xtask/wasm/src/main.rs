//! `xtask-wasm INPUT.wasm OUTPUT_FOLDER {web|nodejs} NAME`: writes the JavaScript module around a compiled
//! wasm crate.
//!
//! It does what the `wasm-bindgen` command does, always in the version that `Cargo.lock` names for the
//! bindings. A crate of its own, so that `cargo xtask run` does not compile it again and again.

use std::env::args;
use std::process::ExitCode;

use wasm_bindgen_cli_support::Bindgen;

fn main() -> ExitCode {
    let arguments: Vec<String> = args().skip(1).collect();
    let [input, output, target, name] = arguments.as_slice() else {
        eprintln!("usage: xtask-wasm INPUT.wasm OUTPUT_FOLDER {{web|nodejs}} NAME");
        return ExitCode::from(2);
    };
    let mut bindgen = Bindgen::new();
    // Names of functions are a tenth of what is downloaded.
    bindgen.remove_name_section(true).remove_producers_section(true);
    let chosen = match target.as_str() {
        "nodejs" => bindgen.nodejs(true),
        _ => bindgen.web(true),
    };
    let written = chosen
        .map(|bindgen| bindgen.input_path(input).out_name(name).typescript(true))
        .and_then(|bindgen| bindgen.generate(output));
    match written {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("xtask-wasm: {input}: {error:#}");
            ExitCode::FAILURE
        }
    }
}
