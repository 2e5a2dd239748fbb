//! Records as stores keep them and rules read them. Plain data: what may be done with it is decided in the areas.

pub mod account;
pub mod assignment;
pub mod guards;
pub mod oauth;
pub mod openid;
pub mod password;
pub mod policy;
pub mod pool;

pub use account::{
    Account, Credentials, Device, Disabled, EmailKey, KeyFetch, PushEndpoint, Session, Verification,
    Verifier, VersionTwo,
};
pub use assignment::{
    Assignment, ClientState, Generation, NodeFigures, NodeRecord, PastRecord, Service, ServiceKey, UserKey,
    UserRecord,
};
pub use guards::{BACKUP_CODES_MAX, RECOVERY_DATA_LEN_MAX, RecoveryKey, SecondFactor};
pub use oauth::{AuthorizationCode, RefreshToken};
pub use openid::{CLIENT_SECRETS_MAX, ClientKind, ClientSecret, ClientSwitches, Grant, RegisteredClient};
pub use password::{
    PASSWORD_TOKEN_MISSES_MAX, PasswordEffect, PasswordToken, PasswordTokenKind, PasswordUpdate,
};
pub use policy::{Admission, Schemes, ServicePolicy};
pub use pool::{Allocation, Bucket, PoolName, PoolRule, Whom};
