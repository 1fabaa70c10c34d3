//! `--busy-exit`: a job that says "what I depend on is busy" has not failed; it is started again
//! later.

use std::time::{Duration, SystemTime};

use super::ParseError;

/// What is done about jobs that say that what they depend on is busy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Busy {
    /// The exit codes that say so.
    pub codes: BusyCodes,
    /// How many such answers in a row a job may give before it counts as failed; `None`: any number.
    pub retries: Option<u32>,
    /// The rest after the first answer, unless the job names one; it doubles with each further one.
    pub delay: Duration,
    /// No such rest is longer.
    pub longest_delay: Duration,
    /// No rest that a job names is taken to be longer.
    pub longest_asked: Duration,
}

impl Default for Busy {
    fn default() -> Self {
        Self {
            codes: BusyCodes::default(),
            // With rests of up to 30 s this rides out an outage of some 40 minutes.
            retries: Some(100),
            delay: Duration::from_millis(100),
            longest_delay: Duration::from_secs(30),
            longest_asked: Duration::from_secs(3600),
        }
    }
}

impl Busy {
    /// How long to rest after so many busy answers in a row, or `None` if that was one too many.
    /// `asked` is what the job itself named; `random`, from 0 to 1, spreads the rests, so that jobs
    /// that were turned away together do not come back together. Nobody comes back earlier than asked.
    pub fn rest_after(
        &self,
        in_a_row: u32,
        asked: Option<Duration>,
        random: f64,
    ) -> Option<Duration> {
        if self.retries.is_some_and(|retries| in_a_row > retries) {
            return None;
        }
        let random = random.clamp(0.0, 1.0);
        Some(match asked {
            // Who says "at once" for ever must not keep us spinning.
            Some(asked) => asked
                .clamp(self.delay, self.longest_asked)
                .mul_f64(1.0 + 0.1 * random),
            None => self
                .delay
                .saturating_mul(1 << in_a_row.saturating_sub(1).min(30))
                .min(self.longest_delay)
                .mul_f64(0.5 + 0.5 * random),
        })
    }
}

/// Exit codes that mean "busy".
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BusyCodes(Vec<u8>);

impl Default for BusyCodes {
    /// `EX_TEMPFAIL` of `sysexits.h` alone.
    fn default() -> Self {
        Self(vec![75])
    }
}

impl BusyCodes {
    /// No code means that.
    pub fn none() -> Self {
        Self(Vec::new())
    }

    /// Whether this exit code does.
    pub fn contains(&self, code: i32) -> bool {
        self.0.iter().any(|busy| i32::from(*busy) == code)
    }
}

impl std::str::FromStr for BusyCodes {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        if text == "none" {
            return Ok(Self::none());
        }
        text.split(',')
            .map(|code| code.trim().parse().ok().filter(|code| *code > 0))
            .collect::<Option<_>>()
            .map(Self)
            .ok_or_else(|| ParseError {
                value: text.to_owned(),
                expected: "a list of exit codes from 1 to 255 such as 75 or 69,75, or none",
            })
    }
}

/// What the last line `Retry-After: …` in a job's standard error asks for: seconds, or the time of
/// day that HTTP writes (RFC 9110, sections 10.2.3 and 5.6.7). Also as `curl -v` shows it, behind a
/// `<`. What makes no sense is passed over.
pub(crate) fn retry_after(stderr: &[u8], now: SystemTime) -> Option<Duration> {
    const NAME: &[u8] = b"retry-after";
    stderr.rsplit(|byte| *byte == b'\n').find_map(|line| {
        let line = line.trim_ascii();
        let line = line.strip_prefix(b"<").unwrap_or(line).trim_ascii_start();
        let (name, value) = line.split_at_checked(NAME.len())?;
        if !name.eq_ignore_ascii_case(NAME) {
            return None;
        }
        let value = value.trim_ascii_start().strip_prefix(b":")?.trim_ascii();
        rest_of(std::str::from_utf8(value).ok()?, now)
    })
}

fn rest_of(value: &str, now: SystemTime) -> Option<Duration> {
    if value.starts_with(|c: char| c.is_ascii_digit() || c == '.') {
        // Such words as "inf" and "1e9" are numbers to Rust, but not here.
        let plain = value.bytes().all(|b| b.is_ascii_digit() || b == b'.');
        let seconds: f64 = value.parse().ok().filter(|_| plain)?;
        return Some(Duration::try_from_secs_f64(seconds).unwrap_or(Duration::MAX));
    }
    let at = httpdate::parse_http_date(value).ok()?;
    Some(at.duration_since(now).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(stderr: &str) -> Option<Duration> {
        // Sun, 06 Nov 1994 08:49:37 GMT, the example of the RFC.
        retry_after(
            stderr.as_bytes(),
            SystemTime::UNIX_EPOCH + Duration::from_secs(784_111_777),
        )
    }

    #[test]
    fn codes() {
        let codes: BusyCodes = "69, 75".parse().expect("reads");
        assert!(codes.contains(69) && codes.contains(75) && !codes.contains(1));
        assert_eq!("none".parse(), Ok(BusyCodes::none()));
        assert_eq!("75".parse(), Ok(BusyCodes::default()));
        for bad in ["", "0", "75,", "256", "-1", "x", "none,75"] {
            assert!(bad.parse::<BusyCodes>().is_err(), "{bad}");
        }
    }

    #[test]
    fn retry_after_in_seconds() {
        let seconds = |s| Some(Duration::from_secs_f64(s));
        assert_eq!(asked("Retry-After: 120"), seconds(120.0));
        assert_eq!(asked("busy\nretry-AFTER:0.5\r\nbye\n"), seconds(0.5));
        assert_eq!(asked("< retry-after : 7\n"), seconds(7.0));
        assert_eq!(asked("Retry-After: 1\nRetry-After: 2\n"), seconds(2.0));
        assert_eq!(asked("Retry-After: 1\nRetry-After: soon\n"), seconds(1.0));
        assert_eq!(
            asked("Retry-After: 99999999999999999999999"),
            Some(Duration::MAX)
        );
    }

    #[test]
    fn retry_after_as_a_time() {
        assert_eq!(
            asked("Retry-After: Sun, 06 Nov 1994 08:50:37 GMT"),
            Some(Duration::from_secs(60))
        );
        assert_eq!(
            asked("Retry-After: Sun, 06 Nov 1994 08:00:00 GMT"),
            Some(Duration::ZERO)
        );
    }

    #[test]
    fn what_makes_no_sense_is_no_answer() {
        for text in [
            "",
            "Retry-After",
            "Retry-After:",
            "Retry-After: -5",
            "Retry-After: 1e3",
            "Retry-After: 1.2.3",
            "Retry-After: .",
            "Retry-After: inf",
            "Retry-After: 5 minutes",
            "X-Retry-After: 5",
            "Retry-Afterwards: 5",
            "say Retry-After: 5",
        ] {
            assert_eq!(asked(text), None, "{text}");
        }
        assert_eq!(
            retry_after(b"\xff\xfe\nRetry-After: \xff", SystemTime::now()),
            None
        );
    }

    #[test]
    fn rests_grow_and_end() {
        let busy = Busy {
            retries: Some(3),
            longest_delay: Duration::from_millis(300),
            ..Busy::default()
        };
        let rests: Vec<_> = (1..=4).map(|n| busy.rest_after(n, None, 1.0)).collect();
        let ms = |n| Some(Duration::from_millis(n));
        assert_eq!(rests, [ms(100), ms(200), ms(300), None]);
        assert_eq!(busy.rest_after(1, None, 0.0), ms(50));
        let forever = Busy {
            retries: None,
            ..busy
        };
        assert_eq!(forever.rest_after(u32::MAX, None, 1.0), ms(300));
    }

    #[test]
    fn a_rest_that_was_asked_for_is_never_shortened_but_capped() {
        let busy = Busy::default();
        for (asked, least, most) in [
            (Duration::from_secs(5), 5.0, 5.5),
            (Duration::ZERO, 0.1, 0.11),
            (Duration::MAX, 3600.0, 3960.0),
        ] {
            for random in [0.0, 0.5, 1.0] {
                let rest = busy.rest_after(1, Some(asked), random).expect("retries");
                let seconds = rest.as_secs_f64();
                assert!((least..=most).contains(&seconds), "{asked:?}: {seconds}");
            }
        }
    }
}
