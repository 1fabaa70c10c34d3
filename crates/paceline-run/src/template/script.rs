//! Reads a shell script with placeholders in it: which words it has, whether a shell is needed to
//! run it, and what quoting surrounds each placeholder.
//!
//! This is no shell parser. It follows just the nesting of quotes and substitutions, so that an
//! input can be written in as data wherever a placeholder stands. Where that cannot be told for
//! sure (backticks, comments, here-documents), it refuses the template instead of guessing.

use super::placeholder::Placeholder;
use super::quote::Quoting;
use super::{Piece, TemplateError};

/// A script, cut at its placeholders.
#[derive(Debug)]
pub(crate) struct Script {
    /// The text as it goes to the shell.
    pub(crate) pieces: Vec<Piece>,
    /// The same as words without their quotes, if no shell is needed to run it.
    pub(crate) words: Option<Vec<Vec<Piece>>>,
    /// A shell, `eval` or `trap` inside that would read an input a second time.
    pub(crate) read_twice_by: Option<String>,
}

/// Something whose end the reader is waiting for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Inside {
    Single,
    Double,
    /// `$(…)` or `(…)`.
    Parenthesis,
    /// `$((…))`, with the parentheses open inside it.
    Arithmetic(usize),
}

/// A word and a command that a `$(…)` or `(…)` interrupts.
struct Outer {
    word: Option<Vec<Piece>>,
    command: Vec<Vec<u8>>,
}

/// Words that only a shell knows: keywords, and builtins without a program of that name.
const SHELL_ONLY: &[&[u8]] = &[
    b"!",
    b".",
    b":",
    b"alias",
    b"bg",
    b"break",
    b"case",
    b"cd",
    b"command",
    b"continue",
    b"do",
    b"done",
    b"elif",
    b"else",
    b"esac",
    b"eval",
    b"exec",
    b"exit",
    b"export",
    b"fc",
    b"fg",
    b"fi",
    b"for",
    b"function",
    b"getopts",
    b"hash",
    b"if",
    b"in",
    b"jobs",
    b"let",
    b"local",
    b"popd",
    b"pushd",
    b"read",
    b"readonly",
    b"return",
    b"select",
    b"set",
    b"shift",
    b"shopt",
    b"source",
    b"then",
    b"time",
    b"times",
    b"trap",
    b"type",
    b"typeset",
    b"ulimit",
    b"umask",
    b"unalias",
    b"unset",
    b"until",
    b"wait",
    b"while",
    b"{",
    b"}",
    b"[[",
];

/// Whether this word, standing first, can be run by a shell alone.
pub(crate) fn is_shell_only(word: &[u8]) -> bool {
    SHELL_ONLY.contains(&word)
}

/// Whether a word given by itself can only be meant as a shell operator.
pub(crate) fn is_operator(word: &[u8]) -> bool {
    matches!(
        word,
        b"|" | b"||"
            | b"&"
            | b"&&"
            | b";"
            | b">"
            | b">>"
            | b"<"
            | b"2>"
            | b"2>>"
            | b"2>&1"
            | b"&>"
            | b"|&"
            | b">&2"
            | b"1>&2"
    )
}

/// Where these words hand a script to a shell, by themselves (`sh -c SCRIPT`) or through another
/// program (`env`, `sudo`, `find -exec`, …): the index of the script.
pub(crate) fn script_word_of(words: &[&[u8]]) -> Option<usize> {
    (0..words.len())
        .filter(|at| is_shell(words[*at]) || words[*at].starts_with(b"$"))
        .find_map(|shell| script_after(words, shell + 1))
}

/// The script among the arguments of a shell, which begin at `first`.
fn script_after(words: &[&[u8]], first: usize) -> Option<usize> {
    let mut at = first;
    let mut reads_script = false;
    while let Some(word) = words.get(at) {
        match *word {
            b"--" if reads_script => return Some(at + 1).filter(|next| *next < words.len()),
            b"-O" | b"+O" | b"--rcfile" | b"--init-file" => at += 1,
            _ if word.starts_with(b"--") => {}
            _ if word.starts_with(b"-") || word.starts_with(b"+") => {
                reads_script |= word.starts_with(b"-") && word.contains(&b'c');
                // The name of an option comes as a word of its own.
                at += usize::from(word.ends_with(b"o"));
            }
            _ => return reads_script.then_some(at),
        }
        at += 1;
    }
    None
}

fn is_shell(program: &[u8]) -> bool {
    let name = memchr::memrchr(b'/', program).map_or(program, |slash| &program[slash + 1..]);
    matches!(
        name,
        b"sh" | b"bash" | b"dash" | b"zsh" | b"ksh" | b"mksh" | b"ash" | b"fish"
    )
}

/// Reads a script.
pub(crate) fn read(text: &[u8]) -> Result<Script, TemplateError> {
    let mut reader = Reader::new(text);
    reader.read()?;
    reader.finish()
}

struct Reader<'a> {
    text: &'a [u8],
    at: usize,
    inside: Vec<(Inside, usize)>,
    /// What is left to go on with at the end of each open parenthesis.
    outer: Vec<Outer>,
    /// The words of the present command so far, without their quotes.
    command: Vec<Vec<u8>>,
    read_twice_by: Option<String>,
    /// The next word is where a redirection goes, and no word of the command.
    redirected: bool,
    pieces: Vec<Piece>,
    words: Vec<Vec<Piece>>,
    /// The word being read; `None` between words.
    word: Option<Vec<Piece>>,
    needs_shell: bool,
    /// A here-document was announced; its body begins after the next newline.
    here_document: bool,
    placeholders_refused: Option<&'static str>,
}

impl<'a> Reader<'a> {
    fn new(text: &'a [u8]) -> Self {
        Self {
            text,
            at: 0,
            inside: Vec::new(),
            outer: Vec::new(),
            command: Vec::new(),
            read_twice_by: None,
            redirected: false,
            pieces: Vec::new(),
            words: Vec::new(),
            word: None,
            needs_shell: false,
            here_document: false,
            placeholders_refused: None,
        }
    }

    fn read(&mut self) -> Result<(), TemplateError> {
        while let Some(&byte) = self.text.get(self.at) {
            if byte == b'{'
                && let Some((placeholder, length)) = Placeholder::at_start_of(&self.text[self.at..])
            {
                self.placeholder(placeholder)?;
                self.at += length;
                continue;
            }
            match self.inside.last().map(|(inside, _)| *inside) {
                Some(Inside::Single) => self.in_single_quotes(byte),
                Some(Inside::Double) => self.in_double_quotes(byte)?,
                Some(Inside::Arithmetic(depth)) => self.in_arithmetic(byte, depth)?,
                None | Some(Inside::Parenthesis) => self.outside_quotes(byte)?,
            }
        }
        match self.inside.last() {
            None => Ok(()),
            Some((inside, start)) => Err(TemplateError::Unclosed {
                what: match inside {
                    Inside::Single => "single quote (')",
                    Inside::Double => "double quote (\")",
                    Inside::Parenthesis => "parenthesis",
                    Inside::Arithmetic(_) => "$((",
                },
                column: start + 1,
            }),
        }
    }

    fn finish(mut self) -> Result<Script, TemplateError> {
        self.refuse_number_comparison()?;
        self.end_word();
        let first = self.words.first().map(Vec::as_slice);
        if let Some([Piece::Literal(word)]) = first {
            self.needs_shell |= is_shell_only(word);
        }
        if let Some([Piece::Literal(word), ..]) = first {
            self.needs_shell |= is_assignment(word);
        }
        Ok(Script {
            pieces: self.pieces,
            words: (!self.needs_shell).then_some(self.words),
            read_twice_by: self.read_twice_by,
        })
    }

    /// In `[[ x -eq y ]]` bash computes x and y, and runs what is in them.
    fn refuse_number_comparison(&self) -> Result<(), TemplateError> {
        const COMPARISONS: [&[u8]; 6] =
            [b" -eq ", b" -ne ", b" -lt ", b" -le ", b" -gt ", b" -ge "];
        let has = |text: &[u8]| memchr::memmem::find(self.text, text);
        let Some(at) = has(b"[[ ") else {
            return Ok(());
        };
        if COMPARISONS.iter().any(|text| has(text).is_some())
            && self.pieces.iter().any(Piece::is_input)
        {
            return Err(TemplateError::UnsafePlace {
                place: "beside a comparison of numbers in [[ ]] (write [ ] instead)",
                column: at + 1,
            });
        }
        Ok(())
    }

    fn quoting(&self) -> Quoting {
        match self.inside.last() {
            Some((Inside::Single, _)) => Quoting::Single,
            Some((Inside::Double, _)) => Quoting::Double,
            Some((Inside::Arithmetic(_), _)) => Quoting::Arithmetic,
            None | Some((Inside::Parenthesis, _)) => Quoting::Bare,
        }
    }

    fn placeholder(&mut self, placeholder: Placeholder) -> Result<(), TemplateError> {
        if let Some(place) = self.placeholders_refused {
            return Err(TemplateError::UnsafePlace {
                place,
                column: self.at + 1,
            });
        }
        let quoting = self.quoting();
        if placeholder.is_input() {
            self.look_for_second_reader();
            let word = self.word.as_deref().map(literal_text).unwrap_or_default();
            if quoting == Quoting::Bare && is_index(&word) {
                return Err(TemplateError::UnsafePlace {
                    place: "in an array index, which bash computes",
                    column: self.at + 1,
                });
            }
        }
        self.pieces.push(Piece::Placeholder {
            placeholder,
            quoting,
        });
        // A word without a shell has no quotes left: what matters is whether it may be split.
        let unquoted = if quoting == Quoting::Bare {
            Quoting::Bare
        } else {
            Quoting::Verbatim
        };
        self.word.get_or_insert_default().push(Piece::Placeholder {
            placeholder,
            quoting: unquoted,
        });
        Ok(())
    }

    /// Notes if the present word is the script of a further shell, or goes to one in another way.
    fn look_for_second_reader(&mut self) {
        let present = self.word.as_deref().map(literal_text).unwrap_or_default();
        let mut words: Vec<&[u8]> = self.command.iter().map(Vec::as_slice).collect();
        if let Some(reader) = words
            .iter()
            .find(|word| matches!(**word, b"eval" | b"trap"))
        {
            self.read_twice_by = Some(String::from_utf8_lossy(reader).into_owned());
            return;
        }
        words.push(if present.is_empty() { b"{}" } else { &present });
        if script_word_of(&words).is_some_and(|script| script + 1 == words.len()) {
            self.read_twice_by = Some("shell -c".to_owned());
        }
    }

    /// Takes `length` bytes into the script, and `shown` of them into the present word.
    fn take(&mut self, length: usize, shown: &[u8]) {
        let end = (self.at + length).min(self.text.len());
        push_literal(&mut self.pieces, &self.text[self.at..end]);
        if !shown.is_empty() {
            push_literal(self.word.get_or_insert_default(), shown);
        }
        self.at = end;
    }

    fn end_word(&mut self) {
        if let Some(word) = self.word.take() {
            if !std::mem::take(&mut self.redirected) {
                self.command.push(literal_text(&word));
            }
            self.words.push(word);
        }
    }

    fn begin(&mut self, inside: Inside) {
        if inside == Inside::Parenthesis {
            self.outer.push(Outer {
                word: self.word.take(),
                command: std::mem::take(&mut self.command),
            });
        }
        self.inside.push((inside, self.at));
    }

    fn end_parenthesis(&mut self) {
        self.operator();
        self.inside.pop();
        if let Some(outer) = self.outer.pop() {
            self.word = outer.word;
            self.command = outer.command;
        }
    }

    fn in_single_quotes(&mut self, byte: u8) {
        if byte == b'\'' {
            self.inside.pop();
            self.take(1, b"");
        } else {
            self.take(1, &[byte]);
        }
    }

    fn in_double_quotes(&mut self, byte: u8) -> Result<(), TemplateError> {
        match byte {
            b'"' => {
                self.inside.pop();
                self.take(1, b"");
            }
            b'\\' => match self.text.get(self.at + 1) {
                Some(next @ (b'"' | b'\\' | b'$' | b'`')) => self.take(2, &[*next]),
                Some(b'\n') => self.take(2, b""),
                _ => {
                    self.refuse_backslash_before_placeholder()?;
                    self.take(1, b"\\");
                }
            },
            b'$' => self.dollar()?,
            b'`' => self.backticks()?,
            other => self.take(1, &[other]),
        }
        Ok(())
    }

    fn in_arithmetic(&mut self, byte: u8, depth: usize) -> Result<(), TemplateError> {
        let set_depth = |reader: &mut Self, depth| {
            if let Some((inside, _)) = reader.inside.last_mut() {
                *inside = Inside::Arithmetic(depth);
            }
        };
        match byte {
            b'(' => {
                set_depth(self, depth + 1);
                self.take(1, b"");
            }
            b')' if depth > 0 => {
                set_depth(self, depth - 1);
                self.take(1, b"");
            }
            b')' if self.text.get(self.at + 1) == Some(&b')') => {
                self.inside.pop();
                self.take(2, b"");
            }
            // Two subshells after all, which only a whole shell parser could follow.
            b')' => {
                return Err(TemplateError::Unclosed {
                    what: "((",
                    column: self.at + 1,
                });
            }
            b'$' => self.dollar()?,
            b'`' => self.backticks()?,
            _ => self.take(1, b""),
        }
        Ok(())
    }

    fn outside_quotes(&mut self, byte: u8) -> Result<(), TemplateError> {
        match byte {
            b' ' | b'\t' => {
                self.end_word();
                self.take(1, b"");
            }
            b'\'' => {
                self.begin(Inside::Single);
                self.word.get_or_insert_default();
                self.take(1, b"");
            }
            b'"' => {
                self.begin(Inside::Double);
                self.word.get_or_insert_default();
                self.take(1, b"");
            }
            b'\\' => match self.text.get(self.at + 1) {
                Some(b'\n') => self.take(2, b""),
                Some(next) => {
                    let next = *next;
                    self.refuse_backslash_before_placeholder()?;
                    self.take(2, &[next]);
                }
                None => {
                    return Err(TemplateError::Unclosed {
                        what: "backslash (\\) at the end",
                        column: self.at + 1,
                    });
                }
            },
            b'$' => self.dollar()?,
            b'`' => self.backticks()?,
            b'#' if self.word.is_none() => self.comment(),
            b'(' if self.text.get(self.at + 1) == Some(&b'(') => {
                // bash's ((…)); where it is two subshells, only numbers are let in, which is safe.
                self.operator();
                self.begin(Inside::Arithmetic(0));
                self.take(2, b"");
            }
            b'(' => {
                self.operator();
                self.begin(Inside::Parenthesis);
                self.take(1, b"");
            }
            b')' => {
                self.end_parenthesis();
                self.take(1, b"");
            }
            b'<' if self.text[self.at..].starts_with(b"<<<") => {
                self.operator();
                self.take(3, b"");
            }
            b'<' if self.text[self.at..].starts_with(b"<<") => {
                self.operator();
                self.here_document = true;
                self.take(2, b"");
            }
            b'\n' => {
                self.operator();
                if self.here_document {
                    self.placeholders_refused = Some("in a here-document");
                }
                self.take(1, b"");
            }
            b'|' | b'&' | b';' => {
                self.operator();
                self.take(1, b"");
            }
            // The command goes on after a redirection.
            b'<' | b'>' => {
                self.needs_shell = true;
                self.end_word();
                self.redirected = true;
                self.take(1, b"");
            }
            b'*' | b'?' | b'[' => {
                self.needs_shell = true;
                self.take(1, &[byte]);
            }
            b'~' if self.word.is_none() => {
                self.needs_shell = true;
                self.take(1, b"~");
            }
            other => self.take(1, &[other]),
        }
        // A `)` of a `case` inside `$(…)` would be taken for the end of the substitution.
        if !self.inside.is_empty() && self.command.first().is_some_and(|word| word == b"case") {
            self.placeholders_refused = Some("after a `case` inside parentheses");
        }
        Ok(())
    }

    fn operator(&mut self) {
        self.needs_shell = true;
        self.end_word();
        self.command.clear();
    }

    /// At a `$`: an expansion that only a shell can do, or a plain dollar sign.
    fn dollar(&mut self) -> Result<(), TemplateError> {
        let rest = &self.text[self.at + 1..];
        match rest {
            [b'(', b'(', ..] => {
                self.needs_shell = true;
                self.word.get_or_insert_default();
                self.begin(Inside::Arithmetic(0));
                self.take(3, b"");
            }
            [b'(', ..] => {
                self.needs_shell = true;
                self.begin(Inside::Parenthesis);
                self.take(2, b"");
            }
            [b'[', ..] => {
                self.needs_shell = true;
                self.refuse_with_placeholders("beside $[…] (write $((…)) instead)")?;
                self.take(2, b"$");
            }
            [b'{', ..] => {
                self.needs_shell = true;
                let Some(close) = memchr::memchr(b'}', rest) else {
                    return Err(TemplateError::Unclosed {
                        what: "${",
                        column: self.at + 1,
                    });
                };
                // Where such an expansion ends depends on the quotes in it.
                if rest[1..close].iter().any(|b| b"'\"\\`${".contains(b)) {
                    self.refuse_with_placeholders("beside a ${…} with quotes or braces in it")?;
                }
                self.take(close + 2, b"$");
            }
            [b'\'', ..] if self.quoting() == Quoting::Bare => {
                // bash's $'…' has escapes of its own, which a placeholder inside would be read by.
                self.needs_shell = true;
                self.dollar_quote()?;
            }
            [next, ..] if next.is_ascii_alphabetic() || *next == b'_' => {
                let length = rest
                    .iter()
                    .position(|b| !(b.is_ascii_alphanumeric() || *b == b'_'))
                    .unwrap_or(rest.len());
                self.variable(length);
            }
            [next, ..]
                if next.is_ascii_digit()
                    || matches!(next, b'@' | b'*' | b'#' | b'?' | b'-' | b'$' | b'!') =>
            {
                self.variable(1);
            }
            _ => self.take(1, b"$"),
        }
        Ok(())
    }

    /// `$NAME`; in braces if an input comes next, which would otherwise read on as part of the name.
    fn variable(&mut self, name_length: usize) {
        self.needs_shell = true;
        let name = &self.text[self.at + 1..][..name_length];
        let after = &self.text[self.at + 1 + name_length..];
        if Placeholder::at_start_of(after).is_some() {
            push_literal(&mut self.pieces, &[b"${", name, b"}"].concat());
            self.word.get_or_insert_default();
            self.at += 1 + name_length;
        } else {
            self.take(1 + name_length, b"$");
        }
    }

    fn dollar_quote(&mut self) -> Result<(), TemplateError> {
        let start = self.at;
        let mut end = self.at + 2;
        loop {
            match self.text.get(end) {
                Some(b'\\') => end += 2,
                Some(b'\'') => break,
                Some(_) => end += 1,
                None => {
                    return Err(TemplateError::Unclosed {
                        what: "$'",
                        column: start + 1,
                    });
                }
            }
        }
        self.refuse_placeholders_until(end, "inside $'…'")?;
        if memchr::memmem::find(&self.text[start..end], b"\\'").is_some() {
            // Only some shells know $'…'; the others see its end elsewhere.
            self.refuse_with_placeholders("beside a $'…' with a quote in it")?;
        }
        self.take(end + 1 - start, b"$");
        Ok(())
    }

    fn backticks(&mut self) -> Result<(), TemplateError> {
        let start = self.at;
        let mut end = start + 1;
        loop {
            match self.text.get(end) {
                Some(b'`') => break,
                Some(b'\\') => end += 2,
                Some(_) => end += 1,
                None => {
                    return Err(TemplateError::Unclosed {
                        what: "backtick (`)",
                        column: start + 1,
                    });
                }
            }
        }
        self.needs_shell = true;
        self.refuse_placeholders_until(end, "inside backticks (write $(…) instead)")?;
        self.take(end + 1 - start, b"`");
        Ok(())
    }

    fn comment(&mut self) {
        self.needs_shell = true;
        let length =
            memchr::memchr(b'\n', &self.text[self.at..]).unwrap_or(self.text.len() - self.at);
        // A placeholder here stays as it is: an input with a newline in it would end the comment.
        self.take(length, b"");
    }

    /// The backslash would swallow the first byte of the input's own quoting.
    fn refuse_backslash_before_placeholder(&self) -> Result<(), TemplateError> {
        match Placeholder::at_start_of(&self.text[self.at + 1..]) {
            None => Ok(()),
            Some(_) => Err(TemplateError::UnsafePlace {
                place: "right after a backslash",
                column: self.at + 2,
            }),
        }
    }

    /// For what cannot be followed well enough to let any input into the same script.
    fn refuse_with_placeholders(&self, place: &'static str) -> Result<(), TemplateError> {
        let found = (0..self.text.len()).find(|at| {
            Placeholder::at_start_of(&self.text[*at..]).is_some_and(|(found, _)| found.is_input())
        });
        match found {
            None => Ok(()),
            Some(at) => Err(TemplateError::UnsafePlace {
                place,
                column: at + 1,
            }),
        }
    }

    fn refuse_placeholders_until(
        &self,
        end: usize,
        place: &'static str,
    ) -> Result<(), TemplateError> {
        let end = end.min(self.text.len());
        for at in self.at..end {
            if Placeholder::at_start_of(&self.text[at..end]).is_some() {
                return Err(TemplateError::UnsafePlace {
                    place,
                    column: at + 1,
                });
            }
        }
        Ok(())
    }
}

fn push_literal(pieces: &mut Vec<Piece>, text: &[u8]) {
    if let Some(Piece::Literal(last)) = pieces.last_mut() {
        last.extend_from_slice(text);
    } else {
        pieces.push(Piece::Literal(text.to_vec()));
    }
}

/// The text of a word, with a stand-in for each input.
fn literal_text(word: &[Piece]) -> Vec<u8> {
    let mut text = Vec::new();
    for piece in word {
        match piece {
            Piece::Literal(literal) => text.extend_from_slice(literal),
            Piece::Placeholder { .. } => text.extend_from_slice(b"{}"),
        }
    }
    text
}

/// `name[…`, not yet closed.
fn is_index(word: &[u8]) -> bool {
    let Some(open) = memchr::memchr(b'[', word) else {
        return false;
    };
    open > 0
        && word[..open]
            .iter()
            .all(|b| b.is_ascii_alphanumeric() || *b == b'_')
        && memchr::memchr(b']', &word[open..]).is_none()
}

/// `NAME=…` before a command sets a variable for it.
pub(crate) fn is_assignment(word: &[u8]) -> bool {
    let Some(equals) = memchr::memchr(b'=', word) else {
        return false;
    };
    let name = &word[..equals];
    name.first()
        .is_some_and(|b| b.is_ascii_alphabetic() || *b == b'_')
        && name.iter().all(|b| b.is_ascii_alphanumeric() || *b == b'_')
}

#[cfg(test)]
mod tests;
