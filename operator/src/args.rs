//! Every flag of the command line, with its default and why.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};
use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use lotse_crds::name::Workload;
use lotse_crds::wire::Operation;

use crate::settings::SidecarFlags;

/// Says which model serves, where data may go, and why.
#[derive(Debug, Parser)]
#[command(name = "lotse", version, arg_required_else_help = true)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Show every candidate for a model: allowed or not, by whose policy and for which reasons, in the order in which
    /// they would be tried.
    Explain(Explain),
    /// Show every problem in manifests, or in the cluster: each with a stable code. Exits 1 on errors.
    Analyze(Analyze),
    /// Show each sidecar of the cluster: current, behind, refused or silent. Exits 1 unless all are current.
    Status(Status),
    /// Check a cluster before an installation, or an installation: what must be there, and whether it works.
    Check(Check),
    /// Give the pods of manifests their sidecar, as the webhook would, and print them.
    Inject(Inject),
}

/// Which cluster.
#[derive(Debug, Args)]
pub struct ClusterFlags {
    /// The kubeconfig's context; the current one by default.
    #[arg(long, value_name = "NAME")]
    pub context: Option<String>,
    /// The namespace of platform and data protection.
    #[arg(long, value_name = "NS", default_value = "lotse-system")]
    pub root_namespace: String,
}

/// The flags of `analyze`.
#[derive(Debug, Args)]
pub struct Analyze {
    /// Manifests, or folders of them; without any, the cluster is asked.
    #[arg(value_name = "FILES")]
    pub files: Vec<PathBuf>,
    /// Which cluster.
    #[command(flatten)]
    pub cluster: ClusterFlags,
    /// Another day, such as 2027-04-01 (from 00:00 UTC), or another time, such as 2027-04-01T12:00:00Z.
    #[arg(long, value_name = "DATE", value_parser = time)]
    pub at: Option<Timestamp>,
    /// How to show it.
    #[arg(long, short, value_name = "FORMAT", default_value = "table")]
    pub output: Output,
}

/// The flags of `status`.
#[derive(Debug, Args)]
pub struct Status {
    /// Which cluster.
    #[command(flatten)]
    pub cluster: ClusterFlags,
    /// Only the sidecars of this namespace.
    #[arg(long, short, value_name = "NS")]
    pub namespace: Option<String>,
    /// How to show it.
    #[arg(long, short, value_name = "FORMAT", default_value = "table")]
    pub output: Output,
}

/// The flags of `check`.
#[derive(Debug, Args)]
pub struct Check {
    /// Only what must be there before an installation.
    #[arg(long)]
    pub pre: bool,
    /// Which cluster.
    #[command(flatten)]
    pub cluster: ClusterFlags,
    /// How to show it.
    #[arg(long, short, value_name = "FORMAT", default_value = "table")]
    pub output: Output,
}

/// The flags of `inject`.
#[derive(Debug, Args)]
pub struct Inject {
    /// Manifests; `-` reads from the standard input.
    #[arg(long, short, value_name = "FILE")]
    pub file: PathBuf,
    /// The namespace of platform and data protection.
    #[arg(long, value_name = "NS", default_value = "lotse-system")]
    pub root_namespace: String,
    /// The namespace of objects that name none.
    #[arg(long, short, value_name = "NS", default_value = "default")]
    pub namespace: String,
    /// The flags of the injected container.
    #[command(flatten)]
    pub sidecar: SidecarFlags,
}

/// The flags of `explain`.
#[derive(Debug, Args)]
pub struct Explain {
    /// A folder of manifests: LLMProvider, ModelRoute, DataPolicy, Secret and Namespace objects.
    #[arg(long, value_name = "DIR", required_unless_present = "from")]
    pub manifests: Option<PathBuf>,
    /// A pod of the cluster that the call comes from: pod/NAME.
    #[arg(long, value_name = "pod/NAME", conflicts_with_all = ["manifests", "labels"])]
    pub from: Option<String>,
    /// The kubeconfig's context; the current one by default.
    #[arg(long, value_name = "NAME", requires = "from")]
    pub context: Option<String>,
    /// The namespace that the call comes from.
    #[arg(long, short, value_name = "NS", default_value = "default")]
    pub namespace: String,
    /// The labels of the pod that the call comes from.
    #[arg(long, value_name = "k=v,…", value_delimiter = ',', value_parser = label)]
    pub labels: Vec<(String, String)>,
    /// The service account of the pod that the call comes from.
    #[arg(long, value_name = "SA", default_value = "default")]
    pub service_account: String,
    /// The namespace of platform and data protection.
    #[arg(long, value_name = "NS", default_value = "lotse-system")]
    pub root_namespace: String,
    /// The model that the app asks for; the request's by default.
    #[arg(long, value_name = "M", required_unless_present = "request")]
    pub model: Option<String>,
    /// A request's body, to be judged as the sidecar would.
    #[arg(long, value_name = "FILE")]
    pub request: Option<PathBuf>,
    /// The path that the app posts the request to, which says how its body is read.
    #[arg(long, value_name = "PATH", default_value = "/v1/chat/completions", requires = "request", value_parser = operation)]
    pub path: Operation,
    /// Another day, such as 2027-04-01 (from 00:00 UTC), or another time, such as 2027-04-01T12:00:00Z.
    #[arg(long, value_name = "DATE", value_parser = time)]
    pub at: Option<Timestamp>,
    /// How to show it.
    #[arg(long, short, value_name = "FORMAT", default_value = "table")]
    pub output: Output,
}

/// How to show something.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Output {
    /// For people.
    Table,
    /// For scripts.
    Json,
}

impl Explain {
    /// Who calls.
    pub fn workload(&self) -> Workload {
        Workload {
            namespace: self.namespace.clone(),
            service_account: self.service_account.clone(),
            labels: self.labels.iter().cloned().collect(),
        }
    }
}

fn label(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((key, value)) if !key.is_empty() => Ok((key.to_owned(), value.to_owned())),
        _ => Err("must be key=value".to_owned()),
    }
}

fn operation(path: &str) -> Result<Operation, String> {
    let paths = || Operation::ALL.map(|operation| format!("/v1{}", operation.path())).join(", ");
    Operation::at(path).ok_or_else(|| format!("must be one of {}", paths()))
}

fn time(text: &str) -> Result<Timestamp, String> {
    if let Ok(time) = text.parse::<Timestamp>() {
        return Ok(time);
    }
    let midnight = text.parse::<Date>().ok().and_then(|day| day.to_zoned(TimeZone::UTC).ok());
    midnight
        .map(|midnight| midnight.timestamp())
        .ok_or_else(|| "must be a day such as 2027-04-01, or a time such as 2027-04-01T12:00:00Z".to_owned())
}
