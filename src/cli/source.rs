//! Where this process reads its configuration: one file, the environment, the flags that it was given.

use super::args::server_flag_names;
use crate::auth::Verifier;
use crate::config::{Failure, LoadError, Loaded, Sources, load};
use clap::{ArgMatches, parser::ValueSource};
use std::{fs, io, path::Path, path::PathBuf};

/// Path and flags; the environment is read at each load.
pub(super) struct Place {
    path: PathBuf,
    flags: Vec<(String, String)>,
}

impl Place {
    /// Of the server command.
    pub(super) fn of(matches: &ArgMatches) -> Place {
        let given = |flag: &&str| matches.value_source(flag) == Some(ValueSource::CommandLine);
        let value = |flag: &str| matches.get_one::<String>(flag).cloned().unwrap_or_default();
        let flags = server_flag_names().into_iter().filter(given).map(|flag| (flag.to_owned(), value(flag))).collect();
        Place { flags, ..Place::file_alone(matches) }
    }

    /// Of a command without server flags.
    pub(super) fn file_alone(matches: &ArgMatches) -> Place {
        let path = matches.get_one::<String>("config").map_or(PathBuf::new(), PathBuf::from);
        Place { path, flags: Vec::new() }
    }

    /// The file that is meant, existing or not.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Reads everything and checks it as far as a start would, the keys of tokens included.
    pub(super) fn load(&self) -> Result<Loaded, LoadError> {
        let file = match fs::read(&self.path) {
            Ok(bytes) => Some((self.path.clone(), bytes)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => {
                let reason = format!("the file cannot be read: {error}");
                return Err(LoadError { file: Some(self.path.clone()), ..LoadError::new(Failure::Reading, reason) });
            }
        };
        let env =
            std::env::vars_os().filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)));
        let read = |path: &Path| fs::read(path);
        let loaded = load(&Sources { file, env: env.collect(), flags: self.flags.clone(), read: &read })?;
        let client = &loaded.settings.client;
        for token in std::iter::once(&client.token).chain(&client.subscription_token) {
            Verifier::new(token, client.insecure_skip_token_signature_verify)
                .map_err(|reason| LoadError { file: loaded.file.clone(), ..LoadError::new(Failure::Token, reason) })?;
        }
        Ok(loaded)
    }
}
