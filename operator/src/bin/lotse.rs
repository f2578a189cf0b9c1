//! `lotse`, also run as `kubectl lotse`: reads flags, does what they say, and tells errors with their causes.

use std::io::{self, Write};
use std::process::ExitCode;

use clap::Parser as _;
use jiff::Timestamp;
use lotse_operator::args::{Cli, Command};
use lotse_operator::{analyze, check, explain, inject_command, status};

fn main() -> ExitCode {
    let command = Cli::parse().command;
    // kube asks for the process's TLS provider; there is one.
    drop(rustls::crypto::aws_lc_rs::default_provider().install_default());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    // Takes colours out where nobody would see them: NO_COLOR, a pipe, a file.
    let mut out = anstream::stdout().lock();
    let done = match runtime {
        Ok(runtime) => runtime.block_on(run(&command, &mut out)),
        Err(error) => Err(error.into()),
    };
    match done {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        // Whoever reads has read enough: `lotse explain … | head`.
        Err(error) if is_closed_pipe(&error) => ExitCode::SUCCESS,
        Err(error) => {
            anstream::eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Says whether all is well; what a command could not do at all is an error.
async fn run(command: &Command, out: &mut dyn Write) -> anyhow::Result<bool> {
    #[expect(clippy::disallowed_methods, reason = "this is the command line's one clock")]
    let now = Timestamp::now();
    match command {
        Command::Explain(flags) => explain::run(flags, now, out).await.map(|()| true),
        Command::Analyze(flags) => analyze::run(flags, now, out).await,
        Command::Status(flags) => status::run(flags, out).await,
        Command::Check(flags) => check::run(flags, now, out).await,
        Command::Inject(flags) => inject_command::run(flags, out).map(|()| true),
    }
}

fn is_closed_pipe(error: &anyhow::Error) -> bool {
    let of = |cause: &(dyn std::error::Error + 'static)| cause.downcast_ref::<io::Error>().map(io::Error::kind);
    error.chain().filter_map(of).any(|kind| kind == io::ErrorKind::BrokenPipe)
}
