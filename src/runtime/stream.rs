//! Descriptors that glommio reads for us: the eventfds on which a core sleeps.

#![allow(unsafe_code)]

use glommio::io::BufferedFile;
use rustix::io::dup;
use std::os::fd::{FromRawFd, IntoRawFd, OwnedFd};

/// An eventfd that an idle core waits for.
pub struct Sleep(BufferedFile);

impl Sleep {
    /// Uses a descriptor of its own for the same eventfd. Must be called within an executor.
    ///
    /// # Errors
    /// No descriptor left.
    pub fn on(eventfd: &OwnedFd) -> std::io::Result<Sleep> {
        let own = dup(eventfd)?.into_raw_fd();
        // SAFETY: the descriptor was made above, is open, and belongs to nobody else.
        Ok(Sleep(unsafe { BufferedFile::from_raw_fd(own) }))
    }

    /// Returns when the eventfd was written, and empties it.
    ///
    /// # Errors
    /// The read failed; the executor cannot go on.
    pub async fn wait(&self) -> std::io::Result<()> {
        match self.0.read_at(0, 8).await {
            Ok(_) => Ok(()),
            Err(e) => Err(std::io::Error::other(e.to_string())),
        }
    }
}
