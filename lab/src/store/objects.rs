//! The objects of a store, by bucket and key.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::time::SystemTime;

use bytes::Bytes;

/// An object as it was put. Clones share its bytes.
#[derive(Clone, Debug)]
pub(super) struct Object {
    pub(super) bytes: Bytes,
    /// Tells whether the bytes are the same, in quotes.
    pub(super) tag: String,
    pub(super) modified: SystemTime,
}

/// By `BUCKET/KEY`, in the order of lists.
#[derive(Debug, Default)]
pub(super) struct Objects(pub(super) RefCell<BTreeMap<String, Object>>);

impl Objects {
    pub(super) fn get(&self, path: &str) -> Option<Object> {
        self.0.borrow().get(path).cloned()
    }

    /// Puts an object in place of what was there, and returns its tag.
    pub(super) fn put(&self, path: &str, bytes: Bytes) -> String {
        let mut hasher = DefaultHasher::new();
        bytes.hash(&mut hasher);
        let tag = format!("\"{:016x}\"", hasher.finish());
        let object = Object {
            bytes,
            tag: tag.clone(),
            modified: SystemTime::now(),
        };
        self.0.borrow_mut().insert(path.to_owned(), object);
        tag
    }

    pub(super) fn remove(&self, path: &str) {
        self.0.borrow_mut().remove(path);
    }
}
