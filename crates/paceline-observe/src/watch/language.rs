//! What kind of program a process runs, from its file: whose threads have a scheduler of their own.

use std::fs::{self, File};
use std::io::Read;
use std::path::Path;

use super::loops::Language;

/// The note of the Go linker lies near the beginning of the file.
const GO_NOTE_WITHIN: u64 = 16 * 1024;

/// Of the process with this folder in `/proc`.
pub(crate) fn language_of(folder: &Path) -> Language {
    if fs::read(folder.join("comm")).is_ok_and(|name| name.starts_with(b"beam")) {
        return Language::Erlang;
    }
    let mut start = Vec::new();
    if let Ok(file) = File::open(folder.join("exe")) {
        // What cannot be read is unknown.
        let _ = file.take(GO_NOTE_WITHIN).read_to_end(&mut start);
    }
    if has_go_note(&start) {
        return Language::Go;
    }
    let maps = fs::read(folder.join("maps")).unwrap_or_default();
    if contains(&maps, b"/libjvm.so") {
        return Language::Java;
    }
    Language::Unknown
}

/// An ELF note of type 4 (the build's number) by the owner "Go".
fn has_go_note(start: &[u8]) -> bool {
    contains(start, b"\x04\0\0\0Go\0\0")
}

fn contains(bytes: &[u8], wanted: &[u8]) -> bool {
    bytes.windows(wanted.len()).any(|window| window == wanted)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn go_is_known_by_its_note() {
        assert!(has_go_note(b"\x04\0\0\0\x53\0\0\0\x04\0\0\0Go\0\0abc"));
        assert!(!has_go_note(b"Go\0\0"));
        assert_eq!(language_of(Path::new("/proc/self")), Language::Unknown);
    }
}
