//! How commands print: results to standard output, where a failure is an error; remarks to standard error, where it is
//! not.

use std::{
    fmt::{self, Display},
    io::{self, ErrorKind, Write},
};

/// The result could not be written to standard output completely.
#[derive(Debug)]
pub(in crate::cli) struct NotPrinted(io::Error);

impl NotPrinted {
    /// Whether the reader has closed the pipe, as `head` does when it has read enough.
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

/// Prints a result to standard output, and flushes it.
///
/// # Errors
/// [`NotPrinted`].
pub(in crate::cli) fn print(text: impl Display) -> Result<(), NotPrinted> {
    let mut output = io::stdout().lock();
    write!(output, "{text}").and_then(|()| output.flush()).map_err(NotPrinted)
}

/// The same as a line.
///
/// # Errors
/// [`NotPrinted`].
pub(in crate::cli) fn print_line(line: impl Display) -> Result<(), NotPrinted> {
    print(format_args!("{line}\n"))
}

/// The same for a result that is also the exit code, so that a closed pipe is no failure.
///
/// # Errors
/// [`NotPrinted`] for all other failures.
pub(in crate::cli) fn print_line_unless_closed(line: impl Display) -> Result<(), NotPrinted> {
    match print_line(line) {
        Err(error) if error.is_closed() => Ok(()),
        printed => printed,
    }
}

/// Prints a remark to standard error. A failure is ignored, because there is nowhere left to report it.
pub(in crate::cli) fn tell(text: impl Display) {
    let mut output = io::stderr().lock();
    let _ = write!(output, "{text}").and_then(|()| output.flush());
}

/// The same as a line.
pub(in crate::cli) fn tell_line(line: impl Display) {
    tell(format_args!("{line}\n"));
}
