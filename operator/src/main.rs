//! `lotse-operator`: reads flags, runs the controller or the injector, and stops on a signal.

use std::io;
use std::process::ExitCode;

use clap::Parser as _;
use jiff::Timestamp;
use lotse_operator::settings::{Cli, Command};
use lotse_operator::{control, webhook};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

fn main() -> ExitCode {
    let flags = Cli::parse();
    tracing_subscriber::fmt()
        .json()
        .flatten_event(true)
        .with_max_level(tracing::Level::INFO)
        .with_writer(io::stdout)
        .init();
    // One TLS provider, chosen here and nowhere else: kube asks for the process's default.
    if rustls::crypto::aws_lc_rs::default_provider().install_default().is_err() {
        tracing::error!("another TLS provider is already there");
        return ExitCode::FAILURE;
    }
    let runtime = match tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            tracing::error!(%error, "can't make a runtime");
            return ExitCode::FAILURE;
        }
    };
    runtime.block_on(run(flags.command))
}

async fn run(command: Command) -> ExitCode {
    let (stop, stopped) = watch::channel(false);
    let (Ok(mut terminate), Ok(mut interrupt)) = (signal(SignalKind::terminate()), signal(SignalKind::interrupt()))
    else {
        tracing::error!("can't wait for signals");
        return ExitCode::FAILURE;
    };
    tokio::spawn(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        tracing::info!("told to stop");
        stop.send_replace(true);
    });
    let ended = match command {
        Command::Control(flags) => control::run(flags, now, stopped).await.map_err(anyhow::Error::from),
        Command::Inject(flags) => webhook::run(flags, stopped).await.map_err(anyhow::Error::from),
    };
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!("{error:#}");
            ExitCode::FAILURE
        }
    }
}

/// The time of day.
#[expect(clippy::disallowed_methods, reason = "this is the operator's one clock")]
fn now() -> Timestamp {
    Timestamp::now()
}
