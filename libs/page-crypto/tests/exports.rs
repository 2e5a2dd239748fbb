//! Calls the exports as the page's worker does: room, copy, run, read; and shows that nothing stays behind.

use foxhold_page_crypto::{input, output, output_len, run};

/// What the worker does with the module's memory.
#[expect(unsafe_code, reason = "the exports speak in addresses")]
fn order(json: &str) -> (i32, String) {
    let room = input(u32::try_from(json.len()).expect("orders are short"));
    assert!(!room.is_null());
    // SAFETY: `input` has just made room for as many bytes at this address.
    unsafe { std::ptr::copy_nonoverlapping(json.as_ptr(), room, json.len()) };
    let status = run();
    // SAFETY: `output` is `output_len` bytes long until the next call of `input`.
    let answer = unsafe { std::slice::from_raw_parts(output(), output_len() as usize) };
    (
        status,
        String::from_utf8(answer.to_vec()).expect("answers are JSON"),
    )
}

#[test]
fn an_order_and_its_answer() {
    let token = "0".repeat(64);
    let (status, answer) = order(&format!(
        r#"{{"op":"token","kind":"sessionToken","token":"{token}"}}"#
    ));
    assert_eq!(status, 0, "{answer}");
    assert!(answer.starts_with(r#"{"id":""#), "{answer}");
    assert_eq!(
        order("{}"),
        (1, r#"{"error":"the input is not an operation"}"#.to_owned())
    );
}

#[test]
fn the_next_order_wipes_the_last_answer() {
    order(r#"{"op":"stretch_v1","email":"a@b.test","password":"p"}"#);
    assert_ne!(output_len(), 0);
    assert!(!input(0).is_null());
    assert_eq!(output_len(), 0);
    assert_eq!(run(), 1, "an empty order is no operation");
}

#[test]
fn too_long_an_order_gets_no_room() {
    assert!(input(64 * 1024 + 1).is_null());
    assert!(input(u32::MAX).is_null());
    assert!(!input(64 * 1024).is_null());
}
