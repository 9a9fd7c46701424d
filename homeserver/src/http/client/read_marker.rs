//! `ruma::api::client::read_marker`: several markers at once.

use ruma::{
    api::client::read_marker::set_read_marker::v3::{Request, Response},
    events::receipt::ReceiptThread,
};

use crate::{
    error::Result,
    http::ruma::{Ctx, Ruma},
    service::receipts::{Marker, MarkerKind},
};

/// `POST /_matrix/client/v3/rooms/{roomId}/read_markers`
///
/// <https://spec.matrix.org/v1.19/client-server-api/#post_matrixclientv3roomsroomidread_markers>
pub async fn set_read_marker(
    ctx: Ctx,
    Ruma { request, caller }: Ruma<Request>,
) -> Result<Response> {
    let markers = [
        (MarkerKind::Read, request.read_receipt),
        (MarkerKind::ReadPrivate, request.private_read_receipt),
        (MarkerKind::FullyRead, request.fully_read),
    ];
    let marker = |(kind, event_id): (_, Option<_>)| {
        Some(Marker { kind, event_id: event_id?, thread: ReceiptThread::Unthreaded })
    };
    let markers = markers.into_iter().filter_map(marker).collect();
    ctx.receipts.mark(&caller, &request.room_id, markers).await?;
    Ok(Response::new())
}
