//! What can be a mail, and which settings can work. Handing mails over is tested with [`sender`](crate::mail::sender).

use std::net::SocketAddr;

use super::*;

pub(in crate::mail) fn settings(address: SocketAddr) -> SmtpSettings {
    SmtpSettings {
        host: address.ip().to_string(),
        port: Some(address.port()),
        tls: SmtpTls::Plain,
        authorities: None,
        login: None,
        from: "Foxhold <noreply@accounts.example>".into(),
    }
}

pub(in crate::mail) fn mail(to: &str) -> Mail {
    Mail {
        to: to.into(),
        subject: "Confirm your account".into(),
        text: "Your code: 123456".into(),
        html: "<p>Your code: <b>123456</b></p>".into(),
        headers: vec![
            ("X-Template-Name", "verify".into()),
            ("X-Verify-Short-Code", "123456".into()),
        ],
    }
}

fn local() -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], 25))
}

#[tokio::test]
async fn no_stored_value_can_add_a_header_or_a_receiver() {
    let relay = Relay::new(&settings(local())).unwrap();
    assert_eq!(relay.parcel(mail("user@example.com")).unwrap().template, "verify");
    for to in [
        "user@example.com\r\nBcc: all@example.com",
        "user@example.com, all@example.com",
        "User <user@example.com>",
        "user@example.com\0",
        "user@exam ple.com",
        "nobody",
        "",
    ] {
        assert!(relay.parcel(mail(to)).is_none(), "{to:?}");
    }
    let subject = Mail {
        subject: "a\r\nBcc: all@example.com".into(),
        ..mail("user@example.com")
    };
    assert!(relay.parcel(subject).is_none());
    let header = Mail {
        headers: vec![("X-Link", "a\nb".into())],
        ..mail("user@example.com")
    };
    assert!(relay.parcel(header).is_none());
}

#[tokio::test]
async fn settings_that_cannot_work_are_refused() {
    let good = settings(local());
    let remote = SmtpSettings {
        host: "mail.example.com".into(),
        ..good.clone()
    };
    assert!(matches!(Relay::new(&remote), Err(SmtpError::PlainNeedsLoopback)));
    let nobody = SmtpSettings {
        from: "Foxhold".into(),
        ..good.clone()
    };
    assert!(matches!(Relay::new(&nobody), Err(SmtpError::Sender)));
    for host in ["localhost", "::1", "127.0.0.9"] {
        let settings = SmtpSettings {
            host: host.into(),
            ..good.clone()
        };
        assert!(Relay::new(&settings).is_ok(), "{host}");
    }
    for tls in [SmtpTls::Starttls, SmtpTls::Tls] {
        let settings = SmtpSettings {
            tls,
            ..remote.clone()
        };
        assert!(Relay::new(&settings).is_ok());
        // None at all is not everybody's.
        for pem in [
            "",
            "no certificate",
            "-----BEGIN CERTIFICATE-----\n?\n-----END CERTIFICATE-----\n",
        ] {
            let settings = SmtpSettings {
                authorities: Some(pem.as_bytes().into()),
                ..settings.clone()
            };
            assert!(
                matches!(Relay::new(&settings), Err(SmtpError::Authorities)),
                "{pem:?}"
            );
        }
    }
}
