//! Why a process cannot be watched.

use std::fs;
use std::io;
use std::path::Path;

/// Why a process cannot be watched.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AttachError {
    /// There is no process of this number, or no more.
    #[error("there is no process {pid}")]
    Gone {
        /// The number.
        pid: i32,
    },
    /// The process belongs to somebody else, or the system forbids to look into it.
    #[error("process {pid} may not be watched by this user")]
    NotPermitted {
        /// The number.
        pid: i32,
    },
    /// It is a thread of the kernel, which runs no program.
    #[error("process {pid} is a thread of the kernel")]
    KernelThread {
        /// The number.
        pid: i32,
    },
    /// The files of `/proc` that tell of it cannot be read.
    #[error("the state of process {pid} cannot be read: {source}")]
    Unreadable {
        /// The number.
        pid: i32,
        /// What reading them said.
        source: io::Error,
    },
}

/// Whether a process can be watched.
pub(crate) fn check(pid: i32) -> Result<(), AttachError> {
    let folder = Path::new("/proc").join(pid.to_string());
    if pid <= 0 || !folder.exists() {
        return Err(AttachError::Gone { pid });
    }
    let read = |name: &str| {
        fs::read(folder.join(name)).map_err(|source| match source.kind() {
            io::ErrorKind::NotFound => AttachError::Gone { pid },
            io::ErrorKind::PermissionDenied => AttachError::NotPermitted { pid },
            _ if source.raw_os_error() == Some(libc::ESRCH) => AttachError::Gone { pid },
            _ => AttachError::Unreadable { pid, source },
        })
    };
    let stat = read("stat")?;
    // Threads of the kernel have PF_KTHREAD among their flags, the ninth field.
    let flags = crate::process::text(&stat)
        .and_then(|text| text.rsplit_once(')'))
        .and_then(|(_, rest)| rest.split_ascii_whitespace().nth(6)?.parse::<u32>().ok());
    if flags.is_some_and(|flags| flags & 0x0020_0000 != 0) {
        return Err(AttachError::KernelThread { pid });
    }
    read("schedstat")?;
    // Whose memory may be read, may be watched; elsewhere not even its calls are told.
    match fs::File::open(folder.join("io")).and_then(|mut file| {
        let mut text = String::new();
        io::Read::read_to_string(&mut file, &mut text)
    }) {
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
            Err(AttachError::NotPermitted { pid })
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn says_why_not() {
        assert!(matches!(check(0), Err(AttachError::Gone { .. })));
        assert!(matches!(check(i32::MAX), Err(AttachError::Gone { .. })));
        assert!(check(std::process::id().cast_signed()).is_ok());
        // The kernel's first thread; containers do not see it.
        if fs::read_to_string("/proc/2/comm").is_ok_and(|name| name == "kthreadd\n") {
            assert!(matches!(check(2), Err(AttachError::KernelThread { .. })));
        }
    }
}
