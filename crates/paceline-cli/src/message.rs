//! Messages to the user.

use std::fmt::Arguments;
use std::io::Write;

/// Writes a line to standard error. Whoever has closed it does not want to know: unlike `eprintln!`,
/// this goes on.
macro_rules! tell {
    ($($text:tt)*) => {
        $crate::message::line(format_args!($($text)*))
    };
}

/// What `tell!` stands for.
pub(crate) fn line(text: Arguments<'_>) {
    let _ = writeln!(std::io::stderr(), "{text}");
}
