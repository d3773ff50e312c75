//! Arguments in, exit code out.

use std::process::ExitCode;

fn main() -> ExitCode {
    lapwing::cli::main(std::env::args_os())
}
