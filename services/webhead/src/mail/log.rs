//! Mode `log`: mails are shown on the terminal the process was started from. For trying things out: who sees the
//! terminal sees the codes. Written to the stream itself, never through the log, which may be collected elsewhere.

use std::{
    io::{self, Write},
    sync::mpsc::{Receiver, SyncSender, sync_channel},
    thread,
};

use async_trait::async_trait;
use foxhold_ports::{
    Mailer,
    mail::{Mail, MailError},
};

/// Mails waiting for a terminal that does not take them (it may be stopped with ctrl-S).
const QUEUE_MAX: usize = 256;

/// Shows mails.
pub struct LogMailer {
    queue: SyncSender<Mail>,
}

impl LogMailer {
    /// Shows them on standard output.
    ///
    /// # Errors
    /// If no thread can be started.
    pub fn stdout() -> io::Result<Self> {
        Self::to(io::stdout())
    }

    /// Shows them on `out`, from a thread of its own.
    ///
    /// # Errors
    /// If no thread can be started.
    pub fn to<W: Write + Send + 'static>(out: W) -> io::Result<Self> {
        let (queue, mails) = sync_channel(QUEUE_MAX);
        thread::Builder::new()
            .name("mail-log".into())
            .spawn(move || show_all(&mails, out))?;
        Ok(Self { queue })
    }
}

#[async_trait]
impl Mailer for LogMailer {
    async fn post(&self, mail: Mail) -> Result<(), MailError> {
        self.queue.try_send(mail).map_err(|_| MailError)
    }
}

fn show_all(mails: &Receiver<Mail>, mut out: impl Write) {
    for mail in mails {
        let shown = out.write_all(render(&mail).as_bytes()).and_then(|()| out.flush());
        if let Err(error) = shown {
            tracing::warn!(%error, "a mail could not be shown");
        }
    }
}

fn render(mail: &Mail) -> String {
    let line = "-".repeat(72);
    let (to, subject) = (one_line(&mail.to), one_line(&mail.subject));
    let text = lines(mail.text.trim_end());
    format!("\n{line}\nMail to {to}\nSubject: {subject}\n\n{text}\n{line}\n\n")
}

/// An address must not be able to drive the terminal.
fn one_line(text: &str) -> String {
    text.chars()
        .map(|char| if char.is_control() { '\u{fffd}' } else { char })
        .collect()
}

fn lines(text: &str) -> String {
    text.lines().map(one_line).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Hands every write to the test.
    struct Tee(SyncSender<Vec<u8>>);

    impl Write for Tee {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.send(bytes.to_vec()).map_err(io::Error::other)?;
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn mail() -> Mail {
        Mail {
            to: "a\x1b[2J@example.com".into(),
            subject: "Confirm\r\nX: y".into(),
            text: "Your code:\r\n\r\n    123456\x07\n".into(),
            html: "<p>123456</p>".into(),
            headers: vec![("X-Verify-Short-Code", "123456".into())],
        }
    }

    #[tokio::test]
    async fn a_mail_is_readable_and_cannot_drive_the_terminal() {
        let (tee, shown) = sync_channel(8);
        let mailer = LogMailer::to(Tee(tee)).unwrap();
        mailer.post(mail()).await.unwrap();
        let text = String::from_utf8(shown.recv().unwrap()).unwrap();
        assert!(text.contains("Mail to a\u{fffd}[2J@example.com\n"), "{text}");
        assert!(text.contains("Subject: Confirm\u{fffd}\u{fffd}X: y\n"), "{text}");
        assert!(text.contains("Your code:\n\n    123456\u{fffd}\n"), "{text}");
        assert!(mailer.delivers());
    }

    #[tokio::test]
    async fn a_stopped_terminal_costs_a_bounded_queue_and_no_waiting() {
        let (tee, shown) = sync_channel(0);
        let mailer = LogMailer::to(Tee(tee)).unwrap();
        let mut taken = 0;
        while mailer.post(mail()).await.is_ok() {
            taken += 1;
            assert!(taken <= QUEUE_MAX + 2);
        }
        drop(shown);
    }
}
