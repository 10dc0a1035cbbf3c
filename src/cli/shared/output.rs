//! The only way by which commands print: with checks where what is printed was asked for, and without any where it is only
//! said beside that.

use std::{
    fmt::{self, Display},
    io::{self, ErrorKind, Write},
};

/// Standard output took nothing, or not all.
#[derive(Debug)]
pub(in crate::cli) struct NotPrinted(io::Error);

impl NotPrinted {
    /// Whether whoever reads has read enough, as `head` does.
    pub(in crate::cli) fn is_closed(&self) -> bool {
        self.0.kind() == ErrorKind::BrokenPipe
    }
}

impl Display for NotPrinted {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "cannot write to standard output: {}", self.0)
    }
}

impl std::error::Error for NotPrinted {}

/// Prints to standard output, and all of it before this returns.
///
/// # Errors
/// [`NotPrinted`].
pub(in crate::cli) fn print(text: impl Display) -> Result<(), NotPrinted> {
    let mut output = io::stdout().lock();
    write!(output, "{text}").and_then(|()| output.flush()).map_err(NotPrinted)
}

/// The same with the end of a line.
///
/// # Errors
/// [`NotPrinted`].
pub(in crate::cli) fn print_line(line: impl Display) -> Result<(), NotPrinted> {
    print(format_args!("{line}\n"))
}

/// The same where nobody has to read it, because the exit code says it, too.
///
/// # Errors
/// [`NotPrinted`], but for a reader who has gone.
pub(in crate::cli) fn print_line_for_readers(line: impl Display) -> Result<(), NotPrinted> {
    match print_line(line) {
        Err(error) if error.is_closed() => Ok(()),
        printed => printed,
    }
}

/// Tells whoever sits at the terminal, on standard error. Where that takes nothing, nobody can be told.
pub(in crate::cli) fn tell(text: impl Display) {
    let mut output = io::stderr().lock();
    let _ = write!(output, "{text}").and_then(|()| output.flush());
}

/// The same with the end of a line.
pub(in crate::cli) fn tell_line(line: impl Display) {
    tell(format_args!("{line}\n"));
}
