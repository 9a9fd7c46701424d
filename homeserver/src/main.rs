//! The `sealpost` binary.

fn main() -> std::process::ExitCode {
    sealpost_homeserver::cli::main()
}
