//! Mode `capture`: mails stay in memory and are served on the private loopback listener, in the shape test clients
//! expect (`accounts.md` (i)). Never on the public listener: who reads the mailbox owns every account.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use async_trait::async_trait;
use axum::{
    Json, Router,
    extract::{Path, State},
    routing::get,
};
use foxhold_ports::{
    Mailer,
    mail::{Mail, MailError},
};
use serde_json::{Map, Value, json};

/// Mails kept, of all receivers together; the oldest goes first.
const MAILS_MAX: usize = 1_000;

/// Keeps mails.
#[derive(Default)]
pub struct CaptureMailer {
    mails: Mutex<VecDeque<Mail>>,
}

impl CaptureMailer {
    /// An empty one.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// All mails to a mailbox, oldest first. A mailbox is a whole address, or what stands before its `@`.
    #[must_use]
    pub fn mails(&self, mailbox: &str) -> Vec<Mail> {
        self.lock()
            .iter()
            .filter(|mail| is_for(mail, mailbox))
            .cloned()
            .collect()
    }

    /// Forgets the mails to a mailbox.
    pub fn clear(&self, mailbox: &str) {
        self.lock().retain(|mail| !is_for(mail, mailbox));
    }

    fn lock(&self) -> MutexGuard<'_, VecDeque<Mail>> {
        self.mails.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn is_for(mail: &Mail, mailbox: &str) -> bool {
    let to = if mailbox.contains('@') {
        mail.to.as_str()
    } else {
        mail.to
            .rsplit_once('@')
            .map_or(mail.to.as_str(), |(local, _)| local)
    };
    to.eq_ignore_ascii_case(mailbox)
}

#[async_trait]
impl Mailer for CaptureMailer {
    async fn post(&self, mail: Mail) -> Result<(), MailError> {
        let mut mails = self.lock();
        mails.push_back(mail);
        if mails.len() > MAILS_MAX {
            mails.pop_front();
        }
        Ok(())
    }
}

/// `GET /mail/{mailbox}` answers an array, `DELETE` empties it. For the private listener only.
pub fn mailbox_router(mailer: Arc<CaptureMailer>) -> Router {
    Router::new()
        .route("/mail/{mailbox}", get(read).delete(clear))
        .with_state(mailer)
}

async fn read(State(mailer): State<Arc<CaptureMailer>>, Path(mailbox): Path<String>) -> Json<Vec<Value>> {
    Json(mailer.mails(&mailbox).iter().map(document).collect())
}

async fn clear(State(mailer): State<Arc<CaptureMailer>>, Path(mailbox): Path<String>) -> Json<Value> {
    mailer.clear(&mailbox);
    Json(json!({}))
}

fn document(mail: &Mail) -> Value {
    let mut headers: Map<String, Value> = mail
        .headers
        .iter()
        .map(|(name, value)| (name.to_ascii_lowercase(), json!(value)))
        .collect();
    headers.insert("to".into(), json!(mail.to));
    headers.insert("subject".into(), json!(mail.subject));
    json!({
        "headers": headers,
        "to": mail.to,
        "subject": mail.subject,
        "text": mail.text,
        "html": mail.html,
    })
}

#[cfg(test)]
mod tests {
    use axum::{body::Body, http::Request};
    use http_body_util::BodyExt;
    use tower::ServiceExt;

    use super::*;

    fn mail(to: &str, code: &str) -> Mail {
        Mail {
            to: to.into(),
            subject: "Confirm".into(),
            text: code.into(),
            html: format!("<p>{code}</p>"),
            headers: vec![
                ("X-Verify-Short-Code", code.into()),
                ("X-Template-Name", "verify".into()),
            ],
        }
    }

    async fn call(mailer: &Arc<CaptureMailer>, method: &str, path: &str) -> (u16, Value) {
        let request = Request::builder()
            .method(method)
            .uri(path)
            .body(Body::empty())
            .unwrap();
        let answer = mailbox_router(mailer.clone()).oneshot(request).await.unwrap();
        let status = answer.status().as_u16();
        let body = answer.into_body().collect().await.unwrap().to_bytes();
        (status, serde_json::from_slice(&body).unwrap_or_default())
    }

    #[tokio::test]
    async fn mailboxes_are_read_and_emptied_one_by_one() {
        let mailer = Arc::new(CaptureMailer::new());
        for (to, code) in [
            ("a@example.com", "1"),
            ("b@example.com", "2"),
            ("A@example.org", "3"),
        ] {
            mailer.post(mail(to, code)).await.unwrap();
        }
        let (status, mails) = call(&mailer, "GET", "/mail/a").await;
        assert_eq!((status, mails.as_array().unwrap().len()), (200, 2));
        assert_eq!(
            mails[0]["headers"],
            json!({"to": "a@example.com", "subject": "Confirm", "x-verify-short-code": "1",
                   "x-template-name": "verify"})
        );
        let (_, whole) = call(&mailer, "GET", "/mail/a%40example.org").await;
        assert_eq!(whole[0]["text"], "3");
        assert_eq!(call(&mailer, "GET", "/mail/nobody").await, (200, json!([])));
        assert_eq!(call(&mailer, "DELETE", "/mail/a").await, (200, json!({})));
        assert_eq!(call(&mailer, "GET", "/mail/a").await, (200, json!([])));
        assert_eq!(call(&mailer, "GET", "/mail/b").await.1[0]["html"], "<p>2</p>");
        assert_eq!(call(&mailer, "POST", "/mail/b").await.0, 405);
    }

    #[tokio::test]
    async fn the_oldest_mail_makes_room() {
        let mailer = CaptureMailer::new();
        for n in 0..=MAILS_MAX {
            mailer.post(mail("a@example.com", &n.to_string())).await.unwrap();
        }
        let mails = mailer.mails("a");
        assert_eq!((mails.len(), mails[0].text.as_str()), (MAILS_MAX, "1"));
    }
}
