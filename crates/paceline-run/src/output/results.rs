//! `--results DIR`: each job's output in files of its own, where GNU parallel puts them.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{self, Write};
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};

use super::capture::Captured;

/// The longest name that common file systems take.
const NAME_BYTES: usize = 255;

/// Writes `DIR/1/<input>/{stdout,stderr,seq}`, with a further pair of folders per further argument.
pub(super) fn write(
    below: &Path,
    joined: &[u8],
    seq: u64,
    stdout: &mut Captured,
    stderr: &mut Captured,
) -> io::Result<()> {
    let folder = folder(below, joined);
    fs::create_dir_all(&folder)?;
    for (name, captured) in [("stdout", stdout), ("stderr", stderr)] {
        let mut file = File::create(folder.join(name))?;
        captured.for_each_piece(|piece| file.write_all(piece))?;
    }
    fs::write(folder.join("seq"), seq.to_string())
}

fn folder(below: &Path, joined: &[u8]) -> PathBuf {
    /// Paths end at 4,096 bytes; packed jobs have more inputs than fit into one.
    const MOST_BYTES: usize = 2000;
    if joined.len() > MOST_BYTES {
        return below.join("1").join(OsString::from_vec(name_of(joined)));
    }
    let mut folder = below.to_path_buf();
    for (index, arg) in joined.split(|b| *b == 0).enumerate() {
        folder.push((index + 1).to_string());
        folder.push(OsString::from_vec(name_of(arg)));
    }
    folder
}

/// An input as the name of one folder: no slash, and neither `.` nor `..` nor nothing.
fn name_of(arg: &[u8]) -> Vec<u8> {
    let mut name = Vec::with_capacity(arg.len());
    for &byte in arg {
        match byte {
            b'/' => name.extend_from_slice(b"\\_"),
            b'\\' => name.extend_from_slice(b"\\\\"),
            b'\t' => name.extend_from_slice(b"\\t"),
            0 => name.push(b' '),
            other => name.push(other),
        }
    }
    match name.as_slice() {
        b"" => return b"\\e".to_vec(),
        b"." | b".." => name.insert(0, b'\\'),
        _ => {}
    }
    if name.len() > NAME_BYTES {
        // What tells long inputs apart may be what is cut off.
        let key = paceline_journal::input_key(arg);
        let hash = format!("{:032x}", u128::from_be_bytes(*key.as_bytes()));
        name.truncate(NAME_BYTES - hash.len() - 1);
        name.push(b'-');
        name.extend_from_slice(hash.as_bytes());
    }
    name
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_input_leaves_the_directory() {
        let folder = |joined: &[u8]| folder(Path::new("r"), joined);
        assert_eq!(folder(b"a/b\0c"), Path::new("r/1/a\\_b/2/c"));
        assert_eq!(folder(b".."), Path::new("r/1/\\.."));
        assert_eq!(folder(b""), Path::new("r/1/\\e"));
        let long = vec![b'x'; 300];
        let mut other = long.clone();
        other.push(b'y');
        assert_ne!(name_of(&long), name_of(&other));
        assert_eq!(name_of(&long).len(), NAME_BYTES);
    }
}
