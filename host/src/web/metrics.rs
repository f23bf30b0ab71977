//! `/metrics`, for what watches the host.

use axum::http::StatusCode;

use super::Answer;
use super::call::{Call, typed};
use crate::meters::{Form, render};

/// As OpenMetrics, or as the older text of Prometheus for who does not ask for that.
pub(super) async fn show(call: Call) -> Answer {
    let asked = call.headers().get(axum::http::header::ACCEPT).and_then(|accept| accept.to_str().ok());
    let new = asked.is_none_or(|accept| accept.contains("openmetrics") || !accept.contains("text/plain"));
    let form = if new { Form::OpenMetrics } else { Form::Prometheus };
    let mut queues = Vec::new();
    for served in &call.site.bundles {
        queues.extend(served.service.queue().await);
    }
    Ok(typed(StatusCode::OK, form.media_type(), render(form, &call.site.meters.all(), &queues)))
}
