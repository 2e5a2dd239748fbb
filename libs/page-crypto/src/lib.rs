//! The sign-in page's cryptography, compiled to one WebAssembly file without imports: the same code as the servers'.
//! The page's worker calls it; randomness comes in with each call, and nothing is kept between calls.
//!
//! A call: [`input`] with the length of a JSON text, copy the text there, [`run`], read [`output_len`] bytes at
//! [`output`]. The text is `{"op": …}` with the members of that operation (`operations.rs`); the answer is JSON too,
//! `{"error": …}` if [`run`] said 1. Errors never repeat input. Buffers are wiped as soon as they are of no use: the
//! input by [`run`], the output by the next [`input`].

mod answer;
mod fields;
mod operations;

use std::cell::RefCell;

use zeroize::{Zeroize, Zeroizing};

pub use operations::call;

/// No operation needs more; the page cannot make the module grow without bound.
const INPUT_LEN_MAX: usize = 64 * 1024;

thread_local! {
    static INPUT: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
    static OUTPUT: RefCell<Zeroizing<Vec<u8>>> = RefCell::default();
}

/// Makes room for an input of `len` bytes and tells where; wipes what was there and the last output. Null if `len` is
/// beyond 64 KiB. The address holds until the next call of this function.
#[expect(
    unsafe_code,
    reason = "an export of a WebAssembly module needs its plain name"
)]
#[unsafe(no_mangle)]
pub extern "C" fn input(len: u32) -> *mut u8 {
    OUTPUT.with_borrow_mut(|output| output.zeroize());
    INPUT.with_borrow_mut(|input| {
        input.zeroize();
        match usize::try_from(len) {
            Ok(len) if len <= INPUT_LEN_MAX => {
                input.resize(len, 0);
                input.as_mut_ptr()
            }
            _ => std::ptr::null_mut(),
        }
    })
}

/// Carries the operation in the input out. 0: the output is its answer; 1: the output says why not.
#[expect(
    unsafe_code,
    reason = "an export of a WebAssembly module needs its plain name"
)]
#[unsafe(no_mangle)]
pub extern "C" fn run() -> i32 {
    let (status, answer) = INPUT.with_borrow_mut(|input| {
        let answer = match call(input) {
            Ok(answer) => (0, answer),
            Err(error) => (1, error.to_json()),
        };
        input.zeroize();
        answer
    });
    OUTPUT.with_borrow_mut(|output| *output = answer);
    status
}

/// Where the output of the last [`run`] is.
#[expect(
    unsafe_code,
    reason = "an export of a WebAssembly module needs its plain name"
)]
#[unsafe(no_mangle)]
pub extern "C" fn output() -> *const u8 {
    OUTPUT.with_borrow(|output| output.as_ptr())
}

/// How long the output of the last [`run`] is, in bytes.
#[expect(
    unsafe_code,
    reason = "an export of a WebAssembly module needs its plain name"
)]
#[unsafe(no_mangle)]
pub extern "C" fn output_len() -> u32 {
    OUTPUT.with_borrow(|output| u32::try_from(output.len()).unwrap_or(0))
}
