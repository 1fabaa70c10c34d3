//! What the work of all these tests says, and what they all need.

use std::fmt;
use std::time::Duration;

pub(crate) const SOON: Duration = Duration::from_micros(200);

#[derive(Debug)]
pub(crate) enum Said {
    No,
    Busy,
}

impl fmt::Display for Said {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self:?}")
    }
}

impl std::error::Error for Said {}

/// Keeps panics that were asked for out of the output.
pub(crate) fn quiet_panics() {
    static ONCE: std::sync::Once = std::sync::Once::new();
    ONCE.call_once(|| {
        let before = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            if info.payload().downcast_ref::<&str>() != Some(&"as told") {
                before(info);
            }
        }));
    });
}

/// With so many workers; 0 is one that runs on our thread.
pub(crate) fn runtime(threads: usize) -> tokio::runtime::Runtime {
    if threads == 0 {
        tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
    } else {
        tokio::runtime::Builder::new_multi_thread()
            .worker_threads(threads)
            .enable_all()
            .build()
    }
    .expect("a runtime")
}
