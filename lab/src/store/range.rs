//! `Range: bytes=…`, the forms with one range.

use std::ops::Range;

/// The bytes of `size` that are asked for; `None` if there are none.
pub(super) fn read(text: &str, size: usize) -> Option<Range<usize>> {
    let (from, to) = text.strip_prefix("bytes=")?.split_once('-')?;
    let range = if from.is_empty() {
        size.saturating_sub(to.parse().ok()?)..size
    } else if to.is_empty() {
        from.parse().ok()?..size
    } else {
        let end = to.parse::<usize>().ok()?.saturating_add(1);
        from.parse().ok()?..end.min(size)
    };
    (!range.is_empty()).then_some(range)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_the_three_forms() {
        assert_eq!(read("bytes=0-0", 5), Some(0..1));
        assert_eq!(read("bytes=2-99", 5), Some(2..5));
        assert_eq!(read("bytes=2-", 5), Some(2..5));
        assert_eq!(read("bytes=-2", 5), Some(3..5));
        assert_eq!(read("bytes=-9", 5), Some(0..5));
        for none in ["bytes=5-", "bytes=3-2", "bytes=-0", "bytes=a-b", "2-3"] {
            assert_eq!(read(none, 5), None, "{none}");
        }
    }
}
