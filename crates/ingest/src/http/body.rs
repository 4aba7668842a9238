//! A request's body, read under limits of size and time, and unpacked.

use std::net::IpAddr;
use std::time::Duration;

use axum::body::Body;
use axum::http::{HeaderMap, StatusCode, header};
use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt;
use tokio::time::{Instant, timeout_at};

use super::budget::Allowance;
use super::inflate::{Coding, InflateError, inflate};
use super::problem::Problem;
use crate::config::HttpConfig;
use crate::units::ByteSize;

/// Bodies above this are unpacked and taken apart on a thread of their own, since that takes longer than half a
/// millisecond.
pub(crate) const INLINE_BYTES_MAX: usize = 64 * 1024;

/// Reads and unpacks the body of a request.
pub(crate) async fn read(
    config: &HttpConfig,
    headers: &HeaderMap,
    body: Body,
    mut allowance: Allowance,
) -> Result<(Bytes, Allowance), Problem> {
    let coding = coding(headers)?;
    if content_length(headers).is_some_and(|length| length > config.body_bytes_max.0) {
        return Err(too_large(config.body_bytes_max));
    }
    let packed = collect(config, body, &mut allowance).await?;
    if coding == Coding::Identity {
        return Ok((packed, allowance));
    }
    let limit = config.unpacked_bytes_max.0;
    let unpacking = move || {
        let unpacked = inflate(coding, &packed, limit, |bytes| allowance.take(bytes));
        unpacked.map(|unpacked| (Bytes::from(unpacked), allowance))
    };
    let unpacked = tokio::task::spawn_blocking(unpacking).await;
    let unpacked = unpacked.map_err(|_| Problem::internal("unpacking failed"))?;
    unpacked.map_err(|error| {
        let (status, kind) = match error {
            InflateError::TooLarge { .. } => (StatusCode::PAYLOAD_TOO_LARGE, "body-too-large"),
            InflateError::Damaged(_) => (StatusCode::BAD_REQUEST, "body-damaged"),
            InflateError::Busy => (StatusCode::TOO_MANY_REQUESTS, "busy"),
        };
        Problem::new(status, kind, error.to_string())
    })
}

/// The address that a request's share is counted for; one of none where the server did not say.
pub(crate) fn share_of(peer: Option<std::net::SocketAddr>) -> IpAddr {
    peer.map_or(IpAddr::from([0, 0, 0, 0]), |peer| peer.ip().to_canonical())
}

fn coding(headers: &HeaderMap) -> Result<Coding, Problem> {
    let Some(value) = headers.get(header::CONTENT_ENCODING) else {
        return Ok(Coding::Identity);
    };
    let coding = value.to_str().ok().and_then(Coding::from_name);
    coding.ok_or_else(|| {
        let detail = "Content-Encoding must be gzip, zstd or identity";
        Problem::new(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "content-encoding",
            detail.to_owned(),
        )
    })
}

fn content_length(headers: &HeaderMap) -> Option<u64> {
    headers
        .get(header::CONTENT_LENGTH)?
        .to_str()
        .ok()?
        .parse()
        .ok()
}

async fn collect(
    config: &HttpConfig,
    mut body: Body,
    allowance: &mut Allowance,
) -> Result<Bytes, Problem> {
    let limit = config.body_bytes_max.in_memory();
    let end = Instant::now() + config.body_time_max.0;
    let mut collected = BytesMut::new();
    loop {
        let next = next_chunk(&mut body, config.body_idle_max.0, end).await?;
        let Some(chunk) = next else {
            return Ok(collected.freeze());
        };
        if collected.len() + chunk.len() > limit {
            return Err(too_large(config.body_bytes_max));
        }
        if !allowance.take(chunk.len()) {
            return Err(Problem::busy("too many bytes are being worked on"));
        }
        collected.extend_from_slice(&chunk);
    }
}

/// The next bytes of the body; `None` at its end.
async fn next_chunk(
    body: &mut Body,
    idle_max: Duration,
    end: Instant,
) -> Result<Option<Bytes>, Problem> {
    loop {
        let deadline = end.min(Instant::now() + idle_max);
        let Ok(frame) = timeout_at(deadline, body.frame()).await else {
            let detail = "the body came too slowly";
            return Err(Problem::new(
                StatusCode::REQUEST_TIMEOUT,
                "too-slow",
                detail.to_owned(),
            ));
        };
        match frame {
            None => return Ok(None),
            Some(Err(error)) => {
                let detail = format!("the body ended early: {error}");
                return Err(Problem::new(
                    StatusCode::BAD_REQUEST,
                    "body-incomplete",
                    detail,
                ));
            }
            Some(Ok(frame)) => {
                // Trailers are of no interest.
                if let Ok(chunk) = frame.into_data() {
                    return Ok(Some(chunk));
                }
            }
        }
    }
}

fn too_large(limit: ByteSize) -> Problem {
    let detail = format!("the body has more than {limit}: send it in several requests");
    Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "body-too-large", detail)
}
