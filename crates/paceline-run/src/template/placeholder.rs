//! What may stand between braces in a template, and what it turns an input into.

use std::borrow::Cow;

/// One replacement string, such as `{}`, `{2.}` or `{#}`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Placeholder {
    /// The job's inputs, or one of them, or a part of their names.
    Input { which: Which, part: Part },
    /// `{#}`: the position of the input, counted from 1.
    Sequence,
    /// `{%}`: the slot the job runs in, counted from 1.
    Slot,
}

/// Which of a job's arguments a placeholder means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Which {
    All,
    /// Counted from 1.
    FromFirst(usize),
    /// `{-1}` is the last.
    FromLast(usize),
}

/// Which part of a file name a placeholder means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Part {
    Whole,
    WithoutExtension,
    Basename,
    Directory,
    BasenameWithoutExtension,
}

impl Placeholder {
    /// Reads a placeholder at the start of `text`, and says how many bytes it took.
    pub(crate) fn at_start_of(text: &[u8]) -> Option<(Self, usize)> {
        let inner_and_rest = text.strip_prefix(b"{")?;
        let close = memchr::memchr(b'}', inner_and_rest)?;
        let inner = &inner_and_rest[..close];
        let placeholder = match inner {
            b"#" => Self::Sequence,
            b"%" => Self::Slot,
            _ => {
                let digits = inner
                    .iter()
                    .position(|b| !(b.is_ascii_digit() || *b == b'-'))
                    .unwrap_or(inner.len());
                let (number, part) = inner.split_at(digits);
                Self::Input {
                    which: Which::parse(number)?,
                    part: Part::parse(part)?,
                }
            }
        };
        Some((placeholder, close + 2))
    }

    /// Whether the job's inputs show in what this turns into.
    pub(crate) fn is_input(self) -> bool {
        matches!(self, Self::Input { .. })
    }
}

/// As it is written in a template.
impl std::fmt::Display for Placeholder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self::Input { which, part } = self else {
            return f.write_str(if *self == Self::Sequence {
                "{#}"
            } else {
                "{%}"
            });
        };
        f.write_str("{")?;
        match which {
            Which::All => {}
            Which::FromFirst(n) => write!(f, "{n}")?,
            Which::FromLast(n) => write!(f, "-{n}")?,
        }
        f.write_str(match part {
            Part::Whole => "}",
            Part::WithoutExtension => ".}",
            Part::Basename => "/}",
            Part::Directory => "//}",
            Part::BasenameWithoutExtension => "/.}",
        })
    }
}

impl Which {
    fn parse(number: &[u8]) -> Option<Self> {
        if number.is_empty() {
            return Some(Self::All);
        }
        let number: i32 = std::str::from_utf8(number).ok()?.parse().ok()?;
        let distance = number.unsigned_abs() as usize;
        match number {
            0 => None,
            1.. => Some(Self::FromFirst(distance)),
            _ => Some(Self::FromLast(distance)),
        }
    }

    /// The arguments meant, out of all of a job's; none if the job has too few.
    pub(crate) fn pick<'a, 'b>(self, args: &'b [&'a [u8]]) -> &'b [&'a [u8]] {
        let index = match self {
            Self::All => return args,
            Self::FromFirst(n) => n.checked_sub(1),
            Self::FromLast(n) => args.len().checked_sub(n),
        };
        index.and_then(|i| args.get(i..=i)).unwrap_or(&[])
    }
}

impl Part {
    fn parse(text: &[u8]) -> Option<Self> {
        Some(match text {
            b"" => Self::Whole,
            b"." => Self::WithoutExtension,
            b"/" => Self::Basename,
            b"//" => Self::Directory,
            b"/." => Self::BasenameWithoutExtension,
            _ => return None,
        })
    }

    /// That part of `path`. Works on bytes: a name need not be UTF-8.
    pub(crate) fn of(self, path: &[u8]) -> Cow<'_, [u8]> {
        match self {
            Self::Whole => Cow::Borrowed(path),
            Self::WithoutExtension => Cow::Borrowed(without_extension(path)),
            Self::Basename => Cow::Borrowed(basename(path)),
            Self::BasenameWithoutExtension => Cow::Borrowed(without_extension(basename(path))),
            Self::Directory => Cow::Borrowed(directory(path)),
        }
    }
}

/// Cuts the last `.ext`, unless the dot begins the file's name: `.profile` has no extension.
fn without_extension(path: &[u8]) -> &[u8] {
    let name_start = memchr::memrchr(b'/', path).map_or(0, |slash| slash + 1);
    match memchr::memrchr(b'.', &path[name_start..]) {
        Some(dot) if dot > 0 && name_start + dot + 1 < path.len() => &path[..name_start + dot],
        _ => path,
    }
}

fn without_trailing_slashes(path: &[u8]) -> &[u8] {
    let end = path.iter().rposition(|b| *b != b'/').map_or(0, |i| i + 1);
    &path[..end]
}

/// As basename(1): the last component, trailing slashes aside; `/` for the root.
fn basename(path: &[u8]) -> &[u8] {
    let trimmed = without_trailing_slashes(path);
    if trimmed.is_empty() {
        return &path[..path.len().min(1)];
    }
    memchr::memrchr(b'/', trimmed).map_or(trimmed, |slash| &trimmed[slash + 1..])
}

/// As dirname(1): `.` where there is no directory part.
fn directory(path: &[u8]) -> &[u8] {
    let trimmed = without_trailing_slashes(path);
    match memchr::memrchr(b'/', trimmed) {
        None if trimmed.is_empty() && !path.is_empty() => b"/",
        None => b".",
        Some(slash) => {
            let dir = without_trailing_slashes(&trimmed[..slash]);
            if dir.is_empty() { b"/" } else { dir }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Option<(Placeholder, usize)> {
        Placeholder::at_start_of(text.as_bytes())
    }

    fn input(which: Which, part: Part) -> Placeholder {
        Placeholder::Input { which, part }
    }

    #[test]
    fn reads_every_known_form() {
        assert_eq!(parse("{}x"), Some((input(Which::All, Part::Whole), 2)));
        assert_eq!(
            parse("{.}"),
            Some((input(Which::All, Part::WithoutExtension), 3))
        );
        assert_eq!(
            parse("{12/.}"),
            Some((
                input(Which::FromFirst(12), Part::BasenameWithoutExtension),
                6
            ))
        );
        assert_eq!(
            parse("{-1//}"),
            Some((input(Which::FromLast(1), Part::Directory), 6))
        );
        assert_eq!(parse("{#}"), Some((Placeholder::Sequence, 3)));
        assert_eq!(parse("{%}"), Some((Placeholder::Slot, 3)));
    }

    #[test]
    fn leaves_other_braces_alone() {
        for text in ["{a}", "{0}", "{,}", "{1..3}", "{", "{ }", "{--1}", "{1-2}"] {
            assert_eq!(parse(text), None, "{text}");
        }
    }

    #[test]
    fn parts_of_names() {
        let cases: &[(&str, &str, &str, &str, &str)] = &[
            // path, {.}, {/}, {//}, {/.}
            ("a/b.tar.gz", "a/b.tar", "b.tar.gz", "a", "b.tar"),
            ("b", "b", "b", ".", "b"),
            ("/b.c", "/b", "b.c", "/", "b"),
            ("d.x/file", "d.x/file", "file", "d.x", "file"),
            ("d/.profile", "d/.profile", ".profile", "d", ".profile"),
            ("a/b/", "a/b/", "b", "a", "b"),
            ("/", "/", "/", "/", "/"),
            ("", "", "", ".", ""),
            ("x.", "x.", "x.", ".", "x."),
        ];
        for (path, no_ext, base, dir, base_no_ext) in cases {
            let of = |part: Part| {
                String::from_utf8(part.of(path.as_bytes()).into_owned()).expect("ascii")
            };
            assert_eq!(of(Part::WithoutExtension), *no_ext, "{{.}} of {path}");
            assert_eq!(of(Part::Basename), *base, "{{/}} of {path}");
            assert_eq!(of(Part::Directory), *dir, "{{//}} of {path}");
            assert_eq!(
                of(Part::BasenameWithoutExtension),
                *base_no_ext,
                "{{/.}} of {path}"
            );
        }
    }

    #[test]
    fn picks_arguments_by_position() {
        let args: [&[u8]; 3] = [b"a", b"b", b"c"];
        assert_eq!(Which::FromFirst(2).pick(&args), [b"b"]);
        assert_eq!(Which::FromLast(1).pick(&args), [b"c"]);
        assert!(Which::FromFirst(4).pick(&args).is_empty());
        assert!(Which::FromLast(4).pick(&args).is_empty());
    }
}
