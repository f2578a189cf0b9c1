//! `lotse`: reads flags, does what they say, and tells errors with their causes.

use std::io;
use std::process::ExitCode;

use clap::Parser as _;
use jiff::Timestamp;
use lotse_operator::args::{Cli, Command};
use lotse_operator::explain;

fn main() -> ExitCode {
    #[expect(clippy::disallowed_methods, reason = "this is the command line's one clock")]
    let now = Timestamp::now();
    // Takes colours out where nobody would see them: NO_COLOR, a pipe, a file.
    let mut out = anstream::stdout().lock();
    let done = match Cli::parse().command {
        Command::Explain(flags) => explain::run(&flags, now, &mut out),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        // Whoever reads has read enough: `lotse explain … | head`.
        Err(error) if is_closed_pipe(&error) => ExitCode::SUCCESS,
        Err(error) => {
            anstream::eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn is_closed_pipe(error: &anyhow::Error) -> bool {
    let of = |cause: &(dyn std::error::Error + 'static)| cause.downcast_ref::<io::Error>().map(io::Error::kind);
    error.chain().filter_map(of).any(|kind| kind == io::ErrorKind::BrokenPipe)
}
