//! The keys by which inputs and templates are known again.
//!
//! They are part of the file format: a changed constant here would make every recorded input
//! unknown, so a test pins their values.

use std::fmt;

use siphasher::sip128::SipHasher13;

const INPUT_SEED: (u64, u64) = (0x7061_6365_6c69_6e65, 0x696e_7075_7400_0001);
const TEMPLATE_SEED: (u64, u64) = (0x7061_6365_6c69_6e65, 0x7465_6d70_6c61_7465);

/// The 128-bit key of one input.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct InputKey([u8; 16]);

/// The 128-bit key of a command template.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TemplateKey([u8; 16]);

/// The key of an input given as its arguments joined by NUL.
///
/// Arguments never contain NUL, so different inputs have different blobs, save that no argument
/// and one empty argument look the same.
pub fn input_key(args_blob: &[u8]) -> InputKey {
    InputKey(hash(INPUT_SEED, args_blob))
}

impl InputKey {
    /// The key's bytes.
    pub fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }
}

impl TemplateKey {
    /// The key of the template that these bytes describe without ambiguity.
    pub fn of(template: &[u8]) -> Self {
        Self(hash(TEMPLATE_SEED, template))
    }

    /// The key whose bytes these are.
    pub fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }

    /// The key's bytes.
    pub fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }
}

impl fmt::Debug for InputKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "InputKey({:032x})", u128::from_be_bytes(self.0))
    }
}

impl fmt::Debug for TemplateKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TemplateKey({:032x})", u128::from_be_bytes(self.0))
    }
}

/// The keys of the inputs in a job's blob: one, or one for each argument if jobs are packed.
pub(crate) fn keys_of(args_blob: &[u8], packed: bool) -> impl Iterator<Item = InputKey> {
    let whole = (!packed).then(|| input_key(args_blob));
    let parts = packed.then(|| args_blob.split(|&byte| byte == 0).map(input_key));
    whole.into_iter().chain(parts.into_iter().flatten())
}

fn hash((k0, k1): (u64, u64), bytes: &[u8]) -> [u8; 16] {
    SipHasher13::new_with_keys(k0, k1).hash(bytes).as_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_part_of_the_file_format() {
        assert_eq!(
            format!("{:?}", input_key(b"a\0b")),
            "InputKey(5e3d62df8511094fce8008145829bd27)"
        );
        assert_eq!(
            format!("{:?}", TemplateKey::of(b"a\0b")),
            "TemplateKey(363d82bc13cd2404c3e3cd90ae382dd3)"
        );
    }

    #[test]
    fn a_packed_job_has_a_key_for_each_argument() {
        let keys: Vec<_> = keys_of(b"a\0b\0a", true).collect();
        assert_eq!(keys, [input_key(b"a"), input_key(b"b"), input_key(b"a")]);
        let whole: Vec<_> = keys_of(b"a\0b", false).collect();
        assert_eq!(whole, [input_key(b"a\0b")]);
        assert_eq!(keys_of(b"", true).count(), 1);
    }
}
