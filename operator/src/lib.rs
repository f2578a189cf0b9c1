//! Speaks the language of [`lotse_crds`] with people, and with the cluster.
//!
//! - The command line `lotse`: [`args`] has every flag; [`explain`] answers why a model call would go where, [`analyze`]
//!   what is wrong, [`status`] and [`check`] how an installation stands. [`cluster`] reads for them.
//! - The controller, [`control`]: *gather* ([`gather`], [`pods`]) → *compile* ([`lotse_crds::compile()`]) → *publish*
//!   ([`publish`], [`serve`], [`caller`]) → *report* ([`standing`], [`conditions`], [`report`]). [`lease`] says who leads,
//!   [`certs`] and [`certificates`] keep certificates, [`exchange`] and [`https`] get short-lived credentials. [`rations`]
//!   shares limits out ([`allot`]), counts what is spent ([`spend`], [`notice`], [`treasury`]) and passes [`hints`] on.
//! - The injector: [`inject`] decides and patches, [`admission`] reads and writes reviews. [`settings`] has the flags of
//!   both.

pub mod admission;
pub mod allot;
pub mod analyze;
pub mod args;
pub mod caller;
pub mod certificates;
pub mod certs;
pub mod check;
pub mod cluster;
pub mod conditions;
pub mod control;
pub mod declare;
pub mod exchange;
pub mod explain;
pub mod folder;
pub mod gather;
pub mod hints;
pub mod https;
pub mod inject;
pub mod inject_command;
pub mod labels;
pub mod lease;
pub mod metrics;
pub mod notice;
pub mod owner;
pub mod plain;
pub mod pods;
pub mod publish;
pub mod rations;
pub mod report;
pub mod serve;
pub mod settings;
pub mod spend;
pub mod standing;
pub mod status;
pub mod tls;
pub mod treasury;
pub mod webhook;
