//! `ruma::api::client::receipt`: what has been read.

use ruma::api::client::receipt::create_receipt::v3::{ReceiptType, Request, Response};

use crate::{
    error::{Error, Result},
    http::ruma::{Ctx, Ruma},
    service::receipts::{Marker, MarkerKind},
};

/// `POST /_matrix/client/v3/rooms/{roomId}/receipt/{receiptType}/{eventId}`
///
/// <https://spec.matrix.org/v1.19/client-server-api/#post_matrixclientv3roomsroomidreceiptreceipttypeeventid>
pub async fn create_receipt(ctx: Ctx, Ruma { request, caller }: Ruma<Request>) -> Result<Response> {
    let kind = match request.receipt_type {
        ReceiptType::Read => MarkerKind::Read,
        ReceiptType::ReadPrivate => MarkerKind::ReadPrivate,
        ReceiptType::FullyRead => MarkerKind::FullyRead,
        _ => return Err(Error::invalid_param("There is no such type of receipt")),
    };
    let marker = Marker { kind, event_id: request.event_id, thread: request.thread };
    ctx.receipts.mark(&caller, &request.room_id, vec![marker]).await?;
    Ok(Response::new())
}
