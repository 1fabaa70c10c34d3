//! Flags and words into the sources of inputs.

use paceline_run::input::{BlockOptions, InputOptions, Joined, Origin, Source};

use super::shared_flags::InputFlags;
use super::words::file_or_stdin;
use crate::exit::Failure;

pub(crate) fn inputs(
    mut sources: Vec<Source>,
    flags: &InputFlags,
) -> Result<InputOptions, Failure> {
    let files = flags.arg_file.iter().map(|path| Source {
        origin: file_or_stdin(path.clone()),
        joined: Joined::Product,
    });
    let mut all: Vec<Source> = files.collect();
    all.append(&mut sources);
    if all.is_empty() {
        all.push(Source {
            origin: Origin::Stdin,
            joined: Joined::Product,
        });
    }
    if all
        .iter()
        .filter(|source| source.origin == Origin::Stdin)
        .count()
        > 1
    {
        return Err(Failure::usage(
            "standard input is named as a source more than once",
            "it can be read only once",
        ));
    }
    let column_separator = match &flags.colsep {
        None => None,
        Some(pattern) => Some(regex::bytes::Regex::new(pattern).map_err(|error| {
            let detail = error.to_string();
            let detail = detail
                .lines()
                .last()
                .unwrap_or_default()
                .trim_start_matches("error: ")
                .to_owned();
            Failure::usage(
                format!("--colsep {pattern:?} is not a pattern: {detail}"),
                "characters such as | . * ( have a meaning in patterns: write \\| for a bar",
            )
        })?),
    };
    let delimiter = match &flags.delimiter {
        _ if flags.null => vec![0],
        None => b"\n".to_vec(),
        Some(text) => unescaped(text)
            .filter(|delimiter| !delimiter.is_empty())
            .ok_or_else(|| {
                Failure::usage(
                    format!("--delimiter {text:?} cannot be used"),
                    "give one or more characters, or \\n, \\t, \\0, \\xHH",
                )
            })?,
    };
    let blocks = if flags.pipe {
        Some(blocks(&all, flags)?)
    } else {
        None
    };
    let packs = flags.xargs || flags.many;
    let per_item = flags
        .max_args
        .or(flags.max_replace_args.filter(|n| *n > 0))
        .filter(|_| !packs);
    Ok(InputOptions {
        sources: all,
        link: flags.link,
        delimiter,
        column_separator,
        per_item: per_item.unwrap_or(1) as usize,
        skip_empty: flags.no_run_if_empty,
        shuffle: flags.shuf,
        blocks,
    })
}

pub(crate) fn reads_terminal(inputs: &InputOptions) -> bool {
    use std::io::IsTerminal as _;
    inputs
        .sources
        .iter()
        .any(|source| source.origin == Origin::Stdin)
        && std::io::stdin().is_terminal()
}

fn blocks(sources: &[Source], flags: &InputFlags) -> Result<BlockOptions, Failure> {
    if sources.len() > 1 || matches!(sources[0].origin, Origin::Words(_)) {
        return Err(Failure::usage(
            "--pipe reads one stream, standard input or one -a FILE",
            "leave out the other inputs",
        ));
    }
    let record_end = unescaped(&flags.recend)
        .filter(|end| !end.is_empty())
        .ok_or_else(|| {
            Failure::usage(
                format!("--recend {:?} cannot be used", flags.recend),
                "give one or more characters, or \\n, \\t, \\0, \\xHH",
            )
        })?;
    let records = flags.max_args.or(flags.max_replace_args);
    if records == Some(0) {
        return Err(Failure::usage(
            "-N 0 has no meaning with --pipe",
            "give 1 or more records, or leave it out",
        ));
    }
    Ok(BlockOptions {
        bytes: flags.block,
        records: records.map(|n| n as usize),
        record_end,
    })
}

fn unescaped(text: &str) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    let mut rest = text.as_bytes();
    while let Some((&byte, after)) = rest.split_first() {
        rest = after;
        if byte != b'\\' {
            bytes.push(byte);
            continue;
        }
        let (&code, after) = rest.split_first()?;
        rest = after;
        bytes.push(match code {
            b'n' => b'\n',
            b't' => b'\t',
            b'r' => b'\r',
            b'0' => 0,
            b'\\' => b'\\',
            b'x' => {
                let (digits, after) = rest.split_at_checked(2)?;
                rest = after;
                u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()?
            }
            _ => return None,
        });
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delimiters_may_be_escaped() {
        assert_eq!(unescaped("\\t"), Some(b"\t".to_vec()));
        assert_eq!(unescaped("a\\x00\\\\"), Some(b"a\0\\".to_vec()));
        for bad in ["\\", "\\q", "\\x1", "\\xzz"] {
            assert_eq!(unescaped(bad), None, "{bad}");
        }
    }
}
