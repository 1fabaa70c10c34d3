//! Filling a template in for one job.

use std::os::unix::ffi::OsStrExt;

use super::placeholder::Placeholder;
use super::quote::{Quoting, shell_quoted};
use super::{Argv, Form, Insert, Piece, Template, Word};

/// What a template is filled in with.
#[derive(Clone, Copy, Debug)]
pub struct JobContext<'a> {
    /// The job's inputs.
    pub args: &'a [&'a [u8]],
    /// `{#}`: the position of the input, counted from 1.
    pub seq: u64,
    /// `{%}`: the slot, counted from 1.
    pub slot: usize,
}

/// An input that cannot be written into the template.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RenderError {
    /// Inside `$((…))` only a number is data.
    #[error("the input is not a whole number, so it cannot stand inside $((…))")]
    NotANumber,
}

impl Template {
    /// Writes the arguments for one job into `argv`, program first.
    pub fn render(&self, context: &JobContext<'_>, argv: &mut Argv) -> Result<(), RenderError> {
        argv.clear();
        match &self.form {
            Form::Shell { shell, script } => {
                argv.push(shell.as_os_str().as_bytes());
                argv.push(b"-c");
                argv.begin();
                self.write_pieces(script, context, Place::Script, argv)?;
                argv.end();
            }
            Form::Direct(words) => {
                for word in words {
                    self.write_word(word, context, argv)?;
                }
            }
        }
        Ok(())
    }

    /// Writes filled-in arguments as a line that could be typed into a shell: a script as it is,
    /// other words quoted where they need it.
    pub fn write_command(&self, argv: &Argv, line: &mut Vec<u8>) {
        if self.uses_shell() {
            line.extend_from_slice(argv.iter().last().unwrap_or_default());
            return;
        }
        for (index, word) in argv.iter().enumerate() {
            if index > 0 {
                line.push(b' ');
            }
            line.extend_from_slice(&shell_quoted(word));
        }
    }

    /// The command for one item, its arguments joined by NUL bytes, as one line for people.
    pub fn command_for(&self, joined: &[u8], seq: u64) -> String {
        let args: Vec<&[u8]> = joined.split(|b| *b == 0).collect();
        let mut argv = Argv::new();
        let mut line = Vec::new();
        match self.render(
            &JobContext {
                args: &args,
                seq,
                slot: 1,
            },
            &mut argv,
        ) {
            Ok(()) => self.write_command(&argv, &mut line),
            Err(_) => return self.display(),
        }
        crate::input::display_joined(&line)
    }

    /// The bytes that one more input adds to the arguments, at most, and those of the template alone.
    pub(crate) fn cost(&self, input: &[u8]) -> usize {
        let quotes = input
            .iter()
            .filter(|b| matches!(b, b'\'' | b'"' | b'\\' | b'$' | b'`'))
            .count();
        let each = input.len() + 1 + size_of::<usize>();
        match &self.form {
            Form::Direct(words) => words
                .iter()
                .map(|word| {
                    let inputs = word.pieces.iter().filter(|piece| piece.is_input()).count();
                    let quoting = if word.is_script { 3 * quotes + 3 } else { 0 };
                    let context = if self.insert == Insert::InputsWithContext {
                        literal_length(&word.pieces)
                    } else {
                        0
                    };
                    if inputs == 0 {
                        0
                    } else {
                        inputs * (each + quoting) + context
                    }
                })
                .sum(),
            Form::Shell { script, .. } => {
                script.iter().filter(|piece| piece.is_input()).count() * (each + 3 * quotes + 3)
            }
        }
    }

    /// The bytes of the arguments before any input is put in.
    pub(crate) fn base_cost(&self) -> usize {
        match &self.form {
            Form::Direct(words) => words
                .iter()
                .map(|word| literal_length(&word.pieces) + 1 + size_of::<usize>())
                .sum(),
            Form::Shell { shell, script } => shell.as_os_str().len() + literal_length(script) + 32,
        }
    }

    fn write_word(
        &self,
        word: &Word,
        context: &JobContext<'_>,
        argv: &mut Argv,
    ) -> Result<(), RenderError> {
        if self.insert == Insert::Nothing
            && matches!(word.pieces.as_slice(), [only] if only.is_input())
        {
            return Ok(());
        }
        if word.is_script {
            argv.begin();
            self.write_pieces(&word.pieces, context, Place::Script, argv)?;
            argv.end();
        } else if self.insert == Insert::InputsWithContext
            && word.pieces.iter().any(Piece::is_input)
        {
            for arg in context.args {
                let one = JobContext {
                    args: &[arg],
                    ..*context
                };
                argv.begin();
                self.write_pieces(&word.pieces, &one, Place::Word, argv)?;
                argv.end();
            }
        } else {
            argv.begin();
            self.write_pieces(&word.pieces, context, Place::Word, argv)?;
            argv.end();
        }
        Ok(())
    }

    fn write_pieces(
        &self,
        pieces: &[Piece],
        context: &JobContext<'_>,
        place: Place,
        argv: &mut Argv,
    ) -> Result<(), RenderError> {
        for piece in pieces {
            let (placeholder, quoting) = match piece {
                Piece::Literal(text) => {
                    argv.buffer().extend_from_slice(text);
                    continue;
                }
                Piece::Placeholder {
                    placeholder,
                    quoting,
                } => (*placeholder, *quoting),
            };
            match placeholder {
                Placeholder::Sequence => argv
                    .buffer()
                    .extend_from_slice(context.seq.to_string().as_bytes()),
                Placeholder::Slot => argv
                    .buffer()
                    .extend_from_slice(context.slot.to_string().as_bytes()),
                Placeholder::Input { .. } if self.insert == Insert::Nothing => {}
                Placeholder::Input { which, part } => {
                    for (index, arg) in which.pick(context.args).iter().enumerate() {
                        if index > 0 {
                            place.separate(quoting, argv);
                        }
                        place
                            .quoting(quoting)
                            .write(&part.of(arg), argv.buffer())
                            .map_err(|_| RenderError::NotANumber)?;
                    }
                }
            }
        }
        Ok(())
    }
}

/// Who reads what a placeholder turns into.
#[derive(Clone, Copy)]
enum Place {
    /// A program: no quotes to write, and several inputs outside quotes are several arguments.
    Word,
    /// A shell, whose quoting rules hold.
    Script,
}

impl Place {
    fn quoting(self, in_template: Quoting) -> Quoting {
        match self {
            Self::Word => Quoting::Verbatim,
            Self::Script => in_template,
        }
    }

    fn separate(self, in_template: Quoting, argv: &mut Argv) {
        match (self, in_template) {
            (Self::Word, Quoting::Bare) => {
                argv.end();
                argv.begin();
            }
            _ => argv.buffer().push(b' '),
        }
    }
}

fn literal_length(pieces: &[Piece]) -> usize {
    pieces
        .iter()
        .map(|piece| match piece {
            Piece::Literal(text) => text.len(),
            Piece::Placeholder { .. } => 8,
        })
        .sum()
}
