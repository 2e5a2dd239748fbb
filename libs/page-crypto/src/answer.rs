//! JSON answers, written into a buffer that is wiped when dropped.

use foxhold_core::{Secret, hex};
use zeroize::Zeroizing;

/// Long enough for every answer, so that no outgrown copy stays behind unwiped.
const CAPACITY: usize = 4096;

/// An answer under construction.
pub(crate) struct Answer(Zeroizing<Vec<u8>>);

impl Answer {
    pub(crate) fn new() -> Self {
        let mut json = Vec::with_capacity(CAPACITY);
        json.push(b'{');
        Self(Zeroizing::new(json))
    }

    /// A member with a secret in hex.
    pub(crate) fn secret(self, name: &str, secret: &Secret<32>) -> Self {
        self.text(name, &Zeroizing::new(hex::encode(secret.expose())))
    }

    /// A member with a text.
    pub(crate) fn text(mut self, name: &str, text: &str) -> Self {
        if self.0.len() > 1 {
            self.0.push(b',');
        }
        self.0.extend_from_slice(&to_json(name));
        self.0.push(b':');
        self.0.extend_from_slice(&to_json(text));
        self
    }

    /// The whole text.
    pub(crate) fn finish(mut self) -> Zeroizing<Vec<u8>> {
        self.0.push(b'}');
        self.0
    }
}

fn to_json(text: &str) -> Zeroizing<Vec<u8>> {
    Zeroizing::new(serde_json::to_vec(text).expect("a string always serializes"))
}
