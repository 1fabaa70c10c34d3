//! Where Python keeps its interpreter lock, by which waits for it are told from other waits.
//!
//! The lock lies in the interpreter's static data, `_PyRuntime`: in a writable mapping of the library or the
//! program, or in the unnamed one right behind that holds what starts as zeros.

use std::ops::Range;

/// The addresses of Python's static data in a process.
#[derive(Clone, Debug, Default)]
pub(crate) struct PythonRuntime {
    ranges: Vec<Range<u64>>,
}

impl PythonRuntime {
    /// Of a process with these `maps`; empty if it runs no Python.
    pub(crate) fn in_maps(maps: &str) -> Self {
        let mut ranges = Vec::new();
        let mut behind: Option<u64> = None;
        for line in maps.lines() {
            let mut fields = line.split_ascii_whitespace();
            let (Some(range), Some(rights)) = (fields.next(), fields.next()) else {
                continue;
            };
            let path = fields.nth(3).unwrap_or("");
            let name = path.rsplit('/').next().unwrap_or("");
            let Some(range) = parse_range(range) else {
                continue;
            };
            let python = path.starts_with('/') && is_python(name);
            let continues = path.is_empty() && behind == Some(range.start);
            behind = None;
            if rights.starts_with("rw") && (python || continues) {
                behind = Some(range.end);
                ranges.push(range);
            }
        }
        Self { ranges }
    }

    /// There is a Python in the process.
    pub(crate) fn is_there(&self) -> bool {
        !self.ranges.is_empty()
    }

    pub(crate) fn holds(&self, address: u64) -> bool {
        self.ranges.iter().any(|range| range.contains(&address))
    }
}

/// `python3.11`, `libpython3.11.so.1.0`, but not `python-tool.so`.
fn is_python(name: &str) -> bool {
    let name = name.strip_prefix("lib").unwrap_or(name);
    name.strip_prefix("python")
        .is_some_and(|rest| rest.is_empty() || rest.starts_with(|c: char| c.is_ascii_digit()))
}

fn parse_range(text: &str) -> Option<Range<u64>> {
    let (start, end) = text.split_once('-')?;
    Some(u64::from_str_radix(start, 16).ok()?..u64::from_str_radix(end, 16).ok()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_runtime_is_in_the_library_and_right_behind_it() {
        let maps = "\
            5000-6000 rw-p 00003000 fe:00 1 /usr/bin/python3.11\n\
            7000-8000 rw-p 00000000 00:00 0 [heap]\n\
            10000-11000 r-xp 00000000 fe:00 2 /usr/lib/libpython3.11.so.1.0\n\
            11000-12000 rw-p 00443000 fe:00 2 /usr/lib/libpython3.11.so.1.0\n\
            12000-13000 rw-p 00000000 00:00 0 \n\
            14000-15000 rw-p 00000000 00:00 0 \n\
            20000-21000 rw-p 00000000 fe:00 3 /usr/lib/python3/lib-dynload/_json.so\n";
        let runtime = PythonRuntime::in_maps(maps);
        assert!(runtime.is_there());
        for (address, held) in [
            (0x5800, true),
            (0x7800, false),
            (0x10800, false),
            (0x11800, true),
            (0x12800, true),
            (0x14800, false),
            (0x20800, false),
        ] {
            assert_eq!(runtime.holds(address), held, "{address:x}");
        }
    }

    #[test]
    fn this_test_is_no_python() {
        let maps = std::fs::read_to_string("/proc/self/maps").expect("reads");
        assert!(!PythonRuntime::in_maps(&maps).is_there());
        assert!(!PythonRuntime::in_maps("junk\n\n5000 rw\n").is_there());
    }
}
