//! Code of others that may panic, without a word of it on the user's terminal.

use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind, set_hook, take_hook};
use std::sync::Once;

thread_local! {
    static QUIET: Cell<bool> = const { Cell::new(false) };
}

static HOOK: Once = Once::new();

/// What the call returns; `None` if it panicked. What it had hold of must then be dropped.
pub(super) fn catch<R>(call: impl FnOnce() -> R) -> Option<R> {
    HOOK.call_once(|| {
        let before = take_hook();
        set_hook(Box::new(move |info| {
            if !QUIET.try_with(Cell::get).unwrap_or(false) {
                before(info);
            }
        }));
    });
    QUIET.set(true);
    let result = catch_unwind(AssertUnwindSafe(call));
    QUIET.set(false);
    result.ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_is_nothing() {
        assert_eq!(catch(|| 7), Some(7));
        let none: Vec<i32> = Vec::new();
        assert_eq!(catch(|| none[std::hint::black_box(3)]), None);
        assert!(!QUIET.get());
        assert_eq!(catch(|| 8), Some(8));
    }
}
