//! Every flag, with its default and why.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};
use lotse_crds::name::{Labels, Workload};

use crate::folder::Folder;
use crate::listen::Listen;

/// Takes a pod's model calls to a provider that may have the data.
#[derive(Debug, Parser)]
#[command(name = "lotse-sidecar", version, arg_required_else_help = true)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Answer calls.
    Run(Run),
}

/// The flags of `run`.
#[derive(Debug, Args)]
pub struct Run {
    /// A folder of manifests: LLMProvider, ModelRoute, DataPolicy, Secret and Namespace objects in .yaml, .yml or .json
    /// files. Read again when it changes.
    #[arg(long, value_name = "DIR")]
    pub manifests: PathBuf,
    /// The namespace that calls come from.
    #[arg(long, value_name = "NS", default_value = "default")]
    pub namespace: String,
    /// The labels of the pod that calls come from.
    #[arg(long, value_name = "k=v,…", value_delimiter = ',', value_parser = label)]
    pub labels: Vec<(String, String)>,
    /// The service account of the pod that calls come from.
    #[arg(long, value_name = "SA", default_value = "default")]
    pub service_account: String,
    /// The namespace of platform and data protection.
    #[arg(long, value_name = "NS", default_value = "lotse-system")]
    pub root_namespace: String,
    /// Where calls are taken: a loopback address with a port, or localhost:PORT for both loopback addresses.
    #[arg(long, value_name = "ADDR", default_value = "localhost:14141", value_parser = listen)]
    pub listen: Listen,
    /// Where /snapshot and /explain are answered; a loopback address.
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:14191", value_parser = loopback)]
    pub admin: SocketAddr,
    /// Where /livez, /readyz and /metrics are answered.
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:14190")]
    pub probes: SocketAddr,
}

impl Run {
    /// The folder, for whom it is compiled, and where it shows what has changed.
    pub fn folder(&self, show: fn(&str)) -> Folder {
        Folder {
            path: self.manifests.clone(),
            workload: Workload {
                namespace: self.namespace.clone(),
                service_account: self.service_account.clone(),
                labels: self.labels.iter().cloned().collect::<Labels>(),
            },
            root_namespace: self.root_namespace.clone(),
            show,
        }
    }
}

fn label(text: &str) -> Result<(String, String), String> {
    let (key, value) = text.split_once('=').ok_or("must be key=value")?;
    if key.is_empty() { Err("must be key=value".to_owned()) } else { Ok((key.to_owned(), value.to_owned())) }
}

fn listen(text: &str) -> Result<Listen, String> {
    if let Some(port) = text.strip_prefix("localhost:") {
        return port.parse().map(Listen::Loopback).map_err(|_| "must be localhost:PORT".to_owned());
    }
    loopback(text).map(Listen::Address)
}

fn loopback(text: &str) -> Result<SocketAddr, String> {
    let address: SocketAddr =
        text.parse().map_err(|_| "must be ADDRESS:PORT, such as 127.0.0.1:14141 or [::1]:14141".to_owned())?;
    if address.ip().is_loopback() {
        Ok(address)
    } else {
        Err("must be a loopback address: whoever reaches this port uses the providers' keys".to_owned())
    }
}
