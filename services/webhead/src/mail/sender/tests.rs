//! Senders over the memory store, and a mail server made for the test, which speaks as much SMTP as a client needs to hear.

use std::{
    net::SocketAddr,
    sync::atomic::{AtomicUsize, Ordering},
};

use foxhold_core::{Secret, Timestamp};
use foxhold_ports::{
    memory::{ManualClock, MemoryStore, SeededRandom},
    outbox::{Backlog, KEPT},
};
use foxhold_runtime::SystemClock;
use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader},
    net::{TcpListener, TcpStream},
};

use super::*;
use crate::{
    mail::smtp::tests::{mail, settings},
    mail_templates::MailTemplates,
};

mod invitations;
mod log;

const NOW: Timestamp = Timestamp::from_secs(1_800_000_000);

/// A mail server: what it answers to its `RCPT`s, one after the other (250 when all are used up), and what it took.
struct Server {
    address: SocketAddr,
    received: mpsc::Receiver<String>,
    asked: Arc<AtomicUsize>,
}

impl Server {
    async fn start(answers: &'static [&'static str]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (sender, received) = mpsc::channel(64);
        let asked = Arc::new(AtomicUsize::new(0));
        let counter = Arc::clone(&asked);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(dialogue(stream, answers, Arc::clone(&counter), sender.clone()));
            }
        });
        Self {
            address,
            received,
            asked,
        }
    }

    async fn next(&mut self) -> String {
        self.received.recv().await.unwrap()
    }
}

async fn dialogue(
    stream: TcpStream,
    answers: &'static [&'static str],
    asked: Arc<AtomicUsize>,
    sender: mpsc::Sender<String>,
) {
    let (read, mut write) = stream.into_split();
    let mut lines = BufReader::new(read).lines();
    write.write_all(b"220 test ESMTP\r\n").await.unwrap();
    while let Ok(Some(line)) = lines.next_line().await {
        let answer = match line.split([' ', ':']).next().unwrap_or_default() {
            "RCPT" => {
                let place = asked.fetch_add(1, Ordering::SeqCst);
                answers.get(place).copied().unwrap_or("250 ok")
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

/// A deployment's outbox, for any number of senders.
struct Bench {
    store: Arc<MemoryStore>,
    clock: Arc<ManualClock>,
    key: Arc<OutboxKey>,
}

impl Bench {
    fn new() -> Self {
        Self {
            store: Arc::new(MemoryStore::new()),
            clock: Arc::new(ManualClock::new(NOW)),
            key: Arc::new(OutboxKey::derive(&Secret::new([1; 32]))),
        }
    }

    fn ports(&self, seed: u64) -> SenderPorts {
        SenderPorts {
            outbox: Arc::clone(&self.store) as _,
            reader: Arc::clone(&self.store) as _,
            invitations: Arc::clone(&self.store) as _,
            templates: Arc::new(MailTemplates::new("https://accounts.example.test", None).unwrap()),
            key: Arc::clone(&self.key),
            clock: Arc::clone(&self.clock) as _,
            random: Arc::new(SeededRandom::new(seed)),
            is_alone: false,
        }
    }

    fn sender(&self, server: SocketAddr, ports: SenderPorts) -> (OutboxMailer, RunningSender) {
        start(Relay::new(&settings(server)).unwrap(), ports, &Shutdown::new())
    }

    /// Puts a mail as a process that dies right after.
    async fn left_behind(&self, seed: u64, to: &str) {
        let nobody = SocketAddr::from(([127, 0, 0, 1], 9));
        let (mailer, sender) = self.sender(nobody, self.ports(seed));
        sender.task.abort();
        mailer.post(mail(to)).await.unwrap();
    }

    async fn waiting(&self) -> Backlog {
        let by = Deadline::after(Duration::from_secs(60));
        self.store.backlog(by, self.clock.now()).await.unwrap()
    }

    async fn empty(&self) {
        while self.waiting().await.mails > 0 {
            tokio::task::yield_now().await;
        }
    }
}

#[tokio::test]
async fn a_mail_arrives_whole_and_leaves_the_outbox() {
    let (bench, mut server) = (Bench::new(), Server::start(&[]).await);
    let (mailer, _sender) = bench.sender(server.address, bench.ports(1));
    mailer.post(mail("user@example.com")).await.unwrap();
    let text = server.next().await;
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
    bench.empty().await;
}

#[tokio::test]
async fn what_the_server_cannot_take_now_is_tried_again() {
    let (bench, mut server) = (Bench::new(), Server::start(&["451 later"]).await);
    let ports = SenderPorts {
        clock: Arc::new(SystemClock),
        ..bench.ports(1)
    };
    let (mailer, _sender) = bench.sender(server.address, ports);
    mailer.post(mail("user@example.com")).await.unwrap();
    assert!(server.next().await.contains("123456"));
    assert_eq!(server.asked.load(Ordering::SeqCst), 2);
    bench.empty().await;
}

#[tokio::test]
async fn what_the_server_refuses_for_good_is_given_up() {
    let (bench, server) = (Bench::new(), Server::start(&["550 no such user"]).await);
    let (mailer, _sender) = bench.sender(server.address, bench.ports(1));
    mailer.post(mail("user@example.com")).await.unwrap();
    bench.empty().await;
    assert_eq!(server.asked.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn what_a_process_left_behind_is_sent_by_another_when_its_lease_is_over() {
    let (bench, mut server) = (Bench::new(), Server::start(&[]).await);
    for number in 0..3 {
        bench
            .left_behind(number, &format!("user{number}@example.com"))
            .await;
    }
    let (_mailer, sender) = bench.sender(server.address, bench.ports(9));
    // Ended in an orderly way it has looked, and found nothing that is its own.
    sender.end().await;
    assert_eq!(bench.waiting().await.mails, 3);
    bench.clock.advance(LEASE);
    let (_mailer, _sender) = bench.sender(server.address, bench.ports(10));
    let mut receivers = Vec::new();
    for _ in 0..3 {
        let text = server.next().await;
        let to = text.lines().find(|line| line.starts_with("To: ")).unwrap();
        receivers.push(to.to_owned());
    }
    receivers.sort();
    let expected: Vec<_> = (0..3)
        .map(|number| format!("To: user{number}@example.com"))
        .collect();
    assert_eq!(receivers, expected);
    bench.empty().await;
}

#[tokio::test]
async fn a_process_that_is_alone_goes_on_at_once() {
    let (bench, mut server) = (Bench::new(), Server::start(&[]).await);
    bench.left_behind(1, "user@example.com").await;
    let ports = SenderPorts {
        is_alone: true,
        ..bench.ports(2)
    };
    let (_mailer, _sender) = bench.sender(server.address, ports);
    assert!(server.next().await.contains("To: user@example.com"));
    bench.empty().await;
}

#[tokio::test]
async fn what_came_too_late_or_cannot_be_read_is_given_up_unsent() {
    let (bench, server) = (Bench::new(), Server::start(&[]).await);
    bench.left_behind(1, "user@example.com").await;
    bench.clock.advance(KEPT);
    bench.left_behind(2, "user@example.com").await;
    bench.clock.advance(LEASE);
    let ports = SenderPorts {
        key: Arc::new(OutboxKey::derive(&Secret::new([9; 32]))),
        ..bench.ports(3)
    };
    let (_mailer, _sender) = bench.sender(server.address, ports);
    bench.empty().await;
    assert_eq!(server.asked.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn a_mail_that_cannot_be_kept_is_not_accepted() {
    let (bench, server) = (Bench::new(), Server::start(&[]).await);
    let (mailer, _sender) = bench.sender(server.address, bench.ports(1));
    for cause in [Cause::NotPermitted, Cause::Fault, Cause::Inconsistent] {
        bench.store.set_outage(Some(cause));
        assert_eq!(mailer.post(mail("user@example.com")).await, Err(MailError));
    }
    // A store that is back in a moment is asked again, and an outcome that is not known is settled.
    bench.store.set_outage(Some(Cause::Unavailable));
    bench.store.lose_answers(1);
    let back = async { bench.store.set_outage(None) };
    let (posted, ()) = tokio::join!(mailer.post(mail("user@example.com")), back);
    assert_eq!(posted, Ok(()));
    bench.empty().await;
    assert_eq!(server.asked.load(Ordering::SeqCst), 1);
}
