//! The command to run for each input: read once, then filled in for each job.
//!
//! A template that a shell is not needed for becomes an argument list, spawned directly. One with
//! shell syntax becomes a script for `sh -c`, into which each input is written quoted for the place
//! where it stands, so that an input is data whatever it contains.
//!
//! The whole story: `docs/design/templates.md`.

mod argv;
mod placeholder;
mod quote;
mod render;
mod script;

use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

pub use argv::Argv;
pub use quote::shell_quoted;
pub use render::{JobContext, RenderError};

use placeholder::{Part, Placeholder, Which};
use quote::Quoting;
use script::Script;

/// How the command was given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CommandLine {
    /// Words after `--`: a program and its arguments, never a shell.
    Argv(Vec<Vec<u8>>),
    /// Words without `--`: one word is read as a command line; several are a program and its
    /// arguments, unless one of them is a shell operator.
    Words(Vec<Vec<u8>>),
}

/// What to make of the placeholders.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Insert {
    /// Each placeholder becomes the job's inputs; without any, they are appended.
    #[default]
    Inputs,
    /// `-X`: as `Inputs`, and a word with a placeholder inside is repeated for each input.
    InputsWithContext,
    /// `-N0`: the command runs once per input, without it.
    Nothing,
}

/// A command with places for the inputs.
#[derive(Clone, Debug)]
pub struct Template {
    form: Form,
    insert: Insert,
    source: Vec<Vec<u8>>,
}

#[derive(Clone, Debug)]
enum Form {
    Direct(Vec<Word>),
    Shell { shell: PathBuf, script: Vec<Piece> },
}

/// One argument of a direct form.
#[derive(Clone, Debug)]
struct Word {
    pieces: Vec<Piece>,
    /// The program is a shell and this is the script it was given.
    is_script: bool,
}

impl From<Vec<Piece>> for Word {
    fn from(pieces: Vec<Piece>) -> Self {
        Self {
            pieces,
            is_script: false,
        }
    }
}

/// A stretch of a template.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Piece {
    Literal(Vec<u8>),
    Placeholder {
        placeholder: Placeholder,
        quoting: Quoting,
    },
}

impl Piece {
    fn is_input(&self) -> bool {
        matches!(self, Self::Placeholder { placeholder, .. } if placeholder.is_input())
    }
}

/// A template that cannot be used.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum TemplateError {
    /// No words, or only empty ones.
    #[error("no command was given")]
    Empty,
    /// A quote or parenthesis that never ends.
    #[error("the command has an unclosed {what}, opened at column {column}")]
    Unclosed {
        /// What was opened.
        what: &'static str,
        /// Where, counted from 1 in bytes.
        column: usize,
    },
    /// A placeholder where no quoting keeps an input from being read as code.
    #[error(
        "the placeholder at column {column} stands {place}, where an input cannot be quoted safely"
    )]
    UnsafePlace {
        /// The place, fitting after "stands".
        place: &'static str,
        /// Where, counted from 1 in bytes.
        column: usize,
    },
    /// `-X` with a placeholder inside a word of a script.
    #[error("-X cannot repeat a word around {{}} in a command that needs a shell")]
    ContextInScript,
    /// `sh -c '… {} …'` inside a longer shell command.
    #[error(
        "the placeholder would be read a second time by the inner {shell}, where it cannot be quoted safely"
    )]
    NestedShell {
        /// The inner shell or `eval`.
        shell: String,
    },
}

impl TemplateError {
    /// What the user can do about it.
    pub fn hint(&self) -> &'static str {
        match self {
            Self::Empty => {
                "give the command before the inputs, as in: paceline run gzip {} ::: a b"
            }
            Self::Unclosed { .. } => {
                "close it, or give a program and its arguments after --, which no shell reads"
            }
            Self::UnsafePlace { .. } => {
                "pass the input as an argument: paceline run -- sh -c 'echo \"$1\"' sh {}"
            }
            Self::ContextInScript => "use -m, or give the program and its arguments after --",
            Self::NestedShell { .. } => "pass the input as an argument: sh -c 'echo \"$1\"' sh {}",
        }
    }
}

impl Template {
    /// Reads a command. `shell` runs those that need one.
    pub fn parse(
        command: CommandLine,
        insert: Insert,
        shell: PathBuf,
    ) -> Result<Self, TemplateError> {
        let (words, as_argv) = match command {
            CommandLine::Argv(words) => (words, true),
            CommandLine::Words(words) => (words, false),
        };
        if words.iter().all(|word| word.trim_ascii().is_empty()) {
            return Err(TemplateError::Empty);
        }
        let source = words;
        let mut form = if as_argv {
            direct(&source)?
        } else if let [line] = source.as_slice() {
            of_script(line, shell)?
        } else if source.iter().any(|word| script::is_operator(word))
            || is_piece_of_a_line(&source[0])
        {
            // As GNU parallel: `'grep -c' {}` and `zcat {} '>' {.}` are pieces of one command line.
            of_script(&source.join(&b' '), shell)?
        } else if script::is_shell_only(&source[0]) || script::is_assignment(&source[0]) {
            let mut line = source[0].clone();
            for word in &source[1..] {
                line.push(b' ');
                line.extend(word_of_line(word));
            }
            of_script(&line, shell)?
        } else {
            direct(&source)?
        };
        if insert == Insert::InputsWithContext
            && let Form::Shell { script, .. } = &form
        {
            refuse_context(script)?;
        }
        if insert != Insert::Nothing && !form.has_input() {
            form.append_input();
        }
        Ok(Self {
            form,
            insert,
            source,
        })
    }

    /// The program to start, if no input is part of its name: the shell, for those that need one.
    pub fn fixed_program(&self) -> Option<&[u8]> {
        match &self.form {
            Form::Direct(words) => match words.first()?.pieces.as_slice() {
                [Piece::Literal(program)] => Some(program),
                _ => None,
            },
            Form::Shell { shell, .. } => Some(shell.as_os_str().as_bytes()),
        }
    }

    /// What is made of the placeholders.
    pub fn insert(&self) -> Insert {
        self.insert
    }

    /// Whether a placeholder for the input stands in it.
    pub fn has_input(&self) -> bool {
        self.form.has_input()
    }

    /// Whether each job is read by a shell.
    pub fn uses_shell(&self) -> bool {
        matches!(self.form, Form::Shell { .. })
    }

    /// The command as the user gave it, for messages.
    pub fn display(&self) -> String {
        match self.source.as_slice() {
            [line] => String::from_utf8_lossy(line).into_owned(),
            words => {
                let quoted: Vec<_> = words
                    .iter()
                    .map(|word| {
                        if pieces_of(word)
                            .iter()
                            .any(|p| matches!(p, Piece::Placeholder { .. }))
                        {
                            word.clone()
                        } else {
                            shell_quoted(word)
                        }
                    })
                    .collect();
                String::from_utf8_lossy(&quoted.join(&b' ')).into_owned()
            }
        }
    }

    /// Bytes that differ between any two templates that would run different commands.
    pub fn identity(&self) -> Vec<u8> {
        let mut identity = vec![match (self.insert, self.uses_shell()) {
            (Insert::Inputs, false) => b'd',
            (Insert::Inputs, true) => b's',
            (Insert::InputsWithContext, false) => b'x',
            (Insert::InputsWithContext, true) => b'X',
            (Insert::Nothing, false) => b'n',
            (Insert::Nothing, true) => b'N',
        }];
        for word in &self.source {
            identity.extend_from_slice(word);
            identity.push(0);
        }
        identity
    }
}

/// `-X` repeats the word around a placeholder; in a script, words are the shell's business.
fn refuse_context(script: &[Piece]) -> Result<(), TemplateError> {
    let blank =
        |byte: Option<&u8>| byte.is_none_or(|b| b.is_ascii_whitespace() || b";|&<>()".contains(b));
    let literal = |at: Option<usize>| match at.and_then(|at| script.get(at)) {
        Some(Piece::Literal(text)) => text.as_slice(),
        _ => b"",
    };
    let mut inputs = script
        .iter()
        .enumerate()
        .filter(|(_, piece)| piece.is_input());
    let alone = inputs.all(|(at, _)| {
        blank(literal(at.checked_sub(1)).last()) && blank(literal(Some(at + 1)).first())
    });
    if alone {
        Ok(())
    } else {
        Err(TemplateError::ContextInScript)
    }
}

/// A word as a part of a command line, with its placeholders still in it.
fn word_of_line(word: &[u8]) -> Vec<u8> {
    let pieces = pieces_of(word);
    let placeholders = pieces
        .iter()
        .filter(|piece| matches!(piece, Piece::Placeholder { .. }))
        .count();
    match (placeholders, pieces.len()) {
        (0, _) => shell_quoted(word),
        (1, 1) => word.to_vec(),
        _ => {
            let mut quoted = vec![b'"'];
            for piece in &pieces {
                match piece {
                    // Double quotes take any bytes.
                    Piece::Literal(text) => {
                        let _ = Quoting::Double.write(text, &mut quoted);
                    }
                    Piece::Placeholder { placeholder, .. } => {
                        quoted.extend_from_slice(placeholder.to_string().as_bytes());
                    }
                }
            }
            quoted.push(b'"');
            quoted
        }
    }
}

/// A first word with a space in it is the beginning of a command line, unless it is a path.
fn is_piece_of_a_line(first: &[u8]) -> bool {
    first.contains(&b' ') && !first.starts_with(b"/") && !first.starts_with(b"./")
}

impl Form {
    fn has_input(&self) -> bool {
        match self {
            Self::Direct(words) => words
                .iter()
                .flat_map(|word| &word.pieces)
                .any(Piece::is_input),
            Self::Shell { script, .. } => script.iter().any(Piece::is_input),
        }
    }

    fn append_input(&mut self) {
        let placeholder = Piece::Placeholder {
            placeholder: Placeholder::Input {
                which: Which::All,
                part: Part::Whole,
            },
            quoting: Quoting::Bare,
        };
        match self {
            Self::Direct(words) => words.push(vec![placeholder].into()),
            Self::Shell { script, .. } => {
                script.push(Piece::Literal(b" ".to_vec()));
                script.push(placeholder);
            }
        }
    }
}

/// A line that may or may not need a shell.
fn of_script(line: &[u8], shell: PathBuf) -> Result<Form, TemplateError> {
    let script = script::read(line)?;
    if let Some(words) = script.words {
        return quote_inner_script(words.into_iter().map(Word::from).collect());
    }
    refuse_nested_shell(&script)?;
    Ok(Form::Shell {
        shell,
        script: script.pieces,
    })
}

fn direct(words: &[Vec<u8>]) -> Result<Form, TemplateError> {
    quote_inner_script(words.iter().map(|word| pieces_of(word).into()).collect())
}

/// In `sh -c '… {} …'` the inner script is read by a shell after all: its placeholders are quoted
/// for their places in it. A script that is nothing but a placeholder is the user's wish to run
/// each input as a script.
fn quote_inner_script(mut words: Vec<Word>) -> Result<Form, TemplateError> {
    let texts: Vec<Vec<u8>> = words.iter().map(|word| text_of(&word.pieces)).collect();
    let texts: Vec<&[u8]> = texts.iter().map(Vec::as_slice).collect();
    if let Some(index) = script::script_word_of(&texts)
        && words[index].pieces.len() > 1
        && words[index].pieces.iter().any(Piece::is_input)
    {
        let inner = script::read(texts[index])?;
        refuse_nested_shell(&inner)?;
        words[index] = Word {
            pieces: inner.pieces,
            is_script: true,
        };
    }
    Ok(Form::Direct(words))
}

/// A placeholder in the script of a further shell is quoted for the outer one alone.
fn refuse_nested_shell(script: &Script) -> Result<(), TemplateError> {
    match &script.read_twice_by {
        Some(shell) => Err(TemplateError::NestedShell {
            shell: shell.clone(),
        }),
        None => Ok(()),
    }
}

/// Cuts a word at its placeholders. Outside a shell none of them is quoted.
fn pieces_of(word: &[u8]) -> Vec<Piece> {
    let mut pieces = Vec::new();
    let mut literal = Vec::new();
    let mut at = 0;
    while at < word.len() {
        if let Some((placeholder, length)) = Placeholder::at_start_of(&word[at..]) {
            if !literal.is_empty() {
                pieces.push(Piece::Literal(std::mem::take(&mut literal)));
            }
            pieces.push(Piece::Placeholder {
                placeholder,
                quoting: Quoting::Bare,
            });
            at += length;
        } else {
            literal.push(word[at]);
            at += 1;
        }
    }
    if !literal.is_empty() || pieces.is_empty() {
        pieces.push(Piece::Literal(literal));
    }
    pieces
}

fn text_of(word: &[Piece]) -> Vec<u8> {
    let mut text = Vec::new();
    for piece in word {
        match piece {
            Piece::Literal(literal) => text.extend_from_slice(literal),
            Piece::Placeholder { placeholder, .. } => {
                text.extend_from_slice(placeholder.to_string().as_bytes())
            }
        }
    }
    text
}

#[cfg(test)]
mod tests;
