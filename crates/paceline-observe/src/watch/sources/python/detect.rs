//! Whether a process runs Python.

use std::fs::{self, File};
use std::io;
use std::path::Path;

/// What a process looks like.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Looks {
    Python,
    Other,
    /// It has ended, or is the kernel's.
    Gone,
}

pub(super) fn looks(pid: i32) -> Looks {
    let folder = format!("/proc/{pid}");
    let program = match fs::read_link(format!("{folder}/exe")) {
        Ok(program) => program,
        // Its name is for all to see.
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
            fs::read_to_string(format!("{folder}/comm"))
                .unwrap_or_default()
                .trim()
                .into()
        }
        Err(_) => return Looks::Gone,
    };
    if is_interpreter(&program) {
        return Looks::Python;
    }
    // Servers and programs of C with an interpreter inside.
    match fs::read(format!("{folder}/maps")) {
        Ok(maps) if has_library(&maps) => Looks::Python,
        _ => Looks::Other,
    }
}

/// Whether we may read its memory: reading `mem` asks for the same right as py-spy does.
pub(super) fn may_read(pid: i32) -> io::Result<()> {
    File::open(format!("/proc/{pid}/mem")).map(drop)
}

fn is_interpreter(program: &Path) -> bool {
    let name = program.file_name().unwrap_or_default().to_string_lossy();
    let version = |rest: &str| {
        let rest = rest.strip_suffix(" (deleted)").unwrap_or(rest);
        rest.chars()
            .all(|c| c.is_ascii_digit() || ".tdm-bgin".contains(c))
    };
    ["python", "pypy"]
        .iter()
        .any(|start| name.strip_prefix(start).is_some_and(version))
}

fn has_library(maps: &[u8]) -> bool {
    const LIBRARY: &[u8] = b"/libpython";
    maps.windows(LIBRARY.len()).any(|window| window == LIBRARY)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn interpreters_are_known_by_their_names() {
        for name in [
            "/usr/bin/python3.11",
            "/usr/bin/python",
            "/opt/python3.13t",
            "/opt/python2.7",
            "/opt/pypy3.10",
            "/usr/bin/python3.11 (deleted)",
            "/usr/bin/python3.11-dbg",
        ] {
            assert!(is_interpreter(Path::new(name)), "{name}");
        }
        for name in [
            "/usr/bin/bash",
            "/usr/bin/pythonw-tool",
            "/usr/sbin/uwsgi",
            "/",
        ] {
            assert!(!is_interpreter(Path::new(name)), "{name}");
        }
    }

    #[test]
    fn so_are_programs_with_the_library() {
        assert!(has_library(
            b"7f-8f r-xp 0 0:0 1 /usr/lib/libpython3.11.so.1.0\n"
        ));
        assert!(!has_library(b"7f-8f r-xp 0 0:0 1 /usr/lib/libc.so.6\n"));
        assert!(!has_library(b""));
    }

    #[test]
    fn a_process_that_is_gone_is_gone() {
        let mut child = std::process::Command::new("true").spawn().expect("starts");
        child.wait().expect("ends");
        assert_eq!(looks(child.id() as i32), Looks::Gone);
        assert_eq!(looks(std::process::id() as i32), Looks::Other);
    }
}
