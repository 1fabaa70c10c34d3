//! Where the examples are, for tests that run them.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Once;

/// The path of an example. `cargo test` builds examples before it runs tests, but not if it was asked
/// for one test alone; then we ask for it.
pub(crate) fn example(name: &str, features: &str) -> PathBuf {
    static BUILD: Once = Once::new();
    let test = std::env::current_exe().expect("we run");
    let profile = test
        .parent()
        .and_then(Path::parent)
        .expect("in target/PROFILE/deps");
    let built = profile.join("examples").join(name);
    BUILD.call_once(|| {
        if !built.exists() {
            let release = profile.ends_with("release").then_some("--release");
            let status = Command::new(env!("CARGO"))
                .args(["build", "-p", "paceline", "--features", features])
                .args(["--example", name])
                .args(release)
                .status();
            assert!(
                status.is_ok_and(|status| status.success()),
                "{}",
                built.display()
            );
        }
    });
    built
}
