//! Delivery to a mail server made for the test, which speaks as much SMTP as a client needs to hear.

use std::{
    net::SocketAddr,
    sync::atomic::{AtomicUsize, Ordering},
};

use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader},
    net::{TcpListener, TcpStream},
};

use super::*;

const NO_PAUSES: [Duration; 2] = [Duration::ZERO; 2];

/// What a server answers to its `RCPT`s, one after the other; when all are used up, 250.
#[derive(Clone)]
struct Script {
    answers: &'static [&'static str],
    asked: Arc<AtomicUsize>,
}

/// A server that hands out what it was sent.
async fn server(answers: &'static [&'static str]) -> (SocketAddr, mpsc::Receiver<String>) {
    let (address, received, _) = start(answers).await;
    (address, received)
}

/// A server that counts how often it was asked to take a mail.
async fn counting_server(answers: &'static [&'static str]) -> (SocketAddr, Arc<AtomicUsize>) {
    let (address, _, asked) = start(answers).await;
    (address, asked)
}

async fn start(answers: &'static [&'static str]) -> (SocketAddr, mpsc::Receiver<String>, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (sender, received) = mpsc::channel(16);
    let script = Script {
        answers,
        asked: Arc::default(),
    };
    let asked = script.asked.clone();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(dialogue(stream, script.clone(), sender.clone()));
        }
    });
    (address, received, asked)
}

async fn dialogue(stream: TcpStream, script: Script, sender: mpsc::Sender<String>) {
    let (read, mut write) = stream.into_split();
    let mut lines = BufReader::new(read).lines();
    write.write_all(b"220 test ESMTP\r\n").await.unwrap();
    while let Ok(Some(line)) = lines.next_line().await {
        let answer = match line.split([' ', ':']).next().unwrap_or_default() {
            "RCPT" => {
                let place = script.asked.fetch_add(1, Ordering::SeqCst);
                script.answers.get(place).copied().unwrap_or("250 ok")
            }
            "DATA" => {
                write.write_all(b"354 go on\r\n").await.unwrap();
                let mut mail = String::new();
                while let Ok(Some(line)) = lines.next_line().await {
                    if line == "." {
                        break;
                    }
                    mail.push_str(&line);
                    mail.push('\n');
                }
                // The test may not be interested.
                let _ = sender.send(mail).await;
                "250 taken"
            }
            "QUIT" => "221 bye",
            _ => "250 ok",
        };
        if write.write_all(format!("{answer}\r\n").as_bytes()).await.is_err() {
            return;
        }
    }
}

fn settings(address: SocketAddr) -> SmtpSettings {
    SmtpSettings {
        host: address.ip().to_string(),
        port: Some(address.port()),
        tls: SmtpTls::Plain,
        login: None,
        from: "Foxhold <noreply@accounts.example>".into(),
    }
}

fn mail(to: &str) -> Mail {
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

#[tokio::test]
async fn a_mail_arrives_whole() {
    let (address, mut received) = server(&[]).await;
    let mailer = SmtpMailer::start(&settings(address)).unwrap();
    mailer.post(mail("user@example.com")).await.unwrap();
    let text = received.recv().await.unwrap();
    for part in [
        "From: Foxhold <noreply@accounts.example>\n",
        "To: user@example.com\n",
        "Subject: Confirm your account\n",
        "X-Template-Name: verify\n",
        "X-Verify-Short-Code: 123456\n",
        "multipart/alternative",
        "text/plain",
        "text/html",
        "Your code: 123456",
    ] {
        assert!(text.contains(part), "{part:?} in {text}");
    }
}

#[tokio::test]
async fn what_the_server_cannot_take_now_is_tried_again() {
    let (address, mut received) = server(&["451 later", "421 later"]).await;
    let mailer = SmtpMailer::start_with(&settings(address), &NO_PAUSES).unwrap();
    mailer.post(mail("user@example.com")).await.unwrap();
    assert!(received.recv().await.unwrap().contains("123456"));
}

#[tokio::test]
async fn what_the_server_refuses_for_good_or_too_often_is_given_up() {
    let table: [(&[&str], usize); 3] = [
        (&["550 no such user"], 1),
        (&["451 later", "451 later", "451 later"], 3),
        (&[], 1),
    ];
    for (answers, attempts) in table {
        let (address, asked) = counting_server(answers).await;
        let settings = settings(address);
        let message = message(&settings.from.parse().unwrap(), mail("user@example.com")).unwrap();
        deliver(&transport(&settings).unwrap(), message, &NO_PAUSES).await;
        assert_eq!(asked.load(Ordering::SeqCst), attempts, "{answers:?}");
    }
}

#[tokio::test]
async fn no_stored_value_can_add_a_header_or_a_receiver() {
    let (address, _received) = server(&[]).await;
    let mailer = SmtpMailer::start(&settings(address)).unwrap();
    for to in [
        "user@example.com\r\nBcc: all@example.com",
        "user@example.com, all@example.com",
        "User <user@example.com>",
        "user@example.com\0",
        "user@exam ple.com",
        "nobody",
        "",
    ] {
        assert_eq!(mailer.post(mail(to)).await, Err(MailError), "{to:?}");
    }
    let subject = Mail {
        subject: "a\r\nBcc: all@example.com".into(),
        ..mail("user@example.com")
    };
    assert_eq!(mailer.post(subject).await, Err(MailError));
    let header = Mail {
        headers: vec![("X-Link", "a\nb".into())],
        ..mail("user@example.com")
    };
    assert_eq!(mailer.post(header).await, Err(MailError));
}

#[tokio::test]
async fn a_full_queue_refuses_at_once() {
    // Nobody ever answers here: the listener's queue takes the connections.
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mailer = SmtpMailer::start(&settings(listener.local_addr().unwrap())).unwrap();
    let mut taken = 0;
    while mailer.post(mail("user@example.com")).await.is_ok() {
        taken += 1;
        assert!(taken <= QUEUE_MAX + IN_WORK_MAX + 2);
    }
    assert!(taken >= QUEUE_MAX);
}

#[tokio::test]
async fn settings_that_cannot_work_are_refused() {
    let good = settings(SocketAddr::from(([127, 0, 0, 1], 25)));
    let remote = SmtpSettings {
        host: "mail.example.com".into(),
        ..good.clone()
    };
    assert!(matches!(
        SmtpMailer::start(&remote),
        Err(SmtpError::PlainNeedsLoopback)
    ));
    let nobody = SmtpSettings {
        from: "Foxhold".into(),
        ..good.clone()
    };
    assert!(matches!(SmtpMailer::start(&nobody), Err(SmtpError::Sender)));
    for host in ["localhost", "::1", "127.0.0.9"] {
        assert!(
            SmtpMailer::start(&SmtpSettings {
                host: host.into(),
                ..good.clone()
            })
            .is_ok(),
            "{host}"
        );
    }
    for tls in [SmtpTls::Starttls, SmtpTls::Tls] {
        assert!(
            SmtpMailer::start(&SmtpSettings {
                tls,
                ..remote.clone()
            })
            .is_ok()
        );
    }
}
