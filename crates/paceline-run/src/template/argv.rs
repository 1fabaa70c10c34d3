//! An argument list in the shape that the kernel takes it.

use std::ffi::{CStr, c_char};

/// Arguments as NUL-terminated strings in one buffer, kept from job to job.
#[derive(Debug, Default)]
pub struct Argv {
    bytes: Vec<u8>,
    starts: Vec<usize>,
}

impl Argv {
    /// No arguments.
    pub fn new() -> Self {
        Self::default()
    }

    /// Forgets the arguments and keeps the memory.
    pub fn clear(&mut self) {
        self.bytes.clear();
        self.starts.clear();
    }

    /// Begins the next argument; what follows through [`Argv::buffer`] is its text.
    pub(crate) fn begin(&mut self) {
        self.starts.push(self.bytes.len());
    }

    /// Where the present argument's text goes; it must not hold a NUL.
    pub(crate) fn buffer(&mut self) -> &mut Vec<u8> {
        &mut self.bytes
    }

    /// Ends the present argument.
    pub(crate) fn end(&mut self) {
        self.bytes.push(0);
    }

    /// Adds a whole argument; it must not hold a NUL.
    pub fn push(&mut self, argument: &[u8]) {
        self.begin();
        self.bytes.extend_from_slice(argument);
        self.end();
    }

    /// The arguments, without their terminators.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &[u8]> {
        self.starts.iter().enumerate().map(|(index, start)| {
            let next = self
                .starts
                .get(index + 1)
                .copied()
                .unwrap_or(self.bytes.len());
            &self.bytes[*start..next - 1]
        })
    }

    /// The first argument, which names the program.
    pub fn program(&self) -> &CStr {
        CStr::from_bytes_until_nul(&self.bytes).unwrap_or_default()
    }

    /// Bytes that the kernel counts against its limit: strings, terminators and pointers.
    pub fn size_bytes(&self) -> usize {
        self.bytes.len() + (self.starts.len() + 1) * size_of::<*const c_char>()
    }

    /// The length of the longest argument, without its terminator.
    pub fn longest(&self) -> usize {
        self.iter().map(<[u8]>::len).max().unwrap_or(0)
    }

    /// Writes the pointers that `execve` takes, with the closing null, into `pointers`. They are
    /// valid until these arguments change.
    pub(crate) fn pointers(&self, pointers: &mut Vec<*const c_char>) {
        pointers.clear();
        pointers.extend(
            self.starts
                .iter()
                .map(|start| self.bytes[*start..].as_ptr().cast::<c_char>()),
        );
        pointers.push(std::ptr::null());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keeps_arguments_apart() {
        let mut argv = Argv::new();
        argv.push(b"prog");
        argv.push(b"");
        argv.push(b"a b");
        assert_eq!(
            argv.iter().collect::<Vec<_>>(),
            [b"prog".as_slice(), b"", b"a b"]
        );
        assert_eq!(argv.program().to_bytes(), b"prog");
        assert_eq!(argv.longest(), 4);
        argv.clear();
        assert_eq!(argv.iter().len(), 0);
    }
}
