//! Puts a rewritten body together from pieces of the original and new values.

use bytes::{Bytes, BytesMut};
use lotse_crds::body::Piece;

/// Up to here copying is cheaper than handing over pieces one by one: each costs a turn of hyper's and a vector of the
/// kernel's. Larger bodies are not copied.
pub(crate) const CHEAP_TO_COPY: usize = 16 * 1024;

/// The rewritten body: in one piece if it is small, otherwise as slices of the original between new values.
pub(crate) fn put_together(original: &Bytes, pieces: Vec<Piece>) -> Vec<Bytes> {
    let length: usize = pieces.iter().map(Piece::len).sum();
    if length > CHEAP_TO_COPY {
        let bytes = |piece| match piece {
            Piece::Kept(range) => original.slice(range),
            Piece::New(bytes) => Bytes::from(bytes),
        };
        return pieces.into_iter().map(bytes).collect();
    }
    let mut joined = BytesMut::with_capacity(length);
    join(original, &pieces, &mut joined);
    vec![joined.freeze()]
}

/// Writes all pieces one behind the other.
pub(crate) fn join(original: &[u8], pieces: &[Piece], out: &mut BytesMut) {
    for piece in pieces {
        match piece {
            Piece::Kept(range) => out.extend_from_slice(&original[range.clone()]),
            Piece::New(bytes) => out.extend_from_slice(bytes),
        }
    }
}
