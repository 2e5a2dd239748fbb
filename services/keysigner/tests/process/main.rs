//! A keysigner as a process: started from files, ordered over mutual TLS, stopped; and what it says when its files are
//! wrong. Real sockets, a real key, certificates made for the test.

#[cfg(test)]
mod files;
#[cfg(test)]
mod kills;

#[cfg(test)]
mod tests {
    use std::{net::SocketAddr, os::unix::fs::PermissionsExt, sync::Arc};

    use foxhold_crypto::{
        access_token,
        rsa_key::{KeySet, NamedKey, RsaPublicKey},
    };
    use foxhold_keysigner::Keysigner;
    use foxhold_ports::{
        AccessTokenSigner, Cause, IdTokenSigner, PublicKeySource,
        signer::{AccessTokenOrder, SignError},
    };
    use foxhold_runtime::{
        Shutdown, SystemClock,
        config::Secrets,
        crypto_provider,
        metrics::scraped::{self, Sample},
        tls::Role,
    };
    use tokio::{
        io::{AsyncReadExt, AsyncWriteExt},
        net::TcpStream,
        task::JoinSet,
    };

    use crate::files::{Files, by, id_order, order, pair, write};

    /// What operators see, held against the list of metrics.
    async fn scrape(address: SocketAddr) -> Vec<Sample> {
        let mut stream = TcpStream::connect(address).await.unwrap();
        let request = b"GET /metrics HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
        stream.write_all(request).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        let (head, text) = answer.split_once("\r\n\r\n").unwrap();
        assert!(head.starts_with("HTTP/1.1 200"), "{head}");
        scraped::read(text).unwrap()
    }

    /// How many calls of a method have ended so.
    fn calls(samples: &[Sample], method: &str, code: &str) -> f64 {
        let labels = [("method", method), ("code", code), ("side", "server")];
        scraped::sum(samples, "foxhold_rpc_duration_seconds_count", &labels)
    }

    #[tokio::test]
    async fn webheads_get_tokens_that_verify_and_others_get_none() {
        crypto_provider::install();
        let files = Files::new();
        let keysigner = Keysigner::open(&files.config(), &Secrets::default())
            .await
            .unwrap();
        let address = keysigner.address();
        let private = keysigner.private_address().expect("it is configured");
        let shutdown = Shutdown::new();
        let ending = shutdown.clone();
        let serving = tokio::spawn(async move { keysigner.serve(&ending).await });

        let webhead = files.caller(Role::Webhead, address);
        let token = webhead.sign_access_token(by(), &order()).await.unwrap();
        let keys = webhead.public_keys(by()).await.unwrap();
        let named = keys.into_iter().map(|key| NamedKey {
            kid: key.kid,
            key: RsaPublicKey::new(&key.n, &key.e).unwrap(),
        });
        let keys = KeySet::new(named.collect());
        let now = foxhold_core::Clock::now(&SystemClock);
        let claims = access_token::check(token.expose(), &keys, now).unwrap();
        assert_eq!(claims.issuer.as_deref(), Some("https://accounts.foxhold.test"));

        let greedy = AccessTokenOrder {
            lifetime_secs: u64::MAX,
            ..order()
        };
        assert_eq!(
            webhead.sign_access_token(by(), &greedy).await,
            Err(SignError::Refused)
        );
        for role in [Role::Dbwriter, Role::Ops] {
            let refused = files
                .caller(role, address)
                .sign_access_token(by(), &order())
                .await;
            assert!(refused.is_err(), "{role}");
        }

        let samples = scrape(private).await;
        for (method, code, at_least) in [
            ("SignAccessToken", "OK", 1.0),
            ("SignAccessToken", "INVALID_ARGUMENT", 1.0),
            ("SignAccessToken", "PERMISSION_DENIED", 2.0),
            ("GetPublicKeys", "OK", 1.0),
        ] {
            let counted = calls(&samples, method, code);
            assert!(counted >= at_least, "{method} {code}: {counted}");
        }
        for name in [
            "foxhold_key_age_seconds",
            "foxhold_tls_certificate_expiry_timestamp_seconds",
            "foxhold_sign_queue_depth",
        ] {
            assert!(samples.iter().any(|sample| sample.name == name), "{name}");
        }
        let signed = [("key_use", "access_token"), ("result", "signed")];
        assert!(scraped::sum(&samples, "foxhold_sign_duration_seconds_count", &signed) >= 1.0);
        shutdown.trigger();
        serving.await.unwrap().unwrap();
    }

    /// Told apart by where they call from; an order that is refused counts, too.
    #[tokio::test]
    async fn one_instance_does_not_order_without_end() {
        crypto_provider::install();
        let files = Files::new();
        let mut config = files.config();
        (config.signing.caller_per_second, config.signing.caller_burst) = (1, 2);
        let keysigner = Keysigner::open(&config, &Secrets::default()).await.unwrap();
        let address = keysigner.address();
        let shutdown = Shutdown::new();
        let ending = shutdown.clone();
        let serving = tokio::spawn(async move { keysigner.serve(&ending).await });
        let webhead = Arc::new(files.caller(Role::Webhead, address));
        let mut orders = JoinSet::new();
        // However slow the machine is, so many at once are more than it may have, of all kinds together.
        for number in 0..200 {
            let webhead = Arc::clone(&webhead);
            let is_id = number % 2 == 0;
            orders.spawn(async move {
                let answer = match is_id {
                    true => webhead.sign_id_token(by(), &id_order()).await,
                    false => webhead.sign_access_token(by(), &order()).await,
                };
                (is_id, answer.err())
            });
        }
        let answers = orders.join_all().await;
        let overloaded = Some(SignError::NotDone(Cause::Overloaded));
        for kind in [true, false] {
            let refused = answers.iter().filter(|answer| **answer == (kind, overloaded));
            assert!(refused.count() >= 1, "ID tokens: {kind}");
        }
        let signed = answers.iter().filter(|(_, error)| error.is_none()).count();
        assert!((2..100).contains(&signed), "{signed}");
        shutdown.trigger();
        serving.await.unwrap().unwrap();
    }

    #[tokio::test]
    async fn a_certificate_of_another_role_does_not_start() {
        crypto_provider::install();
        let files = Files::new();
        let other = pair(&files.authority, Role::Webhead);
        write(&files.folder.path().join("tls.pem"), &other.certificate_pem);
        write(&files.folder.path().join("tls.key"), &other.key_pem);
        let refused = Keysigner::open(&files.config(), &Secrets::default()).await;
        assert!(refused.is_err_and(|error| error.to_string().contains("role")));
    }

    #[test]
    fn wrong_files_and_settings_are_told_before_anything_is_bound() {
        let files = Files::new();
        assert_eq!(files.check(&[]), (true, String::new()));
        let table = [
            (
                "an unknown key",
                ("FOXHOLD_ISSUERR", "x"),
                "did you mean `issuer`?",
            ),
            ("a bad issuer", ("FOXHOLD_ISSUER", "accounts"), "`issuer`"),
            (
                "a throw-away key",
                ("FOXHOLD_EPHEMERAL_KEY", "true"),
                "`ephemeral_key`",
            ),
            (
                "no audit key there",
                ("FOXHOLD_AUDIT__KEY_FILE", "/nowhere"),
                "audit.key_file",
            ),
            (
                "no node secrets there",
                ("FOXHOLD_NODE_SECRETS__FIXED_FILE", "/nowhere"),
                "node_secrets",
            ),
        ];
        for (name, variable, expected) in table {
            let (content, said) = files.check(&[variable]);
            assert!(!content && said.contains(expected), "{name}: {said}");
        }
        let key = files.folder.path().join("identity.pem");
        let passphrase = files.folder.path().join("identity.passphrase");
        std::fs::set_permissions(&key, std::fs::Permissions::from_mode(0o644)).unwrap();
        let (content, said) = files.check(&[]);
        assert!(!content && said.contains("chmod 600"), "{said}");
        std::fs::set_permissions(&key, std::fs::Permissions::from_mode(0o600)).unwrap();
        write(&passphrase, "another");
        let (content, said) = files.check(&[]);
        assert!(!content && said.contains("wrong passphrase"), "{said}");
        assert!(!said.contains("another"), "{said}");
    }
}
