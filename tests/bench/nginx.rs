//! nginx as a plain reverse proxy: what a sidecar has to measure up to.

use std::fs;
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use anyhow::{Context, anyhow};
use tempfile::TempDir;

use crate::process;

/// What is said when there is none.
const MISSING: &str =
    "nginx is not installed, and the benchmark compares with it. On Debian: apt-get install nginx-light";
/// Where it is: Debian's folder for it is not on everybody's PATH.
const INSTALLED: [&str; 2] = ["nginx", "/usr/sbin/nginx"];

/// A running nginx; it ends when this is dropped.
pub(crate) struct Nginx {
    /// Where it listens.
    pub(crate) address: SocketAddr,
    program: PathBuf,
    folder: TempDir,
    child: Child,
}

impl Nginx {
    /// Starts in front of `upstream`, in a folder of its own.
    pub(crate) fn start(asked: Option<&Path>, upstream: SocketAddr) -> anyhow::Result<Self> {
        let program = find(asked)?;
        let folder = tempfile::tempdir()?;
        let [address] = process::free_addresses()?;
        fs::write(folder.path().join("nginx.conf"), configuration(address, upstream))?;
        let log = folder.path().join("error.log");
        let child = command(&program, folder.path()).spawn().context("nginx can't be started")?;
        let mut nginx = Self { address, program, folder, child };
        process::wait_until_listening(&mut nginx.child, address, &log).context("nginx does not start")?;
        Ok(nginx)
    }

    /// The process that does the work.
    pub(crate) fn worker(&self) -> Option<u32> {
        process::first_child(self.child.id())
    }
}

impl Drop for Nginx {
    /// By its pid file: the master takes its worker along, which it could not if it were killed.
    fn drop(&mut self) {
        let asked = command(&self.program, self.folder.path()).args(["-s", "stop"]).status();
        if !asked.is_ok_and(|status| status.success()) {
            drop(self.child.kill());
        }
        drop(self.child.wait());
    }
}

fn find(asked: Option<&Path>) -> anyhow::Result<PathBuf> {
    let programs = asked.map_or_else(|| INSTALLED.map(PathBuf::from).to_vec(), |asked| vec![asked.to_owned()]);
    for program in programs {
        match Command::new(&program).arg("-v").stderr(Stdio::null()).status() {
            Ok(status) if status.success() => return Ok(program),
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error).context("nginx can't be run"),
            _ => {}
        }
    }
    Err(anyhow!(MISSING))
}

/// Whatever is written before the configuration is read goes to the folder, too.
fn command(program: &Path, folder: &Path) -> Command {
    let mut command = Command::new(program);
    command.arg("-p").arg(folder).arg("-c").arg(folder.join("nginx.conf")).arg("-e").arg(folder.join("error.log"));
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command
}

/// One worker, and connections that are kept on both sides for as long as the benchmark takes.
fn configuration(address: SocketAddr, upstream: SocketAddr) -> String {
    format!(
        "daemon off;
worker_processes 1;
pid nginx.pid;
error_log error.log warn;
events {{ worker_connections 1024; }}
http {{
  access_log off;
  client_body_temp_path client_body;
  proxy_temp_path proxy;
  fastcgi_temp_path fastcgi;
  uwsgi_temp_path uwsgi;
  scgi_temp_path scgi;
  keepalive_requests 1000000000;
  upstream provider {{
    server {upstream};
    keepalive 64;
    keepalive_requests 1000000000;
  }}
  server {{
    listen {address};
    location / {{
      proxy_pass http://provider;
      proxy_http_version 1.1;
      proxy_set_header Connection \"\";
      proxy_buffering off;
    }}
  }}
}}
"
    )
}
