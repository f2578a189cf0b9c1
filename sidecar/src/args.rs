//! Every flag, with its default and why.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use clap::{Args, Parser, Subcommand};
use http::Uri;
use lotse_crds::name::{Labels, Workload};

use crate::folder::Folder;
use crate::follow::Follow;
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
    /// files. Read again when it changes. Without it, the operator is followed.
    #[arg(long, value_name = "DIR")]
    pub manifests: Option<PathBuf>,
    /// The namespace that calls come from.
    #[arg(long, value_name = "NS", default_value = "default", requires = "manifests")]
    pub namespace: String,
    /// The labels of the pod that calls come from.
    #[arg(long, value_name = "k=v,…", value_delimiter = ',', value_parser = label, requires = "manifests")]
    pub labels: Vec<(String, String)>,
    /// The service account of the pod that calls come from.
    #[arg(long, value_name = "SA", default_value = "default", requires = "manifests")]
    pub service_account: String,
    /// The token of an identity, for providers whose credential is exchanged for a short-lived one: a file, read for each
    /// exchange.
    #[arg(long, value_name = "FILE", requires = "manifests")]
    pub identity_token: Option<PathBuf>,
    /// The operator to follow; that of the root namespace by default.
    #[arg(long, value_name = "URL", value_parser = https, conflicts_with = "manifests")]
    pub operator: Option<Uri>,
    /// The authorities that may vouch for the operator: a file of PEM certificates, read for each connection.
    #[arg(long, value_name = "FILE", default_value = "/var/run/lotse/ca.crt")]
    pub operator_ca: PathBuf,
    /// Those to believe while there is no such file.
    #[arg(long, value_name = "PEM", env = "LOTSE_OPERATOR_CA", hide_env_values = true, allow_hyphen_values = true)]
    pub operator_ca_pem: Option<String>,
    /// The token to show to the operator, read for each connection.
    #[arg(long, value_name = "FILE", default_value = "/var/run/lotse/token")]
    pub token: PathBuf,
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
    /// The operator, and what proves both sides to each other.
    pub fn follow(&self) -> Follow {
        let default = || {
            let address = format!("https://lotse-controller.{}.svc:14443", self.root_namespace);
            address.parse().unwrap_or_default()
        };
        Follow {
            operator: self.operator.clone().unwrap_or_else(default),
            authorities_file: self.operator_ca.clone(),
            authorities: self.operator_ca_pem.clone(),
            token_file: self.token.clone(),
        }
    }

    /// The folder at `path`, for whom it is compiled, and where it shows what has changed.
    pub fn folder(&self, path: &Path, show: fn(&str)) -> Folder {
        Folder {
            path: path.to_owned(),
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

fn https(text: &str) -> Result<Uri, String> {
    let address: Option<Uri> = text.parse().ok();
    let is_https = |address: &Uri| address.scheme_str() == Some("https") && address.host().is_some();
    address.filter(is_https).ok_or_else(|| "must be https://HOST:PORT: keys travel there".to_owned())
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
