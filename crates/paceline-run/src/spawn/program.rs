//! Finding a program once, instead of trying every directory of `PATH` for every job.

use std::ffi::{CString, OsStr};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

/// A program that cannot be run.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ProgramError {
    /// Not a file, or in no directory of `PATH`.
    #[error("command not found: {0}")]
    NotFound(String),
    /// There, but not to be executed.
    #[error("cannot be executed (permission denied): {0}")]
    NotExecutable(String),
}

impl ProgramError {
    /// What `execve` would have said.
    pub(crate) fn errno(&self) -> i32 {
        match self {
            Self::NotFound(_) => libc::ENOENT,
            Self::NotExecutable(_) => libc::EACCES,
        }
    }

    /// The status that shells use for it.
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::NotFound(_) => 127,
            Self::NotExecutable(_) => 126,
        }
    }
}

/// The file that running `program` would execute, looked up in `path` (as in `$PATH`) as execvp(3)
/// does it. `directory` is where relative names are looked up.
pub fn find_program(
    program: &[u8],
    path: Option<&OsStr>,
    directory: Option<&Path>,
) -> Result<CString, ProgramError> {
    let shown = || String::from_utf8_lossy(program).into_owned();
    let here = directory.unwrap_or(Path::new("."));
    if program.is_empty() {
        return Err(ProgramError::NotFound("(an empty name)".to_owned()));
    }
    let as_c = |bytes: &[u8]| CString::new(bytes).map_err(|_| ProgramError::NotFound(shown()));
    if program.contains(&b'/') {
        return match executable(&here.join(OsStr::from_bytes(program))) {
            Some(true) => as_c(program),
            Some(false) => Err(ProgramError::NotExecutable(shown())),
            None => Err(ProgramError::NotFound(shown())),
        };
    }
    let mut error = ProgramError::NotFound(shown());
    let path = path.unwrap_or(OsStr::new("/bin:/usr/bin"));
    for entry in path.as_bytes().split(|b| *b == b':') {
        let entry = if entry.is_empty() { b"." } else { entry };
        let file = Path::new(OsStr::from_bytes(entry)).join(OsStr::from_bytes(program));
        match executable(&here.join(&file)) {
            Some(true) => return as_c(file.as_os_str().as_bytes()),
            Some(false) => error = ProgramError::NotExecutable(shown()),
            None => {}
        }
    }
    Err(error)
}

/// Whether a file may be executed by us; `None` if it is no file.
fn executable(file: &Path) -> Option<bool> {
    let metadata = std::fs::metadata(file).ok()?;
    if !metadata.is_file() {
        return None;
    }
    Some(rustix::fs::access(file, rustix::fs::Access::EXEC_OK).is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn looks_where_the_system_would() {
        let path = Some(OsStr::new("/nowhere:/bin:/usr/bin"));
        assert_eq!(find_program(b"sh", path, None), Ok(c"/bin/sh".to_owned()));
        assert_eq!(
            find_program(b"/bin/sh", None, None),
            Ok(c"/bin/sh".to_owned())
        );
        assert_eq!(
            find_program(b"./sh", path, Some(Path::new("/bin"))),
            Ok(c"./sh".to_owned())
        );
        assert_eq!(
            find_program(b"no-such-thing", path, None),
            Err(ProgramError::NotFound("no-such-thing".into()))
        );
        assert_eq!(
            find_program(b"/etc/passwd", None, None).map_err(|e| e.exit_code()),
            Err(126)
        );
        assert_eq!(
            find_program(b"/etc", None, None).map_err(|e| e.exit_code()),
            Err(127)
        );
        assert!(find_program(b"", path, None).is_err());
    }
}
