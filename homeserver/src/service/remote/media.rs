//! Content of other servers.

use std::time::Duration;

use http::StatusCode;
use ruma::{ServerName, api::error::ErrorKind};
use sealpost_federation::{Error as FederationError, media::Content};

use super::{Remote, refused, signs_of_life::Patience};
use crate::error::{Error, Result};

impl Remote {
    /// Asks a server for content of its own. 404 `M_NOT_FOUND` where it has none, 504 `M_NOT_YET_UPLOADED`
    /// where it is still to come, 502 where the server does not answer as it should.
    pub async fn content(
        &self,
        server: &ServerName,
        media_id: &str,
        wait: Duration,
    ) -> Result<Content> {
        self.check_policy(server)?;
        let silent = &self.signs_of_life.silent;
        let asking = silent.ask(server, Patience::Long, &self.context.clock);
        let asking = asking.map_err(|error| refused(server, error))?;
        let answer = self.client.content(server, media_id, wait).await;
        asking.ended(answer.as_ref().err());
        answer.map_err(|error| match error {
            FederationError::Status { status: StatusCode::NOT_FOUND, .. } => {
                Error::not_found(format!("{server} has no such content"))
            }
            FederationError::Status { status: StatusCode::GATEWAY_TIMEOUT, kind, message }
                if matches!(kind.as_deref(), Some(ErrorKind::NotYetUploaded)) =>
            {
                Error::matrix(StatusCode::GATEWAY_TIMEOUT, ErrorKind::NotYetUploaded, message)
            }
            error => refused(server, error),
        })
    }
}
