//! Takes compressed request bodies apart: Claude Code sends gzip, Codex zstd. Pure.
//! Bounded: a small body that unfolds into a huge one is refused when it passes the limit, not when memory is gone.
//! Source: RFC 9110, section 8.4.1; RFC 8878 for zstd.

use std::io::Read;

use bytes::Bytes;

use crate::failure::Failure;
use crate::guard::LARGEST_BODY;

/// A coding of bodies that is understood.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Coding {
    /// As it is.
    Identity,
    /// RFC 1952.
    Gzip,
    /// RFC 1950, which HTTP calls deflate.
    Deflate,
    /// RFC 8878.
    Zstd,
}

impl Coding {
    /// The coding of this `Content-Encoding`. Several at once are not understood.
    pub fn named(name: &str) -> Option<Self> {
        match name.trim().to_ascii_lowercase().as_str() {
            "identity" | "" => Some(Self::Identity),
            "gzip" | "x-gzip" => Some(Self::Gzip),
            "deflate" => Some(Self::Deflate),
            "zstd" => Some(Self::Zstd),
            _ => None,
        }
    }

    /// The body itself.
    pub fn decode(self, body: Bytes) -> Result<Bytes, Failure> {
        match self {
            Self::Identity => Ok(body),
            // Several members one behind the other are one body.
            Self::Gzip => unfold(flate2::bufread::MultiGzDecoder::new(&body[..])),
            Self::Deflate => unfold(flate2::bufread::ZlibDecoder::new(&body[..])),
            Self::Zstd => unfold(ruzstd::decoding::StreamingDecoder::new(&body[..]).map_err(|_| broken())?),
        }
    }
}

fn unfold(decoder: impl Read) -> Result<Bytes, Failure> {
    let mut whole = Vec::new();
    decoder.take(LARGEST_BODY + 1).read_to_end(&mut whole).map_err(|_| broken())?;
    if whole.len() as u64 > LARGEST_BODY {
        return Err(Failure::PayloadTooLarge);
    }
    Ok(Bytes::from(whole))
}

fn broken() -> Failure {
    Failure::InvalidRequest("the body is not what its Content-Encoding says".to_owned())
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    fn gzip(bytes: &[u8]) -> Bytes {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(bytes).expect("memory can be written");
        encoder.finish().expect("memory can be written").into()
    }

    #[test]
    fn what_was_folded_unfolds() {
        let text = br#"{"model":"m","messages":[]}"#;
        let mut zlib = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::fast());
        zlib.write_all(text).expect("memory can be written");
        let zlib = zlib.finish().expect("memory can be written");
        let zstd = ruzstd::encoding::compress_to_vec(&text[..], ruzstd::encoding::CompressionLevel::Fastest);

        for (coding, body) in [(Coding::Gzip, gzip(text)), (Coding::Deflate, zlib.into()), (Coding::Zstd, zstd.into())]
        {
            assert_eq!(coding.decode(body).expect("it unfolds"), &text[..], "{coding:?}");
        }
    }

    #[test]
    fn a_body_that_unfolds_without_end_is_refused() {
        let bomb = gzip(&vec![b' '; usize::try_from(LARGEST_BODY).expect("small") + 1]);

        assert!(bomb.len() < 200_000);
        assert!(matches!(Coding::Gzip.decode(bomb), Err(Failure::PayloadTooLarge)));
    }

    #[test]
    fn what_is_not_what_it_says_is_refused_and_never_half_read() {
        let mut cut = gzip(b"{\"model\":\"m\"}").to_vec();
        cut.truncate(cut.len() - 9);
        for (coding, body) in [
            (Coding::Gzip, &b"plain"[..]),
            (Coding::Gzip, &cut),
            (Coding::Zstd, b"plain"),
            (Coding::Deflate, b"\xff"),
            (Coding::Gzip, b""),
        ] {
            assert!(coding.decode(Bytes::copy_from_slice(body)).is_err(), "{coding:?} {body:?}");
        }
        assert_eq!(Coding::named("br"), None);
        assert_eq!(Coding::named("gzip, zstd"), None);
    }
}
