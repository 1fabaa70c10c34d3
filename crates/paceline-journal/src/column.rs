//! Between Rust's types and `SQLite`'s columns: 64-bit signed integers, text and bytes.

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;
use std::path::PathBuf;
use std::time::{Duration, SystemTime};

/// Microseconds since 1970, negative before.
pub(crate) fn from_time(time: SystemTime) -> i64 {
    match time.duration_since(SystemTime::UNIX_EPOCH) {
        Ok(after) => from_duration(after),
        Err(error) => -from_duration(error.duration()),
    }
}

/// The time that many microseconds after 1970.
pub(crate) fn to_time(micros: i64) -> SystemTime {
    let distance = Duration::from_micros(micros.unsigned_abs());
    let time = if micros < 0 {
        SystemTime::UNIX_EPOCH.checked_sub(distance)
    } else {
        SystemTime::UNIX_EPOCH.checked_add(distance)
    };
    time.unwrap_or(SystemTime::UNIX_EPOCH)
}

/// Microseconds, at most 292,000 years of them.
pub(crate) fn from_duration(duration: Duration) -> i64 {
    i64::try_from(duration.as_micros()).unwrap_or(i64::MAX)
}

/// A duration of that many microseconds.
pub(crate) fn to_duration(micros: i64) -> Duration {
    Duration::from_micros(to_count(micros))
}

/// A count; the upper half of the range is kept by its bits.
pub(crate) fn from_count(count: u64) -> i64 {
    count.cast_signed()
}

/// A count as [`from_count`] wrote it.
pub(crate) fn to_count(value: i64) -> u64 {
    value.cast_unsigned()
}

/// A path from its raw bytes.
pub(crate) fn to_path(bytes: Vec<u8>) -> PathBuf {
    OsString::from_vec(bytes).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_on_both_sides_of_1970_come_back() {
        for micros in [0, 1, -1, 1_763_700_000_000_000, -62_135_596_800_000_000] {
            assert_eq!(from_time(to_time(micros)), micros);
        }
    }

    #[test]
    fn all_counts_come_back() {
        for count in [0, 1, u64::MAX / 2 + 1, u64::MAX] {
            assert_eq!(to_count(from_count(count)), count);
        }
    }

    #[test]
    fn endless_durations_are_clipped() {
        assert_eq!(from_duration(Duration::MAX), i64::MAX);
    }
}
