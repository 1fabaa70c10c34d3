//! What a record of the ring says, from its bytes; see `perf_event_open(2)`.

use std::time::Duration;

/// A change of what one thread does, and when.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Switch {
    /// On the monotonic clock.
    pub(crate) at: Duration,
    pub(crate) pid: i32,
    pub(crate) tid: i32,
    pub(crate) kind: Kind,
}

/// What happened to the thread.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// It was put on a core.
    In,
    /// It was taken from its core: because it waits, or because another came first.
    Out { preempted: bool },
    /// It was made by this one. In a process of its own if the process is another.
    Forked { parent_pid: i32, parent_tid: i32 },
    /// It became another program, of this name.
    Exec(Name),
    /// It ended.
    Exit,
}

/// The name of a thread, as the kernel keeps it: with a zero at its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Name([u8; 16]);

impl Name {
    fn of(bytes: &[u8]) -> Self {
        let mut name = [0; 16];
        for (to, from) in name.iter_mut().zip(bytes) {
            *to = *from;
        }
        Self(name)
    }

    /// Made readable.
    pub(crate) fn text(self) -> String {
        let text = self.0.split(|byte| *byte == 0).next().unwrap_or_default();
        String::from_utf8_lossy(text).into_owned()
    }
}

#[cfg(test)]
impl From<&str> for Name {
    fn from(name: &str) -> Self {
        Self::of(name.as_bytes())
    }
}

/// A record of interest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Record {
    Switch(Switch),
    /// So many records found no room in the ring.
    Lost(u64),
}

const LOST: u32 = 2;
const COMM: u32 = 3;
const EXIT: u32 = 4;
const FORK: u32 = 7;
const LOST_SAMPLES: u32 = 13;
const SWITCH: u32 = 14;

/// `PERF_RECORD_MISC_SWITCH_OUT`, and `PERF_RECORD_MISC_COMM_EXEC` of the other type.
const SWITCH_OUT: u16 = 1 << 13;
const COMM_EXEC: u16 = 1 << 13;
const SWITCH_OUT_PREEMPT: u16 = 1 << 14;

const HEADER_BYTES: usize = 8;

/// Every record ends with these fields of `struct sample_id`: u32 pid, u32 tid, u64 time.
const SAMPLE_ID_BYTES: usize = 16;

impl Record {
    /// From a record with its header; `None` if it is of no interest.
    pub(super) fn parse(bytes: &[u8]) -> Option<Self> {
        let kind = u32::from_ne_bytes(*bytes.first_chunk()?);
        let misc = u16::from_ne_bytes(*bytes.get(4..)?.first_chunk()?);
        let body = bytes.get(HEADER_BYTES..)?;
        let id = body.get(body.len().checked_sub(SAMPLE_ID_BYTES)?..)?;
        let (pid, tid) = (number(id, 0)?, number(id, 4)?);
        let at = Duration::from_nanos(long(id, 8)?);
        let switch = |pid, tid, kind| {
            // The kernel has no number left for a thread that is as good as gone.
            (pid > 0 && tid > 0).then_some(Self::Switch(Switch { at, pid, tid, kind }))
        };
        match kind {
            SWITCH if misc & SWITCH_OUT == 0 => switch(pid, tid, Kind::In),
            SWITCH => {
                let preempted = misc & SWITCH_OUT_PREEMPT != 0;
                switch(pid, tid, Kind::Out { preempted })
            }
            // u32 pid, u32 ppid, u32 tid, u32 ptid, u64 time: of the new thread and its maker.
            FORK => {
                let forked = Kind::Forked {
                    parent_pid: number(body, 4)?,
                    parent_tid: number(body, 12)?,
                };
                switch(number(body, 0)?, number(body, 8)?, forked)
            }
            EXIT => switch(number(body, 0)?, number(body, 8)?, Kind::Exit),
            // u32 pid, u32 tid, and the name, which is also set without an exec.
            COMM if misc & COMM_EXEC != 0 => {
                let name = body.get(8..body.len().checked_sub(SAMPLE_ID_BYTES)?)?;
                let exec = Kind::Exec(Name::of(name));
                switch(number(body, 0)?, number(body, 4)?, exec)
            }
            // u64 id, u64 lost.
            LOST => Some(Self::Lost(long(body, 8)?)),
            // u64 lost.
            LOST_SAMPLES => Some(Self::Lost(long(body, 0)?)),
            _ => None,
        }
    }
}

fn number(bytes: &[u8], offset: usize) -> Option<i32> {
    Some(i32::from_ne_bytes(*bytes.get(offset..)?.first_chunk()?))
}

fn long(bytes: &[u8], offset: usize) -> Option<u64> {
    Some(u64::from_ne_bytes(*bytes.get(offset..)?.first_chunk()?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const AT: Duration = Duration::from_nanos(1_000_000_007);

    fn record(kind: u32, misc: u16, body: &[u8]) -> Vec<u8> {
        let mut bytes = Vec::new();
        bytes.extend(kind.to_ne_bytes());
        bytes.extend(misc.to_ne_bytes());
        bytes.extend((HEADER_BYTES as u16 + body.len() as u16 + 16).to_ne_bytes());
        bytes.extend(body);
        bytes.extend(7_u32.to_ne_bytes());
        bytes.extend(8_u32.to_ne_bytes());
        bytes.extend(1_000_000_007_u64.to_ne_bytes());
        bytes
    }

    fn numbers(numbers: &[u32]) -> Vec<u8> {
        numbers.iter().flat_map(|n| n.to_ne_bytes()).collect()
    }

    fn switch(bytes: &[u8]) -> (i32, i32, Kind) {
        match Record::parse(bytes) {
            Some(Record::Switch(switch)) => {
                assert_eq!(switch.at, AT);
                (switch.pid, switch.tid, switch.kind)
            }
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn switches_say_whether_the_thread_gave_way() {
        assert_eq!(switch(&record(SWITCH, 0, &[])), (7, 8, Kind::In));
        let out = |preempted| (7, 8, Kind::Out { preempted });
        assert_eq!(switch(&record(SWITCH, 1 << 13, &[])), out(false));
        assert_eq!(switch(&record(SWITCH, 3 << 13, &[])), out(true));
    }

    #[test]
    fn births_and_ends_are_of_the_thread_they_name() {
        let body = numbers(&[20, 7, 21, 8, 0, 0]);
        let forked = Kind::Forked {
            parent_pid: 7,
            parent_tid: 8,
        };
        assert_eq!(switch(&record(FORK, 0, &body)), (20, 21, forked));
        assert_eq!(switch(&record(EXIT, 0, &body)), (20, 21, Kind::Exit));
    }

    #[test]
    fn only_a_name_that_an_exec_gave_is_an_exec() {
        let mut body = numbers(&[20, 20]);
        body.extend(b"python3\0");
        let exec = Kind::Exec(Name::of(b"python3"));
        assert_eq!(switch(&record(COMM, 1 << 13, &body)), (20, 20, exec));
        assert_eq!(Name::of(b"python3").text(), "python3");
        assert_eq!(Record::parse(&record(COMM, 0, &body)), None);
    }

    #[test]
    fn what_was_lost_is_counted() {
        let body = numbers(&[1, 0, 300, 0]);
        let lost = Record::parse(&record(LOST, 0, &body));
        assert_eq!(lost, Some(Record::Lost(300)));
        let lost = Record::parse(&record(LOST_SAMPLES, 0, &numbers(&[5, 0])));
        assert_eq!(lost, Some(Record::Lost(5)));
    }

    #[test]
    fn threads_without_a_number_are_left_out() {
        let mut bytes = record(SWITCH, 1 << 13, &[]);
        let length = bytes.len();
        bytes[length - 16..length - 8].fill(0xff);
        assert_eq!(Record::parse(&bytes), None);
    }

    proptest! {
        #[test]
        fn no_bytes_upset_the_reader(
            kind in 0..20_u32,
            misc in any::<u16>(),
            body in proptest::collection::vec(any::<u8>(), 0..64),
            cut in 0..100_usize,
        ) {
            let bytes = record(kind, misc, &body);
            let _ = Record::parse(&bytes);
            let _ = Record::parse(&bytes[..cut.min(bytes.len())]);
        }
    }
}
