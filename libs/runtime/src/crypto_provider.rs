//! The TLS cryptography of a process is chosen explicitly, once, before anything builds a TLS configuration: with two
//! providers linked (some drivers bring a second) rustls would otherwise panic at the first handshake.

/// Makes ring the process-wide provider of rustls. Every `main` calls it first; a second call changes nothing.
pub fn install() {
    // An error means that a provider is installed already. Whether it is ours, `is_ring` tells.
    let _ = rustls::crypto::ring::default_provider().install_default();
}

/// Whether the installed provider is ring: none of the other provider's key exchange groups is there.
#[must_use]
pub fn is_ring() -> bool {
    let ours = rustls::crypto::ring::default_provider();
    rustls::crypto::CryptoProvider::get_default().is_some_and(|installed| {
        let names = |provider: &rustls::crypto::CryptoProvider| {
            provider
                .kx_groups
                .iter()
                .map(|group| group.name())
                .collect::<Vec<_>>()
        };
        names(installed) == names(&ours)
    })
}

#[cfg(test)]
mod tests {
    #[test]
    fn ring_is_installed_and_stays_installed() {
        super::install();
        super::install();
        assert!(super::is_ring());
    }
}
