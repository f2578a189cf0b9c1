//! Every flag of `lotse-operator`, with its default and why.

use std::net::SocketAddr;

use clap::{Args, Parser, Subcommand, ValueEnum};

/// Reconciles LLMProvider, ModelRoute and DataPolicy into what injected sidecars obey.
#[derive(Debug, Parser)]
#[command(name = "lotse-operator", version, arg_required_else_help = true)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Compile, publish to sidecars, and report: the controller.
    Control(Control),
    /// Give pods their sidecar: the webhook.
    Inject(Inject),
}

/// The flags of `control`.
#[derive(Clone, Debug, Args)]
pub struct Control {
    /// The namespace of platform and data protection: the operator's own.
    #[arg(long, value_name = "NS", default_value = "lotse-system")]
    pub root_namespace: String,
    /// The name of this pod: the Lease names its holder by it.
    #[arg(long, value_name = "NAME")]
    pub pod_name: String,
    /// The namespaces whose Secrets may be read; the root namespace by default.
    #[arg(long, value_name = "NS,…", value_delimiter = ',')]
    pub credential_namespaces: Vec<String>,
    /// The HTTP proxy for providers that name none and have no allowedAddresses: http://HOST:PORT.
    #[arg(long, value_name = "URL")]
    pub egress_proxy: Option<String>,
    /// Whether certificates are made here or come from outside.
    #[arg(long, value_name = "WHO", default_value = "Own")]
    pub certificates: CertificateSource,
    /// How long a new authority is believed before it signs; long enough for kubelets to refresh ConfigMaps.
    #[arg(long, value_name = "SECONDS", default_value_t = 300)]
    pub certificate_overlap_seconds: u32,
    /// Where sidecars follow.
    #[arg(long, value_name = "ADDR", default_value = "[::]:14443")]
    pub listen: SocketAddr,
    /// Where /livez, /readyz and /metrics are answered.
    #[arg(long, value_name = "ADDR", default_value = "[::]:14190")]
    pub probes: SocketAddr,
    /// Where /sidecars is answered; a loopback address, reached by a port-forward.
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:14191")]
    pub admin: SocketAddr,
}

/// Where certificates come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum CertificateSource {
    /// Made and renewed here.
    #[value(name = "Own")]
    Own,
    /// From cert-manager, or from whoever keeps the Secrets.
    #[value(name = "External")]
    External,
}

/// The flags of `inject`.
#[derive(Clone, Debug, Args)]
pub struct Inject {
    /// The namespace of platform and data protection: the operator's own.
    #[arg(long, value_name = "NS", default_value = "lotse-system")]
    pub root_namespace: String,
    /// Where the API server calls.
    #[arg(long, value_name = "ADDR", default_value = "[::]:10250")]
    pub listen: SocketAddr,
    /// Where /livez, /readyz and /metrics are answered.
    #[arg(long, value_name = "ADDR", default_value = "[::]:14190")]
    pub probes: SocketAddr,
    /// The flags of the injected container.
    #[command(flatten)]
    pub sidecar: SidecarFlags,
}

/// What the injected container is made of.
#[derive(Clone, Debug, Args)]
pub struct SidecarFlags {
    /// The sidecar's image.
    #[arg(long, value_name = "IMAGE")]
    pub sidecar_image: String,
    /// When its image is pulled.
    #[arg(long, value_name = "POLICY", default_value = "IfNotPresent")]
    pub sidecar_image_pull_policy: String,
    /// What CPU it asks for.
    #[arg(long, value_name = "QUANTITY", default_value = "20m")]
    pub sidecar_cpu_request: String,
    /// What memory it asks for.
    #[arg(long, value_name = "QUANTITY", default_value = "32Mi")]
    pub sidecar_memory_request: String,
    /// What memory it gets at most: a call's body may have 32 MiB.
    #[arg(long, value_name = "QUANTITY", default_value = "256Mi")]
    pub sidecar_memory_limit: String,
    /// The user that it runs as; absent on OpenShift, which gives each namespace its own.
    #[arg(long, value_name = "UID")]
    pub sidecar_run_as_user: Option<i64>,
}
