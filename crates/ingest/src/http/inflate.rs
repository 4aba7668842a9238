//! Bodies that came compressed, unpacked under a limit.

use std::io::{self, Read};

use disk::Capped;

/// How a body was compressed (`Content-Encoding`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Coding {
    Identity,
    Gzip,
    Zstd,
}

/// Why a body could not be unpacked.
#[derive(Debug, thiserror::Error)]
pub(crate) enum InflateError {
    #[error("the body unpacks to more than {limit} bytes: send it in several requests")]
    TooLarge { limit: u64 },
    #[error("the body cannot be unpacked: {0}")]
    Damaged(#[source] io::Error),
    #[error("too many bytes are being worked on: send it again later")]
    Busy,
}

/// The greatest window that a zstd body may ask for: 16 MiB, as much memory as unpacking it takes.
const ZSTD_WINDOW_LOG_MAX: u32 = 24;
const STEP_BYTES: usize = 256 * 1024;

impl Coding {
    /// The coding of that name; `None` for one that we do not have.
    pub(crate) fn from_name(name: &str) -> Option<Self> {
        match name.trim().to_ascii_lowercase().as_str() {
            "" | "identity" => Some(Self::Identity),
            "gzip" | "x-gzip" => Some(Self::Gzip),
            "zstd" => Some(Self::Zstd),
            _ => None,
        }
    }
}

/// Unpacks `body` into at most `limit` bytes, asking `admit` before each further piece of memory is taken.
pub(crate) fn inflate(
    coding: Coding,
    body: &[u8],
    limit: u64,
    mut admit: impl FnMut(usize) -> bool,
) -> Result<Vec<u8>, InflateError> {
    let damaged = |error: io::Error| match error.kind() {
        io::ErrorKind::FileTooLarge => InflateError::TooLarge { limit },
        _ => InflateError::Damaged(error),
    };
    let mut reader = Capped::new(reader(coding, body).map_err(damaged)?, limit);
    let mut unpacked = Vec::new();
    loop {
        if !admit(STEP_BYTES) {
            return Err(InflateError::Busy);
        }
        unpacked.reserve_exact(STEP_BYTES);
        let before = unpacked.len();
        let step = STEP_BYTES as u64;
        (&mut reader)
            .take(step)
            .read_to_end(&mut unpacked)
            .map_err(damaged)?;
        if unpacked.len() - before < STEP_BYTES {
            return Ok(unpacked);
        }
    }
}

#[expect(
    clippy::disallowed_types,
    reason = "the caller puts the capped reader around it"
)]
fn reader(coding: Coding, body: &[u8]) -> io::Result<Box<dyn Read + '_>> {
    Ok(match coding {
        Coding::Identity => Box::new(body),
        Coding::Gzip => Box::new(flate2::read::MultiGzDecoder::new(body)),
        Coding::Zstd => {
            let mut decoder = zstd::stream::read::Decoder::with_buffer(body)?;
            decoder.window_log_max(ZSTD_WINDOW_LOG_MAX)?;
            Box::new(decoder)
        }
    })
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use proptest::prelude::*;

    use super::*;

    fn pack(coding: Coding, bytes: &[u8]) -> Vec<u8> {
        match coding {
            Coding::Identity => bytes.to_vec(),
            Coding::Gzip => {
                let mut encoder =
                    flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
                encoder.write_all(bytes).unwrap();
                encoder.finish().unwrap()
            }
            Coding::Zstd => zstd::stream::encode_all(bytes, 3).unwrap(),
        }
    }

    #[test]
    fn a_body_of_the_limit_passes_and_one_byte_more_is_too_large() {
        for coding in [Coding::Identity, Coding::Gzip, Coding::Zstd] {
            let bytes = vec![b'x'; STEP_BYTES * 2];
            let packed = pack(coding, &bytes);
            let limit = bytes.len() as u64;
            assert_eq!(inflate(coding, &packed, limit, |_| true).unwrap(), bytes);
            let error = inflate(coding, &packed, limit - 1, |_| true).unwrap_err();
            assert!(
                matches!(error, InflateError::TooLarge { .. }),
                "{coding:?} {error}"
            );
        }
    }

    #[test]
    fn a_bomb_takes_no_more_memory_than_was_admitted() {
        let bomb = pack(Coding::Zstd, &vec![0; 64 << 20]);
        assert!(bomb.len() < 16 * 1024);
        let mut admitted = 0;
        let error = inflate(Coding::Zstd, &bomb, 64 << 20, |bytes| {
            admitted += bytes;
            admitted <= 1 << 20
        });
        assert!(matches!(error.unwrap_err(), InflateError::Busy));
    }

    #[test]
    fn damage_is_said() {
        for coding in [Coding::Gzip, Coding::Zstd] {
            let packed = pack(coding, b"hello, hello, hello");
            for body in [&packed[..packed.len() - 3], b"not packed at all"] {
                let error = inflate(coding, body, 100, |_| true).unwrap_err();
                assert!(matches!(error, InflateError::Damaged(_)), "{coding:?}");
            }
        }
    }

    #[test]
    fn a_zstd_window_beyond_the_limit_is_refused() {
        let mut encoder = zstd::stream::write::Encoder::new(Vec::new(), 1).unwrap();
        encoder.window_log(27).unwrap();
        encoder.write_all(&[b'x'; 100_000]).unwrap();
        let packed = encoder.finish().unwrap();
        let error = inflate(Coding::Zstd, &packed, 1 << 20, |_| true).unwrap_err();
        assert!(matches!(error, InflateError::Damaged(_)));
    }

    proptest! {
        #[test]
        fn any_bytes_are_survived(body in prop::collection::vec(any::<u8>(), 0..300)) {
            for coding in [Coding::Gzip, Coding::Zstd] {
                if let Ok(unpacked) = inflate(coding, &body, 1000, |_| true) {
                    prop_assert!(unpacked.len() <= 1000);
                }
            }
        }
    }
}
