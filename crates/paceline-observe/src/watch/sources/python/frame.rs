//! A frame of Python, and whose code it runs.

use std::path::Path;

use crate::profile::SourceLine;

/// A call that has not returned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Frame {
    /// With its class since Python 3.11: `Handle._run`.
    pub(super) function: String,
    /// As the interpreter has it: relative if the program was started so.
    pub(super) file: String,
    /// From 1; 0 if it is not known.
    pub(super) line: u32,
}

/// Whose code it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Origin {
    /// The program's own.
    User,
    /// A package that was installed, or code that one made up.
    Package,
    /// The standard library.
    Standard,
}

/// Names that the interpreter gives to what has no file but was written by the user.
const TYPED: [&str; 5] = [
    "<string>",
    "<stdin>",
    "<console>",
    "<python-input",
    "<ipython-input",
];

impl Frame {
    pub(super) fn origin(&self) -> Origin {
        let file = self.file.as_str();
        if file.starts_with('<') {
            return if TYPED.iter().any(|typed| file.starts_with(typed)) {
                Origin::User
            } else if file.starts_with("<frozen ") {
                Origin::Standard
            } else {
                Origin::Package
            };
        }
        let mut before = "";
        let mut standard = false;
        for part in file.split('/') {
            if part == "site-packages" || part == "dist-packages" {
                return Origin::Package;
            }
            standard |= matches!(before, "lib" | "lib64") && is_version(part)
                || before == "lib" && is_zip(part);
            before = part;
        }
        if standard {
            Origin::Standard
        } else {
            Origin::User
        }
    }

    /// The function without its class.
    pub(super) fn short_function(&self) -> &str {
        self.function.rsplit('.').next().unwrap_or_default()
    }

    /// It is one of these functions of a file whose path ends so.
    pub(super) fn is(&self, file: &str, functions: &[&str]) -> bool {
        self.is_in(file) && functions.contains(&self.short_function())
    }

    /// The path ends so, at the border of a name.
    pub(super) fn is_in(&self, file: &str) -> bool {
        self.file
            .strip_suffix(file)
            .is_some_and(|before| before.is_empty() || before.ends_with('/'))
    }

    pub(super) fn source_line(&self) -> SourceLine {
        SourceLine {
            file: readable(&self.file),
            line: self.line,
            function: readable(&self.function),
        }
    }
}

/// `python3.11`, `python3`, `python3.13t`.
fn is_version(part: &str) -> bool {
    part.strip_prefix("python")
        .is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit()))
}

/// `python311.zip`.
fn is_zip(part: &str) -> bool {
    is_version(part) && Path::new(part).extension().is_some_and(|end| end == "zip")
}

/// Names come from the program's memory and may hold anything.
fn readable(text: &str) -> String {
    text.chars()
        .map(|c| if c.is_control() { '\u{fffd}' } else { c })
        .collect()
}

#[cfg(test)]
pub(super) fn frame(file: &str, function: &str, line: u32) -> Frame {
    Frame {
        function: function.to_owned(),
        file: file.to_owned(),
        line,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn code_is_the_users_unless_it_was_installed() {
        for (file, origin) in [
            ("app.py", Origin::User),
            ("/home/me/app/main.py", Origin::User),
            ("/srv/lib/app.py", Origin::User),
            ("/srv/lib/pythonic/app.py", Origin::User),
            ("/home/me/python3/app.py", Origin::User),
            ("<string>", Origin::User),
            ("<stdin>", Origin::User),
            ("<python-input-3>", Origin::User),
            ("<frozen importlib._bootstrap>", Origin::Standard),
            ("<frozen runpy>", Origin::Standard),
            ("<attrs generated init app.Thing>", Origin::Package),
            ("/usr/lib/python3.11/threading.py", Origin::Standard),
            ("/usr/lib64/python3.9/asyncio/events.py", Origin::Standard),
            (
                "/root/.pyenv/versions/3.13.0/lib/python3.13t/ssl.py",
                Origin::Standard,
            ),
            ("/opt/app/lib/python311.zip/queue.py", Origin::Standard),
            (
                "/usr/lib/python3/dist-packages/requests/api.py",
                Origin::Package,
            ),
            (
                "venv/lib/python3.11/site-packages/requests/api.py",
                Origin::Package,
            ),
        ] {
            assert_eq!(frame(file, "f", 1).origin(), origin, "{file}");
        }
    }

    #[test]
    fn functions_are_known_with_and_without_their_class() {
        for function in ["_run", "Handle._run"] {
            let frame = frame("/usr/lib/python3.11/asyncio/events.py", function, 80);
            assert!(frame.is("asyncio/events.py", &["_run"]));
            assert!(!frame.is("asyncio/events.py", &["run"]));
            assert!(!frame.is("io/events.py", &["_run"]));
        }
        assert!(frame("asyncio/events.py", "_run", 1).is("asyncio/events.py", &["_run"]));
        assert_eq!(
            frame("a.py", "main.<locals>.work", 1).short_function(),
            "work"
        );
    }

    #[test]
    fn what_is_shown_cannot_move_the_cursor() {
        let line = frame("a\x1b[2J.py", "f\n", 3).source_line();
        assert_eq!(line.file, "a\u{fffd}[2J.py");
        assert_eq!(line.function, "f\u{fffd}");
    }
}
