//! What a handler's signature tells: each argument says what it takes out of a request, the result what comes back. A
//! service says it of its own extractors; here are those of the web framework.

use axum::{
    Json,
    extract::{Path, Request, State},
    response::Response,
};
use http::{HeaderMap, Uri};
use utoipa::ToSchema;

use crate::Call;

/// What a handler takes out of a request.
pub trait Part {
    /// Says so.
    fn describe(call: &mut Call);
}

/// What a handler answers.
pub trait Answer {
    /// Says so.
    fn describe(call: &mut Call);
}

/// A handler; `Args` are its arguments.
pub trait Handler<Args> {
    /// Says what its signature tells.
    fn describe(&self, call: &mut Call);
}

macro_rules! handlers {
    ($($part:ident),*) => {
        impl<F, Fut, R, $($part),*> Handler<($($part,)*)> for F
        where
            F: Fn($($part),*) -> Fut,
            Fut: Future<Output = R>,
            R: Answer,
            $($part: Part,)*
        {
            fn describe(&self, call: &mut Call) {
                R::describe(call);
                $($part::describe(call);)*
            }
        }
    };
}

handlers!();
handlers!(A);
handlers!(A, B);
handlers!(A, B, C);
handlers!(A, B, C, D);
handlers!(A, B, C, D, E);
handlers!(A, B, C, D, E, G);

macro_rules! tell_nothing {
    ($($trait:ident for $type:ty $(, $param:ident)?;)*) => {
        $(impl$(<$param>)? $trait for $type {
            fn describe(_: &mut Call) {}
        })*
    };
}

tell_nothing! {
    Part for State<S>, S;
    // Which there are stands in the path of the route.
    Part for Path<T>, T;
    Part for Request;
    Part for HeaderMap;
    Part for Uri;
    Answer for Response;
}

/// One that may be bad without the call being refused yet.
impl<T: Part, E> Part for Result<T, E> {
    fn describe(call: &mut Call) {
        T::describe(call);
    }
}

impl<T: Answer, E: Answer> Answer for Result<T, E> {
    fn describe(call: &mut Call) {
        T::describe(call);
        E::describe(call);
    }
}

impl<T: ToSchema> Answer for Json<T> {
    fn describe(call: &mut Call) {
        call.answered::<T>(200);
    }
}
