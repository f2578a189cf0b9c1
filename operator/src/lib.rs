//! Speaks the language of [`lotse_crds`] with people, and with the cluster.
//!
//! Here so far: the command line `lotse`. [`args`] has every flag, [`explain`] answers why a model call would go where.

pub mod args;
pub mod explain;
pub mod folder;
