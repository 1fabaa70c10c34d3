//! What a sleeping thread waits for, from the call that it sleeps in.

/// What a thread is doing, as far as `/proc/PID/syscall` tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Waiting {
    /// On a core, or ready to be.
    Running,
    /// For time to pass, and nothing else.
    Timer,
    /// For a child process.
    Child,
    /// For anything that others may share: a file, a socket, a pipe, a lock.
    Shared,
}

/// Reads the text of `/proc/PID/syscall`: the call's number and its arguments.
pub(crate) fn classify(text: &str) -> Waiting {
    let mut fields = text.split_ascii_whitespace();
    let Some(first) = fields.next() else {
        return Waiting::Shared;
    };
    if first == "running" {
        return Waiting::Running;
    }
    let Ok(call) = first.parse::<libc::c_long>() else {
        return Waiting::Shared;
    };
    let mut argument = |index: usize| {
        fields
            .nth(index)
            .and_then(|text| u64::from_str_radix(text.trim_start_matches("0x"), 16).ok())
    };
    match call {
        libc::SYS_nanosleep | libc::SYS_clock_nanosleep => Waiting::Timer,
        libc::SYS_wait4 | libc::SYS_waitid | libc::SYS_rt_sigsuspend => Waiting::Child,
        libc::SYS_pselect6 if argument(0) == Some(0) => Waiting::Timer,
        libc::SYS_ppoll if argument(1) == Some(0) => Waiting::Timer,
        #[cfg(target_arch = "x86_64")]
        libc::SYS_select if argument(0) == Some(0) => Waiting::Timer,
        #[cfg(target_arch = "x86_64")]
        libc::SYS_poll if argument(1) == Some(0) => Waiting::Timer,
        _ => Waiting::Shared,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tells_timers_from_the_rest() {
        let call = |number: libc::c_long, arguments: &str| {
            classify(&format!("{number} {arguments} 0x0 0x0\n"))
        };
        assert_eq!(classify("running\n"), Waiting::Running);
        assert_eq!(call(libc::SYS_clock_nanosleep, "0x0 0x0"), Waiting::Timer);
        assert_eq!(call(libc::SYS_pselect6, "0x0 0x0"), Waiting::Timer);
        assert_eq!(call(libc::SYS_pselect6, "0x4 0x7f"), Waiting::Shared);
        assert_eq!(call(libc::SYS_ppoll, "0x7f 0x0"), Waiting::Timer);
        assert_eq!(call(libc::SYS_ppoll, "0x7f 0x1"), Waiting::Shared);
        assert_eq!(call(libc::SYS_wait4, "0x1"), Waiting::Child);
        assert_eq!(call(libc::SYS_read, "0x3"), Waiting::Shared);
        for odd in ["", "-1 0x0 0x0", "junk"] {
            assert_eq!(classify(odd), Waiting::Shared, "{odd}");
        }
    }
}
