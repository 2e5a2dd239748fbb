//! A webhead as a process of its own whose private tiers are all away: it starts, is ready, serves what needs only
//! reads, and says 503 to the rest. Real sockets, a real store, certificates made for the test.

#[cfg(test)]
mod tests {
    use std::{
        io::{BufRead as _, BufReader, Read as _},
        net::SocketAddr,
        os::unix::fs::PermissionsExt,
        path::Path,
        process::{Child, Command, Stdio},
        time::Duration,
    };

    use foxhold_runtime::{
        Shutdown, SystemClock, SystemRandom,
        certificates::{Authority, Subject},
        config::{Secrets, Sources},
        crypto_provider,
        metrics::scraped,
        tls::SpiffeId,
    };
    use foxhold_store_sqlite::SqliteStore;
    use foxhold_webhead::{Config, Webhead};
    use tokio::{
        io::{AsyncReadExt, AsyncWriteExt},
        net::TcpStream,
    };

    fn write(path: &Path, text: &str) {
        std::fs::write(path, text).unwrap();
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600)).unwrap();
    }

    /// Keys, certificates, an empty store and a configuration that leads to nobody.
    fn config(folder: &Path) -> Config {
        toml::from_str(&settings(folder)).unwrap()
    }

    fn settings(folder: &Path) -> String {
        let authority = Authority::create("foxhold.test", &SystemClock, &SystemRandom).unwrap();
        let id: SpiffeId = "spiffe://foxhold.test/here/webhead".parse().unwrap();
        let subject = Subject::of(&id, Duration::from_secs(3600));
        let pair = authority.issue(&subject, &SystemClock, &SystemRandom).unwrap();
        write(&folder.join("webhead.pem"), &pair.certificate_pem);
        write(&folder.join("webhead.key"), &pair.key_pem);
        write(&folder.join("authority.pem"), authority.certificate_pem());
        write(&folder.join("code.key"), &"ab".repeat(32));
        write(&folder.join("metrics.key"), "metrics");
        SqliteStore::open_writer(folder.join("store.db")).unwrap().close();
        let at = |name: &str| folder.join(name).display().to_string();
        format!(
            r#"
            public_url = "http://localhost:9000"
            listen = "127.0.0.1:0"
            private_listen = "127.0.0.1:0"
            code_key_file = "{code}"
            metrics_key_file = "{metrics}"
            tls = {{ certificate_file = "{certificate}", key_file = "{key}", authority_file = "{authority}", trust_domain = "foxhold.test" }}
            store = {{ path = "{store}" }}
            dbwriter = {{ addresses = ["127.0.0.1:1"] }}
            keysigner = {{ addresses = ["127.0.0.1:1"] }}
            stretch = {{ memory_mib = 66 }}
            mail = {{ mode = "none" }}
            "#,
            code = at("code.key"),
            metrics = at("metrics.key"),
            certificate = at("webhead.pem"),
            key = at("webhead.key"),
            authority = at("authority.pem"),
            store = at("store.db"),
        )
    }

    /// Sends a request as it stands and reads the answer to its end.
    async fn exchange(address: SocketAddr, method: &str, path: &str, body: &str) -> String {
        let mut stream = TcpStream::connect(address).await.unwrap();
        let request = format!(
            "{method} {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        );
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        answer
    }

    #[tokio::test]
    async fn without_its_private_tiers_a_webhead_serves_reads_and_refuses_the_rest_for_now() {
        crypto_provider::install();
        let folder = tempfile::tempdir().unwrap();
        let shutdown = Shutdown::new();
        let webhead = Webhead::open(config(folder.path()), &Secrets::default(), &shutdown)
            .await
            .unwrap();
        let address = webhead.address();
        let private = webhead.private_address().expect("it is configured");
        let serving = tokio::spawn(webhead.serve(shutdown.clone()));

        let version = exchange(address, "GET", "/__version__", "").await;
        assert!(version.starts_with("HTTP/1.1 200"), "{version}");
        assert!(
            version.to_lowercase().contains("\r\ndate: "),
            "clients correct their clock by it: {version}"
        );
        let status = exchange(
            address,
            "POST",
            "/v1/account/status",
            r#"{"email":"alice@example.test"}"#,
        )
        .await;
        assert!(
            status.starts_with("HTTP/1.1 200") && status.ends_with(r#"{"exists":false}"#),
            "{status}"
        );
        let body = format!(
            r#"{{"email":"alice@example.test","authPW":"{}"}}"#,
            "11".repeat(32)
        );
        let create = exchange(address, "POST", "/v1/account/create", &body).await;
        assert!(
            create.starts_with("HTTP/1.1 503") && create.contains(r#""errno":201"#),
            "{create}"
        );
        assert!(create.to_lowercase().contains("\r\nretry-after: "), "{create}");
        let login = exchange(address, "POST", "/v1/account/login", &body).await;
        assert!(
            login.starts_with("HTTP/1.1 400") && login.contains(r#""errno":102"#),
            "{login}"
        );
        for path in ["/v1/jwks", "/1.0/sync/1.5"] {
            let answer = exchange(address, "GET", path, "").await;
            assert!(!answer.starts_with("HTTP/1.1 200"), "{path}: {answer}");
        }

        // The first look at the store may still be on its way; signer and writer are away, and reads are served all the same.
        let beat = async {
            loop {
                let answer = exchange(address, "GET", "/__heartbeat__", "").await;
                if answer.starts_with("HTTP/1.1 200") {
                    break answer;
                }
                assert!(
                    answer.starts_with("HTTP/1.1 503") && answer.to_lowercase().contains("\r\nretry-after: "),
                    "{answer}"
                );
            }
        };
        let beat = tokio::time::timeout(Duration::from_secs(60), beat).await.unwrap();
        let (_, body) = beat.split_once("\r\n\r\n").unwrap();
        let expected = serde_json::json!({
            "status": "Err", "version": env!("CARGO_PKG_VERSION"), "ready": true, "degraded": ["dbwriter", "keysigner"],
            "store": "Ok", "database": "Ok", "dbwriter": "Unknown", "keysigner": "Unknown", "nodes": "Ok",
        });
        assert_eq!(serde_json::from_str::<serde_json::Value>(body).unwrap(), expected);

        let public = exchange(address, "GET", "/metrics", "").await;
        assert!(!public.contains("foxhold_build_info"), "{public}");
        let scrape = exchange(private, "GET", "/metrics", "").await;
        let (head, text) = scrape.split_once("\r\n\r\n").unwrap();
        assert!(head.starts_with("HTTP/1.1 200"), "{head}");
        let samples = scraped::read(text).unwrap();
        for (route, code) in [("/v1/account/status", "2xx"), ("/v1/account/create", "5xx")] {
            let labels = [("route", route), ("method", "POST"), ("code", code)];
            let counted = scraped::sum(&samples, "foxhold_http_requests_total", &labels);
            assert!((counted - 1.0).abs() < 0.5, "{route}: {counted}");
        }
        let expiry = "foxhold_tls_certificate_expiry_timestamp_seconds";
        assert!(scraped::sum(&samples, expiry, &[("use", "tier")]) > 1e9);
        let instances = |tier| scraped::sum(&samples, "foxhold_rpc_endpoints", &[("service", tier)]);
        assert!(
            instances("dbwriter") >= 1.0 && instances("keysigner") >= 1.0,
            "{text}"
        );
        let version = foxhold_store_sqlite::latest().to_string();
        assert!(scraped::sum(&samples, "foxhold_schema_version", &[("version", &version)]) >= 1.0);
        assert!(text.contains("\nfoxhold_replay_remembered_requests "), "{text}");
        assert!(!text.contains("alice"), "{text}");

        shutdown.trigger();
        serving.await.unwrap().unwrap();
    }

    /// As a process of its own is told where its configuration is.
    #[tokio::test]
    async fn a_webhead_takes_over_rules_of_registration_from_its_file() {
        crypto_provider::install();
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("webhead.toml");
        let settings = settings(folder.path());
        write(&path, &settings);
        let sources = Sources {
            files: vec![path.clone()],
            ..Sources::default()
        };
        let mut config: Config = foxhold_runtime::config::load("webhead", &sources).unwrap();
        config.sources = sources;
        let shutdown = Shutdown::new();
        let webhead = Webhead::open(config, &Secrets::default(), &shutdown)
            .await
            .unwrap();
        let address = webhead.address();
        let serving = tokio::spawn(webhead.serve(shutdown.clone()));
        let told = async || exchange(address, "GET", "/v1/account/registration", "").await;
        assert!(told().await.ends_with(r#"{"mode":"open"}"#));
        let new = folder.path().join("new.toml");
        write(&new, &format!("registration = \"closed\"\n{settings}"));
        std::fs::rename(&new, &path).unwrap();
        let closed = async { while !told().await.ends_with(r#"{"mode":"closed"}"#) {} };
        let waited = tokio::time::timeout(Duration::from_secs(60), closed).await;
        assert!(waited.is_ok(), "{}", told().await);
        shutdown.trigger();
        serving.await.unwrap().unwrap();
    }

    /// The program itself. Ends with the test.
    struct Process {
        child: Child,
        public: SocketAddr,
        token_server: SocketAddr,
    }

    impl Process {
        /// Runs it until it has told where it serves.
        fn start(config: &Path) -> Self {
            let mut command = Command::new(env!("CARGO_BIN_EXE_foxhold-webhead"));
            command.arg("--config").arg(config);
            let mut child = command
                .stdout(Stdio::null())
                .stderr(Stdio::piped())
                .spawn()
                .unwrap();
            let mut log = BufReader::new(child.stderr.take().unwrap());
            let mut told = |key: &str| loop {
                let mut line = String::new();
                assert!(log.read_line(&mut line).unwrap() > 0, "it ended before it served");
                let event: serde_json::Value = serde_json::from_str(&line).expect(&line);
                if let Some(address) = event[key].as_str() {
                    break address.parse().unwrap();
                }
            };
            let (token_server, public) = (told("token_server_listen"), told("listen"));
            // The log is read on, so that the process never waits for us.
            std::thread::spawn(move || log.read_to_end(&mut Vec::new()));
            Self {
                child,
                public,
                token_server,
            }
        }
    }

    impl Drop for Process {
        fn drop(&mut self) {
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
    }

    /// Status and body, of an answer that carries what all of the Token Server's do.
    fn of_token_server(answer: &str) -> (&str, serde_json::Value) {
        let (head, body) = answer.split_once("\r\n\r\n").expect(answer);
        let headers = head.to_lowercase();
        for part in [
            "content-type: application/json",
            "x-timestamp: 1",
            "x-request-id: ",
        ] {
            assert!(headers.contains(&format!("\r\n{part}")), "{part}: {answer}");
        }
        (&head[9..12], serde_json::from_str(body).expect(answer))
    }

    #[tokio::test]
    async fn the_token_server_is_served_on_its_own_by_its_own_rules() {
        let folder = tempfile::tempdir().unwrap();
        let config = folder.path().join("webhead.toml");
        let own = "token_server_listen = \"127.0.0.1:0\"\ntoken_server_url = \"https://token.example\"\n\
            drain_delay_secs = 60\n";
        write(&config, &format!("{own}{}", settings(folder.path())));
        let process = Process::start(&config);
        let ask = async |path| exchange(process.token_server, "GET", path, "").await;

        for (path, status, member, expected) in [
            ("/", "200", "auth", "https://token.example"),
            ("/__version__", "200", "version", env!("CARGO_PKG_VERSION")),
            ("/__heartbeat__", "503", "database", "Ok"),
            ("/1.0/sync/1.5", "404", "status", "error"),
            ("/1.0/", "404", "status", "error"),
            ("/v1/account/status", "404", "status", "error"),
            ("/.well-known/fxa-client-configuration", "404", "status", "error"),
        ] {
            let answer = ask(path).await;
            let (http, body) = of_token_server(&answer);
            assert_eq!(
                (http, body[member].as_str()),
                (status, Some(expected)),
                "{path}: {answer}"
            );
        }
        let elsewhere = exchange(process.public, "GET", "/1.0/sync/1.5", "").await;
        assert!(
            elsewhere.starts_with("HTTP/1.1 404") && elsewhere.contains(r#""errno":404"#),
            "{elsewhere}"
        );

        let empty = serde_json::json!({});
        assert_eq!(
            of_token_server(&ask("/__lbheartbeat__").await),
            ("200", empty.clone())
        );
        let pid = process.child.id().to_string();
        assert!(Command::new("kill").arg(&pid).status().unwrap().success());
        let told_to_go = async {
            loop {
                let answer = ask("/__lbheartbeat__").await;
                let (http, body) = of_token_server(&answer);
                assert_eq!(body, empty);
                if http == "503" {
                    break;
                }
            }
        };
        let waited = tokio::time::timeout(Duration::from_secs(50), told_to_go).await;
        assert!(
            waited.is_ok(),
            "a process that ends says so before it stops to listen"
        );
    }
}
