//! Tells when the pieces of a JSON object are whole, so that a call's block can be closed as early as possible.

/// Follows a JSON object through its pieces.
#[derive(Default)]
pub(super) struct ObjectScan {
    depth: u32,
    in_string: bool,
    escaped: bool,
    whole: bool,
}

impl ObjectScan {
    /// Takes the next piece.
    pub(super) fn take(&mut self, piece: &str) {
        for byte in piece.bytes() {
            match byte {
                _ if self.escaped => self.escaped = false,
                b'\\' if self.in_string => self.escaped = true,
                b'"' => self.in_string = !self.in_string,
                _ if self.in_string => {}
                b'{' | b'[' => self.depth += 1,
                b'}' | b']' => {
                    self.depth = self.depth.saturating_sub(1);
                    self.whole |= self.depth == 0;
                }
                _ => {}
            }
        }
    }

    /// Whether the outermost bracket is closed.
    pub(super) fn is_whole(&self) -> bool {
        self.whole
    }
}
