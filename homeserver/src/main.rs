//! The `sealpost` binary.

/// Gives the memory of password hashes back, which the C library's allocator keeps.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> std::process::ExitCode {
    sealpost_homeserver::cli::main()
}
