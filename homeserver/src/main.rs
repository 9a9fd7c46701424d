//! The `sealpost` binary.

/// Gives the memory of password hashes back, which the C library's allocator keeps.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> std::process::ExitCode {
    // The allocator asks for huge pages, which the system clears two megabytes at a time: a quarter of the work of a
    // large join and a third of the memory held, and nothing that was measured gets faster by them. Where the system
    // does not know the switch, all works the same.
    #[cfg(target_os = "linux")]
    let _ = nix::sys::prctl::set_thp_disable(true);
    sealpost_homeserver::cli::main()
}
