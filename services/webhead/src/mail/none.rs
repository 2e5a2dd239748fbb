//! Mode `none`: there is no mail. Accounts come out verified, and calls that would need a mailed code are off.

use async_trait::async_trait;
use foxhold_ports::{
    Mailer,
    mail::{Mail, MailError},
};

/// Takes no mail.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoMailer;

#[async_trait]
impl Mailer for NoMailer {
    async fn post(&self, _mail: Mail) -> Result<(), MailError> {
        Err(MailError)
    }

    fn delivers(&self) -> bool {
        false
    }
}
