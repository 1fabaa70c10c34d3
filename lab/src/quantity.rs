//! Times and sizes as people write them: `50ms`, `2s`, `1.5`, `300M`.

use std::time::Duration;

use thiserror::Error;

/// What was written is no time or no size.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum QuantityError {
    /// Not a time.
    #[error("{0:?} is no time: write seconds or a unit, e.g. 1.5, 50ms or 2m")]
    Time(String),
    /// Not a size.
    #[error("{0:?} is no size: write bytes or a unit, e.g. 4096, 64k or 300M")]
    Size(String),
}

/// Reads a time. Without a unit it is in seconds; `us`, `ms`, `s` and `m` are known.
pub fn time(text: &str) -> Result<Duration, QuantityError> {
    let refuse = || QuantityError::Time(text.to_owned());
    let unit_at = text
        .find(|symbol: char| symbol.is_ascii_alphabetic())
        .unwrap_or(text.len());
    let (number, unit) = text.split_at(unit_at);
    let scale = match unit {
        "us" => 1e-6,
        "ms" => 1e-3,
        "" | "s" => 1.0,
        "m" => 60.0,
        _ => return Err(refuse()),
    };
    let number: f64 = number.parse().map_err(|_| refuse())?;
    Duration::try_from_secs_f64(number * scale).map_err(|_| refuse())
}

/// Reads a size in bytes; `k`, `M` and `G` are powers of 1024.
pub fn size(text: &str) -> Result<u64, QuantityError> {
    let refuse = || QuantityError::Size(text.to_owned());
    let (number, shift) = match text.char_indices().last() {
        Some((at, 'k' | 'K')) => (&text[..at], 10),
        Some((at, 'M')) => (&text[..at], 20),
        Some((at, 'G')) => (&text[..at], 30),
        _ => (text, 0),
    };
    let number: u64 = number.parse().map_err(|_| refuse())?;
    number.checked_mul(1 << shift).ok_or_else(refuse)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_times() {
        assert_eq!(time("50ms"), Ok(Duration::from_millis(50)));
        assert_eq!(time("1.5"), Ok(Duration::from_millis(1500)));
        assert_eq!(time("2m"), Ok(Duration::from_secs(120)));
        for wrong in ["", "ms", "-1s", "1h", "1 s", "nan", "1e40"] {
            assert_eq!(time(wrong), Err(QuantityError::Time(wrong.to_owned())));
        }
    }

    #[test]
    fn reads_sizes() {
        assert_eq!(size("4096"), Ok(4096));
        assert_eq!(size("64k"), Ok(65_536));
        assert_eq!(size("300M"), Ok(300 << 20));
        for wrong in ["", "M", "1.5M", "-1", "1T", "99999999999G"] {
            assert_eq!(size(wrong), Err(QuantityError::Size(wrong.to_owned())));
        }
    }
}
