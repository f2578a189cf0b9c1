//! A secret: it can't be printed, serialized or compared, and it leaves only through [`Secret::reveal`].

use std::fmt;

use secrecy::{ExposeSecret, SecretString};

const UNREAD: &str = "not read";

/// A credential or a header's value. Wiped from memory when dropped.
#[derive(Clone)]
pub struct Secret(SecretString);

impl Secret {
    /// Keeps `value`.
    pub fn new(value: String) -> Self {
        Self(SecretString::from(value))
    }

    /// Stands for a value that is there but may not be read by who asks.
    pub fn unread() -> Self {
        Self::new(UNREAD.to_owned())
    }

    /// Whether this only stands for a value.
    pub fn is_unread(&self) -> bool {
        self.reveal() == UNREAD
    }

    /// The value. Each call of this is a place to audit.
    pub fn reveal(&self) -> &str {
        self.0.expose_secret()
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[secret]")
    }
}
