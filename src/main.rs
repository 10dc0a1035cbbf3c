//! The command line of Keyward.

mod cli;

use std::process::ExitCode;

fn main() -> ExitCode {
    cli::run()
}
