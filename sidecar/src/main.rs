//! `lotse-sidecar`: reads flags, starts, and stops on a signal.

use std::io::{self, Write as _};
use std::process::ExitCode;

use clap::Parser as _;
use lotse_sidecar::args::{Cli, Command, Run};
use lotse_sidecar::{StartError, report, start, telemetry};
use tokio::signal::unix::{SignalKind, signal};

/// What the environment gives can't be used: a port, a folder. Source: sysexits.h, EX_CONFIG.
const EXIT_CONFIG: u8 = 78;

fn main() -> ExitCode {
    let Command::Run(run) = Cli::parse().command;
    let log = match telemetry::start() {
        Ok(log) => log,
        Err(error) => {
            let _ = writeln!(io::stderr(), "can't start the log: {error}");
            return ExitCode::FAILURE;
        }
    };
    let code = run_until_signalled(&run);
    log.flush();
    code
}

fn run_until_signalled(run: &Run) -> ExitCode {
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            tracing::error!(%error, "can't make a runtime");
            return ExitCode::FAILURE;
        }
    };
    runtime.block_on(until_signalled(run))
}

async fn until_signalled(run: &Run) -> ExitCode {
    let running = match start(run, report::show).await {
        Ok(running) => running,
        Err(error) => {
            tell(&error);
            return ExitCode::from(EXIT_CONFIG);
        }
    };
    let (Ok(mut terminate), Ok(mut interrupt)) = (signal(SignalKind::terminate()), signal(SignalKind::interrupt()))
    else {
        tracing::error!("can't wait for signals");
        return ExitCode::FAILURE;
    };
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    tokio::select! {
        () = running.stop() => {}
        // A second signal means now.
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    ExitCode::SUCCESS
}

/// Tells an error and its causes, a line each.
fn tell(error: &StartError) {
    let mut cause: Option<&dyn std::error::Error> = Some(error);
    while let Some(error) = cause {
        for line in error.to_string().lines() {
            tracing::error!("{line}");
        }
        cause = error.source();
    }
}
