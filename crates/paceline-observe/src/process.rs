//! One process under observation, its files held open: reading an open file of `/proc` costs a third
//! of opening it.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;
use std::time::Duration;

use crate::syscall::{Waiting, classify};

/// A process and its open files.
pub(crate) struct Process {
    folder: PathBuf,
    stat: File,
    statm: Option<File>,
    schedstat: Option<File>,
    syscall: Option<File>,
    children: Option<File>,
    last: Times,
}

/// What a thread has had of the cores so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Times {
    pub(crate) ran: Duration,
    pub(crate) run_queue_delay: Duration,
}

/// One look at a process.
#[derive(Clone, Debug)]
pub(crate) struct Look {
    /// Since the last look.
    pub(crate) times: Times,
    pub(crate) runnable_threads: usize,
    pub(crate) disk_threads: usize,
    pub(crate) waiting: Waiting,
    /// Memory of its own, without what files hold and others may share.
    pub(crate) own_pages: u64,
    pub(crate) children: Vec<i32>,
}

impl Process {
    /// Opens the files of a process; `None` if it is gone.
    pub(crate) fn open(pid: i32) -> Option<Self> {
        let folder = PathBuf::from(format!("/proc/{pid}"));
        Some(Self {
            stat: File::open(folder.join("stat")).ok()?,
            // Kernels may lack each of these, or not let us see them.
            statm: File::open(folder.join("statm")).ok(),
            schedstat: File::open(folder.join("schedstat")).ok(),
            syscall: File::open(folder.join("syscall")).ok(),
            children: File::open(folder.join(format!("task/{pid}/children"))).ok(),
            folder,
            last: Times::default(),
        })
    }

    /// Looks; `None` if it is gone.
    pub(crate) fn look(&mut self, buffer: &mut [u8]) -> Option<Look> {
        let stat = Stat::parse(read(&self.stat, buffer)?)?;
        let mut times = Times::default();
        let (mut runnable_threads, mut disk_threads) = (0, 0);
        let mut children = Vec::new();
        let mut add_children = |text: &str| {
            let pids = text.split_ascii_whitespace();
            children.extend(pids.filter_map(|pid| pid.parse::<i32>().ok()));
        };
        let mut count = |state: char| match state {
            'R' => runnable_threads += 1,
            'D' => disk_threads += 1,
            _ => {}
        };
        if stat.threads <= 1 {
            count(stat.state);
            if let Some(text) = self.schedstat.as_ref().and_then(|file| read(file, buffer)) {
                times = parse_schedstat(text).unwrap_or_default();
            }
            if let Some(text) = self.children.as_ref().and_then(|file| read(file, buffer)) {
                add_children(text);
            }
        } else {
            for task in std::fs::read_dir(self.folder.join("task")).ok()?.flatten() {
                let text = |name: &str| std::fs::read_to_string(task.path().join(name)).ok();
                if let Some(thread) = text("schedstat").and_then(|text| parse_schedstat(&text)) {
                    times.ran += thread.ran;
                    times.run_queue_delay += thread.run_queue_delay;
                }
                if let Some(thread) = text("stat").and_then(|text| Stat::parse(&text)) {
                    count(thread.state);
                }
                // Each thread has the children that it made itself.
                if let Some(text) = text("children") {
                    add_children(&text);
                }
            }
        }
        let waiting = match &self.syscall {
            // Threads that wait for each other share something.
            _ if stat.threads > 1 => Waiting::Shared,
            Some(file) => read(file, buffer).map_or(Waiting::Shared, classify),
            None => Waiting::Shared,
        };
        let own_pages = self
            .statm
            .as_ref()
            .and_then(|file| parse_statm(read(file, buffer)?))
            .unwrap_or(stat.rss_pages);
        let since = Times {
            ran: times.ran.saturating_sub(self.last.ran),
            run_queue_delay: times
                .run_queue_delay
                .saturating_sub(self.last.run_queue_delay),
        };
        self.last = times;
        Some(Look {
            times: since,
            runnable_threads,
            disk_threads,
            waiting,
            own_pages,
            children,
        })
    }
}

/// The text of a file of `/proc`, as far as it fits.
fn read<'a>(file: &File, buffer: &'a mut [u8]) -> Option<&'a str> {
    let length = file.read_at(buffer, 0).ok()?;
    text(&buffer[..length])
}

/// What a file of `/proc` holds, as text.
pub(crate) fn text(bytes: &[u8]) -> Option<&str> {
    if let Ok(text) = std::str::from_utf8(bytes) {
        return Some(text);
    }
    // A name that is not UTF-8 ends before the fields that are read here.
    let start = bytes.iter().rposition(|b| *b == b')')?;
    std::str::from_utf8(&bytes[start..]).ok()
}

/// The fields of interest of `/proc/PID/stat`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Stat {
    state: char,
    threads: u64,
    rss_pages: u64,
}

impl Stat {
    fn parse(text: &str) -> Option<Self> {
        // The name may hold anything; the last parenthesis ends it.
        let mut fields = text.rsplit_once(')')?.1.split_ascii_whitespace();
        let state = fields.next()?.chars().next()?;
        Some(Self {
            state,
            threads: fields.nth(16)?.parse().ok()?,
            rss_pages: fields.nth(3)?.parse().unwrap_or(0),
        })
    }
}

/// Resident pages without those of files and of memory shared on purpose. A hundred jobs of one
/// program hold its code once, and files give way when memory is needed.
fn parse_statm(text: &str) -> Option<u64> {
    let mut fields = text.split_ascii_whitespace().skip(1);
    let resident: u64 = fields.next()?.parse().ok()?;
    let shared: u64 = fields.next()?.parse().ok()?;
    Some(resident.saturating_sub(shared))
}

fn parse_schedstat(text: &str) -> Option<Times> {
    let mut fields = text
        .split_ascii_whitespace()
        .map(|field| field.parse().map(Duration::from_nanos));
    Some(Times {
        ran: fields.next()?.ok()?,
        run_queue_delay: fields.next()?.ok()?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_the_fields() {
        let text = "7 (a) b) S 1 7 7 0 -1 4194560 100 0 0 0 1 2 0 0 20 0 3 0 5000 10000 250 18446744073709551615 1";
        assert_eq!(
            Stat::parse(text),
            Some(Stat {
                state: 'S',
                threads: 3,
                rss_pages: 250
            })
        );
        assert_eq!(
            parse_schedstat("1000 2000 3\n"),
            Some(Times {
                ran: Duration::from_micros(1),
                run_queue_delay: Duration::from_micros(2)
            })
        );
        assert_eq!(Stat::parse("7 (a"), None);
        assert_eq!(parse_statm("500 250 200 10 0 90 0\n"), Some(50));
        assert_eq!(parse_statm("500\n"), None);
    }

    #[test]
    fn the_children_of_all_threads_are_seen() {
        let (told, hear) = std::sync::mpsc::channel();
        let (end, ended) = std::sync::mpsc::channel::<()>();
        let thread = std::thread::spawn(move || {
            let sleep = std::process::Command::new("sleep").arg("60").spawn();
            let mut child = sleep.expect("starts");
            told.send(child.id().cast_signed()).expect("is heard");
            let _ = ended.recv();
            let _ = child.kill();
            let _ = child.wait();
        });
        let child = hear.recv().expect("has started");
        let mut process = Process::open(std::process::id().cast_signed()).expect("is there");
        let look = process.look(&mut [0; 4096]).expect("is there");
        drop(end);
        thread.join().expect("ends");
        assert!(look.children.contains(&child), "{:?}", look.children);
    }

    #[test]
    fn sees_this_process() {
        let mut process = Process::open(std::process::id().cast_signed()).expect("is there");
        let look = process.look(&mut [0; 4096]).expect("is there");
        assert!(look.own_pages > 0);
        assert!(look.runnable_threads >= 1);
        assert!(Process::open(i32::MAX).is_none());
    }
}
