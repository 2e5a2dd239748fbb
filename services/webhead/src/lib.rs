//! The webhead: everything a browser talks to. It reads the store itself and holds no private key.
