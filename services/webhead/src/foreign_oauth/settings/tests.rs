//! The table `[foreign_oauth]`: what is made of it, and what cannot be.

use super::*;

#[test]
fn settings_that_cannot_be() {
    let folder = tempfile::tempdir().unwrap();
    let no_key = folder.path().join("no-key");
    std::fs::write(&no_key, "{}").unwrap();
    let check = |change: &dyn Fn(&mut ForeignOauthSettings)| {
        let table = "server_url = \"https://oauth.example/v1/\"\ndomain = \"accounts.elsewhere.example\"";
        let mut settings: ForeignOauthSettings = toml::from_str(table).unwrap();
        change(&mut settings);
        settings.prepare("accounts.example")
    };
    let good = check(&|_| {}).unwrap();
    assert_eq!(good.server_url, "https://oauth.example/v1");
    assert_eq!(good.jwks, "https://oauth.example/v1/jwks");
    assert_eq!(good.verify, "https://oauth.example/v1/verify");
    assert_eq!(good.config, "https://oauth.example/config");
    assert_eq!(good.domain.as_deref(), Some("accounts.elsewhere.example"));
    let below = |settings: &mut ForeignOauthSettings| {
        settings.server_url = "http://10.0.0.5:9000/oauth/v1".to_owned();
        settings.domain = None;
    };
    let discovering = check(&below).unwrap();
    assert_eq!(discovering.config, "http://10.0.0.5:9000/oauth/config");
    assert_eq!(discovering.domain, None);
    assert_eq!((good.verifying_max, good.keys.len()), (Some(64), 0));
    assert_eq!(
        check(&|settings| settings.verify_remotely = false)
            .unwrap()
            .verifying_max,
        None
    );

    for url in [
        "https://oauth.example",
        "https://oauth.example/v2",
        "https://v1",
        "https://oauth.example/v1?a=/v1",
        "https://oauth.example/#/v1",
        "https://user@oauth.example/v1",
        "ftp://oauth.example/v1",
        "/v1",
        "",
    ] {
        let refused = check(&|settings| settings.server_url = url.to_owned());
        assert!(matches!(refused, Err(ForeignOauthError::ServerUrl(_))), "{url}");
    }
    for domain in ["", "Accounts.example", "a/b"] {
        let refused = check(&|settings| settings.domain = Some(domain.to_owned()));
        assert!(matches!(refused, Err(ForeignOauthError::Domain(_))), "{domain}");
    }
    let own = check(&|settings| settings.domain = Some("accounts.example".to_owned()));
    assert!(matches!(own, Err(ForeignOauthError::OwnDomain(_))));
    for turns in [0, 1025] {
        let refused = check(&|settings| settings.verifying_max = turns);
        assert!(matches!(refused, Err(ForeignOauthError::VerifyingMax)));
    }
    let missing = check(&|settings| settings.key_files = vec![folder.path().join("missing")]);
    assert!(matches!(missing, Err(ForeignOauthError::KeyFile { .. })));
    let unusable = check(&|settings| settings.key_files = vec![no_key.clone()]);
    assert!(matches!(unusable, Err(ForeignOauthError::Key { .. })));
    assert!(toml::from_str::<ForeignOauthSettings>("colour = \"red\"").is_err());
}
