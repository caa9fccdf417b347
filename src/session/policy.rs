//! What the operator allows, compiled once and shared by all cores. A reload makes a new one.

use crate::auth::Verifier;
use crate::channel::Rules;
use crate::config::settings::{Client, RpcPing, Settings};

/// The rules that sessions follow.
pub struct Policy {
    /// `client.*`
    pub client: Client,
    /// Channels and permissions.
    pub rules: Rules,
    /// Checks connection tokens.
    pub connection_tokens: Verifier,
    /// Checks subscription tokens, when they have keys of their own.
    pub subscription_tokens: Option<Verifier>,
    /// `rpc.ping.*`
    pub rpc_ping: RpcPing,
}

impl Policy {
    /// Compiles the settings.
    ///
    /// # Errors
    /// A text for the operator: the option, what is wrong with its value, what to do.
    pub fn new(settings: &Settings) -> Result<Policy, String> {
        let client = &settings.client;
        let verifier = |token| Verifier::new(token, client.insecure_skip_token_signature_verify);
        Ok(Policy {
            rules: Rules::new(&settings.channel, client)?,
            connection_tokens: verifier(&client.token)?,
            subscription_tokens: client.subscription_token.as_ref().map(verifier).transpose()?,
            rpc_ping: settings.rpc_ping.clone(),
            client: client.clone(),
        })
    }

    /// Checks subscription tokens.
    pub fn subscription_tokens(&self) -> &Verifier {
        self.subscription_tokens.as_ref().unwrap_or(&self.connection_tokens)
    }
}
