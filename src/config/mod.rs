//! From what operators write to what the server means.
//!
//! `load` takes the bytes of a file, the environment and the flags, and gives `Settings` and warnings, or one error
//! that names key, value and remedy. One table (`table`) lists every option of Centrifugo v6 and v5 and our own;
//! `served` says which of them reach `Settings`, `unserved` what happens with the others.
//! Pure: the caller reads files and the environment. Loading again (a reload) starts from nothing.

mod dialect;
mod duration;
mod entries;
mod environ;
mod error;
mod file;
mod items;
mod load;
mod nearest;
pub mod page;
mod pem;
mod served;
pub mod settings;
mod settings_defaults;
pub mod table;
mod tls;
mod tree;
mod unserved;
mod validate;
mod validate_namespace;
mod value;

pub use duration::{format as format_duration, parse as parse_duration};
pub use entries::{Warning, WarningKind};
pub use error::{Failure, LoadError};
pub use load::{Loaded, Sources, load};
pub use pem::Pem;
pub use served::{is_served, read_back};
pub use table::Dialect;
pub use tls::Port as TlsPort;
pub use unserved::{Unserved, unserved};
pub use value::{Kind, Value};
