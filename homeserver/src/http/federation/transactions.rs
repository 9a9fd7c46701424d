//! What other servers send.

use ruma::api::federation::transactions::send_transaction_message;

use crate::{
    error::Result,
    http::ruma::{Ctx, Ruma},
};

/// `PUT /_matrix/federation/v1/send/{txnId}`
///
/// <https://spec.matrix.org/v1.19/server-server-api/#put_matrixfederationv1sendtxnid>
pub async fn send_transaction_message(
    ctx: Ctx,
    Ruma { request, caller }: Ruma<send_transaction_message::v1::Request>,
) -> Result<send_transaction_message::v1::Response> {
    ctx.remote.transaction(caller, request).await
}
