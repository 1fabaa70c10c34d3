//! Points in time, as they are shown.

use std::time::{SystemTime, UNIX_EPOCH};

/// For people: date and time on the clock that they live by.
pub(crate) fn local_time(at: SystemTime) -> String {
    jiff::Timestamp::try_from(at)
        .map(|at| {
            at.to_zoned(jiff::tz::TimeZone::system())
                .strftime("%Y-%m-%d %H:%M")
                .to_string()
        })
        .unwrap_or_default()
}

/// For programs.
pub(crate) fn rfc3339(at: SystemTime) -> String {
    jiff::Timestamp::try_from(at.max(UNIX_EPOCH))
        .map(|at| at.to_string())
        .unwrap_or_default()
}
