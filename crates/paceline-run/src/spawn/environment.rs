//! The environment that jobs get: ours, the user's additions, and what names the job.

use std::collections::BTreeMap;
use std::ffi::{CString, OsString, c_char};
use std::os::unix::ffi::OsStringExt;

/// Names the run in the environment of every job, so that its processes can be found.
const RUN_VARIABLE: &str = "PACELINE_RUN";
const SEQ_VARIABLE: &str = "PACELINE_SEQ";
const SLOT_VARIABLE: &str = "PACELINE_SLOT";

/// The variable that names the run.
pub(crate) fn run_mark(run: &str) -> Vec<u8> {
    format!("{RUN_VARIABLE}={run}").into_bytes()
}

/// The variable that names the job.
pub(crate) fn seq_mark(seq: u64) -> Vec<u8> {
    format!("{SEQ_VARIABLE}={seq}").into_bytes()
}

/// Whether a process has all these variables in the environment that it was started with.
pub(crate) fn carries(pid: i32, marks: &[&[u8]]) -> bool {
    std::fs::read(format!("/proc/{pid}/environ")).is_ok_and(|environment| {
        marks.iter().all(|mark| {
            environment
                .split(|b| *b == 0)
                .any(|variable| variable == *mark)
        })
    })
}

/// Variables as `execve` takes them. All but those that name the job are made once.
pub(crate) struct Environment {
    /// What the pointers point to.
    fixed: Vec<CString>,
    seq: Vec<u8>,
    slot: Vec<u8>,
    pointers: Vec<*const c_char>,
}

impl Environment {
    pub(crate) fn new(
        ours: impl Iterator<Item = (OsString, OsString)>,
        added: &[(OsString, OsString)],
        run: &str,
    ) -> Self {
        let mut variables: BTreeMap<OsString, OsString> = ours.collect();
        variables.extend(added.iter().cloned());
        variables.insert(RUN_VARIABLE.into(), run.into());
        variables.remove(SEQ_VARIABLE.as_ref() as &std::ffi::OsStr);
        variables.remove(SLOT_VARIABLE.as_ref() as &std::ffi::OsStr);
        let fixed = variables
            .into_iter()
            .filter_map(|(mut name, value)| {
                name.push("=");
                name.push(value);
                // A NUL cannot have come from an environment.
                CString::new(name.into_vec()).ok()
            })
            .collect();
        Self {
            fixed,
            seq: Vec::new(),
            slot: Vec::new(),
            pointers: Vec::new(),
        }
    }

    /// The pointers for one job, with the closing null; valid until the next call.
    pub(crate) fn of_job(&mut self, seq: u64, slot: usize) -> &[*const c_char] {
        set(&mut self.seq, SEQ_VARIABLE, seq);
        set(&mut self.slot, SLOT_VARIABLE, slot as u64);
        self.pointers.clear();
        self.pointers
            .extend(self.fixed.iter().map(|variable| variable.as_ptr()));
        self.pointers.push(self.seq.as_ptr().cast());
        self.pointers.push(self.slot.as_ptr().cast());
        self.pointers.push(std::ptr::null());
        &self.pointers
    }

    /// Bytes that the kernel counts against its limit on arguments.
    pub(crate) fn size_bytes(&self) -> usize {
        self.fixed
            .iter()
            .map(|v| v.as_bytes_with_nul().len() + size_of::<*const c_char>())
            .sum::<usize>()
            + 128
    }
}

fn set(variable: &mut Vec<u8>, name: &str, value: u64) {
    use std::io::Write as _;
    variable.clear();
    // Writing into memory cannot fail.
    let _ = write!(variable, "{name}={value}\0");
}
