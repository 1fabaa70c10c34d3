//! Reading times as people write them.

use std::time::Duration;

/// A value that means nothing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{value:?} is not {expected}")]
pub struct ParseError {
    /// What was given.
    pub value: String,
    /// What it should have been, with an example.
    pub expected: &'static str,
}

/// Reads a time such as `5`, `1.5s`, `200ms`, `2m`, `1h30m` or `1d`; a bare number is seconds.
pub fn parse_duration(text: &str) -> Result<Duration, ParseError> {
    let error = || ParseError {
        value: text.to_owned(),
        expected: "a time such as 30, 1.5s, 200ms, 2m or 1h30m",
    };
    let mut rest = text.trim();
    if rest.is_empty() {
        return Err(error());
    }
    let mut total = 0.0;
    while !rest.is_empty() {
        let digits = rest
            .find(|c: char| !(c.is_ascii_digit() || c == '.'))
            .unwrap_or(rest.len());
        let number: f64 = rest[..digits].parse().map_err(|_| error())?;
        rest = &rest[digits..];
        let letters = rest
            .find(|c: char| !c.is_ascii_alphabetic())
            .unwrap_or(rest.len());
        let unit = match &rest[..letters] {
            "" if rest.is_empty() && total == 0.0 => 1.0,
            "s" | "sec" => 1.0,
            "ms" => 1e-3,
            "us" => 1e-6,
            "m" | "min" => 60.0,
            "h" => 3600.0,
            "d" => 86_400.0,
            _ => return Err(error()),
        };
        rest = &rest[letters..];
        total += number * unit;
    }
    Duration::try_from_secs_f64(total).map_err(|_| error())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_times() {
        for (text, milliseconds) in [
            ("5", 5000),
            ("1.5s", 1500),
            ("200ms", 200),
            ("2m", 120_000),
            ("1h30m", 5_400_000),
            ("0", 0),
            ("1d", 86_400_000),
        ] {
            assert_eq!(
                parse_duration(text),
                Ok(Duration::from_millis(milliseconds)),
                "{text}"
            );
        }
        for text in [
            "",
            "5x",
            "x",
            "s",
            "-1",
            "1h30",
            "1..5",
            "99999999999999999999d",
            "5%",
        ] {
            assert!(parse_duration(text).is_err(), "{text}");
        }
    }
}
