//! One process under observation.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;
use std::time::Duration;

use super::descriptors::{Descriptors, Scan};
use super::kernel_file::{Allowance, KernelFile, whole};
use super::language::language_of;
use super::loops::Language;
use super::python_runtime::PythonRuntime;
use super::stat::Stat;
use super::task::{Task, name_of};
use crate::profile::FileBytes;

/// Most processes of a shell's loop end sooner.
const SOON: Duration = Duration::from_millis(30);

/// A process, its threads, and what it was charged with.
pub(crate) struct Watched {
    pub(crate) pid: i32,
    /// The process that started it, if that is watched too; else 0.
    pub(crate) parent: i32,
    pub(crate) name: String,
    pub(crate) tasks: BTreeMap<i32, Task>,
    pub(crate) descriptors: Descriptors,
    pub(crate) python: PythonRuntime,
    /// Those of its Python interpreter; false until they are.
    pub(crate) stacks_are_read: bool,
    pub(crate) language: Language,
    pub(crate) open: Scan,
    /// A socket to somebody else was seen in one of its epoll sets.
    pub(crate) sockets_in_epoll: bool,
    /// It has started another program since the last time this was asked.
    pub(crate) new_program: bool,
    /// What it was charged with when watching began.
    pub(crate) base: Stat,
    pub(crate) last: Stat,
    pub(crate) files: FileBytes,
    pub(crate) most_private_bytes: u64,
    pub(crate) rss_bytes: u64,
    files_base: FileBytes,
    folder: PathBuf,
    stat: KernelFile,
    statm: Option<KernelFile>,
    io: Option<KernelFile>,
    program: Option<PathBuf>,
    new: bool,
    found: Duration,
    /// It is known what kind of program it is.
    examined: bool,
    renamed: bool,
    stale_tasks: bool,
}

impl Watched {
    /// Opens the files of a process; `None` if it is gone. `new`: it was started while we watched, so
    /// that all it was charged with counts.
    pub(crate) fn open(
        pid: i32,
        parent: i32,
        new: bool,
        now: Duration,
        tick: Duration,
        allowance: &Allowance,
    ) -> Option<Self> {
        let folder = PathBuf::from(format!("/proc/{pid}"));
        let file = |name: &str| KernelFile::open(folder.join(name), allowance);
        let stat = file("stat")?;
        let last = Stat::parse(stat.read(&mut [0; 1024])?, tick)?;
        let (statm, io) = (file("statm"), file("io"));
        let mut process = Self {
            pid,
            parent,
            name: name_of(&folder),
            tasks: BTreeMap::new(),
            descriptors: Descriptors::of(pid),
            python: PythonRuntime::default(),
            stacks_are_read: false,
            language: Language::default(),
            open: Scan::default(),
            sockets_in_epoll: false,
            new_program: true,
            base: if new { Stat::default() } else { last },
            last,
            files: FileBytes::default(),
            files_base: FileBytes::default(),
            most_private_bytes: 0,
            rss_bytes: 0,
            stat,
            statm,
            io,
            program: fs::read_link(folder.join("exe")).ok(),
            folder,
            new,
            found: now,
            examined: false,
            renamed: true,
            stale_tasks: true,
        };
        if !new {
            process.read_files(&mut [0; 1024]);
            process.files_base = std::mem::take(&mut process.files);
        }
        Some(process)
    }

    /// Reads what it was charged with; whether it is still the same process.
    pub(crate) fn read_stat(&mut self, tick: Duration, buffer: &mut [u8]) -> bool {
        let Some(text) = self.stat.read(buffer) else {
            return false;
        };
        match Stat::parse(text, tick) {
            Some(stat) if stat.started == self.last.started => {
                let name = text
                    .split_once('(')
                    .and_then(|(_, rest)| rest.rsplit_once(')'));
                self.renamed = name.is_none_or(|(name, _)| name != self.name);
                self.last = stat;
                true
            }
            _ => false,
        }
    }

    /// Finds threads that came. Looks through all of them only if their number has changed, if one went,
    /// or if it is told to.
    pub(crate) fn find_tasks(&mut self, all: bool, allowance: &Allowance) {
        let folder = self.folder.join("task");
        // A folder has a link for itself, one from above, and one for each thread.
        let links = fs::metadata(&folder).map_or(0, |metadata| metadata.nlink());
        if !all && !self.stale_tasks && links == self.tasks.len() as u64 + 2 {
            return;
        }
        self.stale_tasks = false;
        let first = self.tasks.is_empty();
        let Ok(entries) = fs::read_dir(&folder) else {
            return;
        };
        for entry in entries.flatten() {
            let name = entry.file_name();
            let Some(tid) = name.to_str().and_then(|name| name.parse::<i32>().ok()) else {
                continue;
            };
            if let std::collections::btree_map::Entry::Vacant(vacant) = self.tasks.entry(tid) {
                let new = self.new || !first;
                if let Some(task) = Task::open(entry.path(), new, allowance) {
                    vacant.insert(task);
                }
            }
        }
    }

    /// Adds a thread that it has started.
    pub(crate) fn add_task(&mut self, tid: i32, allowance: &Allowance) {
        if let std::collections::btree_map::Entry::Vacant(vacant) = self.tasks.entry(tid) {
            let folder = self.folder.join(format!("task/{tid}"));
            if let Some(task) = Task::open(folder, true, allowance) {
                vacant.insert(task);
            }
        }
    }

    /// It has become another program.
    pub(crate) fn exec(&mut self, now: Duration) {
        self.renamed = true;
        self.read_program(true, now);
        for task in self.tasks.values_mut() {
            task.read_name();
        }
    }

    /// A thread is gone, and others may have come in its place.
    pub(crate) fn forget_task(&mut self, tid: i32) {
        self.tasks.remove(&tid);
        self.stale_tasks = true;
    }

    /// Sees whether it runs another program now, which mostly comes with another name.
    ///
    /// Looking into a program costs more than a look at all its threads: those that soon end are spared.
    pub(crate) fn read_program(&mut self, all: bool, now: Duration) {
        let unknown = !self.examined && now.saturating_sub(self.found) >= SOON;
        if !all && !self.renamed && !unknown {
            return;
        }
        let program = fs::read_link(self.folder.join("exe")).ok();
        let mut name = String::new();
        if self.renamed {
            name = name_of(&self.folder);
        }
        if name.is_empty() {
            name.clone_from(&self.name);
        }
        if program.is_some() && program != self.program {
            self.program = program;
            self.new_program = true;
            self.descriptors = Descriptors::of(self.pid);
        }
        self.examined &= !self.new_program && name == self.name;
        self.name = name;
        if !self.examined && now.saturating_sub(self.found) >= SOON {
            self.examined = true;
            let maps = whole(&self.folder.join("maps")).unwrap_or_default();
            let maps = String::from_utf8_lossy(&maps);
            self.python = PythonRuntime::in_maps(&maps);
            self.stacks_are_read = false;
            self.language = language_of(&self.folder, &self.name, &maps);
        }
    }

    /// Reads the bytes that went through its read and write calls.
    pub(crate) fn read_files(&mut self, buffer: &mut [u8]) {
        if let Some(text) = self.io.as_ref().and_then(|file| file.read(buffer)) {
            let now = parse_io(text);
            let base = &self.files_base;
            self.files = FileBytes {
                read_calls: now.read_calls.saturating_sub(base.read_calls),
                write_calls: now.write_calls.saturating_sub(base.write_calls),
                from_disk: now.from_disk.saturating_sub(base.from_disk),
                to_disk: now.to_disk.saturating_sub(base.to_disk),
                read_count: now.read_count.saturating_sub(base.read_count),
                write_count: now.write_count.saturating_sub(base.write_count),
            };
        }
    }

    /// Reads its memory.
    pub(crate) fn read_memory(&mut self, page_bytes: u64, buffer: &mut [u8]) {
        let Some(text) = self.statm.as_ref().and_then(|file| file.read(buffer)) else {
            return;
        };
        let mut pages = text.split_ascii_whitespace().skip(1);
        let mut next = || {
            pages
                .next()
                .and_then(|pages| pages.parse::<u64>().ok())
                .unwrap_or(0)
        };
        let (resident, shared) = (next(), next());
        self.rss_bytes = resident * page_bytes;
        let private = resident.saturating_sub(shared) * page_bytes;
        self.most_private_bytes = self.most_private_bytes.max(private);
    }
}

fn parse_io(text: &str) -> FileBytes {
    let mut bytes = FileBytes::default();
    for line in text.lines() {
        let Some((name, value)) = line.split_once(": ") else {
            continue;
        };
        let value = value.trim().parse().unwrap_or(0);
        match name {
            "rchar" => bytes.read_calls = value,
            "wchar" => bytes.write_calls = value,
            "syscr" => bytes.read_count = value,
            "syscw" => bytes.write_count = value,
            "read_bytes" => bytes.from_disk = value,
            "write_bytes" => bytes.to_disk = value,
            _ => {}
        }
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::watch::stat::tick;

    #[test]
    fn sees_this_process_and_a_new_thread() {
        let pid = std::process::id().cast_signed();
        let allowance = Allowance::of(100);
        let mut process =
            Watched::open(pid, 0, false, Duration::ZERO, tick(), &allowance).expect("is there");
        process.find_tasks(false, &allowance);
        let (told, hear) = std::sync::mpsc::channel();
        let (end, ended) = std::sync::mpsc::channel::<()>();
        let thread = std::thread::Builder::new().name("watched-one".into());
        let thread = thread.spawn(move || {
            told.send(rustix::thread::gettid().as_raw_nonzero().get())
                .expect("is heard");
            let _ = ended.recv();
        });
        let tid = hear.recv().expect("has started");
        process.find_tasks(true, &allowance);
        let task = process.tasks.get(&tid).expect("is found");
        assert_eq!(task.name, "watched-one");
        drop(end);
        thread.expect("starts").join().expect("ends");

        let mut buffer = [0; 1024];
        assert!(process.read_stat(tick(), &mut buffer));
        process.read_memory(4096, &mut buffer);
        assert!(process.rss_bytes > process.most_private_bytes && process.most_private_bytes > 0);
        assert!(Watched::open(i32::MAX, 0, false, Duration::ZERO, tick(), &allowance).is_none());
    }

    #[test]
    fn reads_the_bytes() {
        let text = "rchar: 10\nwchar: 20\nsyscr: 3\nsyscw: 4\nread_bytes: 4096\nwrite_bytes: 8192\ncancelled_write_bytes: 1\n";
        assert_eq!(
            parse_io(text),
            FileBytes {
                read_calls: 10,
                write_calls: 20,
                from_disk: 4096,
                to_disk: 8192,
                read_count: 3,
                write_count: 4,
            }
        );
    }
}
