//! The fields of `/proc/PID/stat` that tell how a process came to be and what it was charged with.

use std::time::Duration;

/// The fields of interest.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Stat {
    pub(crate) state: char,
    pub(crate) parent: i32,
    pub(crate) user: Duration,
    pub(crate) system: Duration,
    /// Of all children that were waited for, and theirs.
    pub(crate) children: Duration,
    /// When it started, in clock ticks since the machine did: a process is known by this and its number.
    pub(crate) started: u64,
}

impl Stat {
    /// Reads the text of the file. `tick` is the unit of its times.
    pub(crate) fn parse(text: &str, tick: Duration) -> Option<Self> {
        // The name may hold anything; the last parenthesis ends it.
        let mut fields = text.rsplit_once(')')?.1.split_ascii_whitespace();
        let state = fields.next()?.chars().next()?;
        let parent = fields.next()?.parse().ok()?;
        let mut ticks = fields.skip(9).map(|field| field.parse::<u32>().ok());
        let mut time = || Some(tick.saturating_mul(ticks.next()??));
        let (user, system) = (time()?, time()?);
        let children = time()? + time()?;
        let started = text.rsplit_once(')')?.1.split_ascii_whitespace().nth(19)?;
        Some(Self {
            state,
            parent,
            user,
            system,
            children,
            started: started.parse().ok()?,
        })
    }

    /// It has ended, and waits to be asked for how.
    pub(crate) fn has_ended(&self) -> bool {
        matches!(self.state, 'Z' | 'X')
    }

    /// All CPU time that it was charged with.
    pub(crate) fn cpu(&self) -> Duration {
        self.user + self.system
    }
}

/// The unit of times in `stat`.
pub(crate) fn tick() -> Duration {
    let per_second = rustix::param::clock_ticks_per_second().max(1);
    Duration::from_nanos(1_000_000_000 / per_second)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_the_fields() {
        let text = "7 (a) b) Z 3 7 7 0 -1 4194560 100 0 0 0 11 12 13 14 20 0 3 0 5000 10000 250";
        let ms = Duration::from_millis;
        assert_eq!(
            Stat::parse(text, ms(10)),
            Some(Stat {
                state: 'Z',
                parent: 3,
                user: ms(110),
                system: ms(120),
                children: ms(270),
                started: 5000,
            })
        );
        for odd in ["", "7 (a) Z", "7 (a) Z 3 7"] {
            assert_eq!(Stat::parse(odd, ms(10)), None, "{odd}");
        }
    }

    #[test]
    fn reads_that_of_this_process() {
        let text = std::fs::read_to_string("/proc/self/stat").expect("reads");
        let stat = Stat::parse(&text, tick()).expect("parses");
        assert!(!stat.has_ended() && stat.parent > 0 && stat.started > 0);
    }
}
