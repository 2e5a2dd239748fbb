//! The body of every error number of the accounts. What the Token Server answers is a table in its own tests.

use axum::response::IntoResponse as _;
use foxhold_core::ErrorCode;
use foxhold_webhead::error::ApiError;
use http_body_util::BodyExt as _;
use serde_json::Value;

use super::{SNAPSHOTS, compare};

#[tokio::test]
async fn every_number_has_the_body_that_was_agreed() {
    let mut text = String::new();
    for &code in ErrorCode::ALL {
        let response = ApiError::new(code).into_response();
        let (status, body) = (response.status(), response.into_body());
        let body = body.collect().await.unwrap().to_bytes();
        let body: Value = serde_json::from_slice(&body).unwrap();
        text.push_str(&format!("{} {body}\n", status.as_u16()));
    }
    compare(&format!("{SNAPSHOTS}/errors.txt"), &text);
}
