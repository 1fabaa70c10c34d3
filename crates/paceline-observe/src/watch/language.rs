//! What kind of program a process runs, from its file: whose threads have a scheduler of their own.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use super::loops::Language;

/// The note of the Go linker lies near the beginning of the file.
const GO_NOTE_WITHIN: u64 = 16 * 1024;

/// Of the process with this folder in `/proc`, of this name and with these `maps`.
pub(crate) fn language_of(folder: &Path, name: &str, maps: &str) -> Language {
    if name.starts_with("beam") {
        return Language::Erlang;
    }
    let mut start = Vec::with_capacity(GO_NOTE_WITHIN as usize);
    if let Ok(file) = File::open(folder.join("exe")) {
        // What cannot be read is unknown.
        let _ = file.take(GO_NOTE_WITHIN).read_to_end(&mut start);
    }
    if has_go_note(&start) {
        return Language::Go;
    }
    if maps.contains("/libjvm.so") {
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
        let own = |name, maps| language_of(Path::new("/proc/self"), name, maps);
        assert_eq!(own("app", ""), Language::Unknown);
        assert_eq!(own("beam.smp", ""), Language::Erlang);
        let java = "7f00-7f01 r-xp 0 0 0 /usr/lib/jvm/libjvm.so\n";
        assert_eq!(own("app", java), Language::Java);
    }
}
