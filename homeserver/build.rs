//! Has the server built again when the web client that it embeds has changed.

fn main() {
    let dist = "../web/dist";
    // A path that is absent would count as changed every time; where it cannot be made, so be it.
    let _ = std::fs::create_dir_all(dist);
    println!("cargo::rerun-if-changed={dist}");
    println!("cargo::rerun-if-changed=build.rs");
}
