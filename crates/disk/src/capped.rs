//! A reader that refuses to give more than a limit.

use std::io::{self, Read};

/// Passes through at most a limit of bytes; where the source has more, reading fails instead of going on.
///
/// Unlike [`Read::take`], the end of the limit is never mistaken for the end of the data: a decompression bomb is an
/// error, not a short text.
#[derive(Debug)]
pub struct Capped<R> {
    inner: R,
    left: u64,
}

impl<R: Read> Capped<R> {
    /// Lets at most `limit` bytes of `inner` through.
    pub fn new(inner: R, limit: u64) -> Self {
        Self { inner, left: limit }
    }

    /// The reader inside.
    pub fn into_inner(self) -> R {
        self.inner
    }
}

impl<R: Read> Read for Capped<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if buffer.is_empty() {
            return Ok(0);
        }
        if self.left == 0 {
            return match self.inner.read(&mut [0])? {
                0 => Ok(0),
                _ => Err(io::Error::new(
                    io::ErrorKind::FileTooLarge,
                    "more bytes than the limit allows",
                )),
            };
        }
        let room = usize::try_from(self.left).unwrap_or(usize::MAX);
        let wanted = buffer.len().min(room);
        let read = match buffer.get_mut(..wanted) {
            Some(part) => self.inner.read(part)?,
            None => 0,
        };
        self.left = self.left.saturating_sub(read as u64);
        Ok(read)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_limit_itself_passes_and_one_byte_more_fails() {
        let mut text = String::new();
        Capped::new(&b"12345"[..], 5)
            .read_to_string(&mut text)
            .unwrap();
        assert_eq!(text, "12345");

        let error = Capped::new(&b"123456"[..], 5).read_to_end(&mut Vec::new());
        assert_eq!(error.unwrap_err().kind(), io::ErrorKind::FileTooLarge);
    }
}
