//! Returning users: the whole Token Server behind its real edge, beside the one read that it makes.

use std::{
    net::{Ipv4Addr, SocketAddr},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use anyhow::{Result, ensure};
use axum::{Router, http::StatusCode, routing::get};
use foxhold_runtime::{
    Shutdown, SystemRandom,
    http_edge::{self, EdgeLimits},
    layers::{self, RequestLimits},
};
use scylla::statement::Consistency;
use tokio::net::TcpListener;

use super::{
    Options,
    bench::{Bench, statement},
    compare, contender, in_loops,
};
use crate::{
    exchange::{tokens, world},
    load::{self, Until},
    table,
};

/// An exchange's answer, about.
const ANSWER_LEN: usize = 900;

/// The key that users of these tokens have.
fn user(number: usize) -> String {
    let mut uid = [7; 16];
    uid[..8].copy_from_slice(&(number as u64).to_be_bytes());
    format!("{}@localhost", foxhold_core::hex::encode(&uid))
}

pub(super) async fn run(bench: &Bench, options: &Options) -> Result<()> {
    table::progress("cassandra: signing tokens");
    let requests = load::Requests::served(tokens::requests(options.users)?);
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    let address = listener.local_addr()?;
    let router = world::router(bench.store.clone(), bench.store.clone())?;
    let router = layers::public(router, RequestLimits::default(), Arc::new(SystemRandom));
    let shutdown = Shutdown::new();
    let serving = tokio::spawn(http_edge::serve(
        listener,
        router,
        EdgeLimits::default(),
        shutdown.clone(),
    ));
    // The first exchange of each user assigns it; not measured.
    load::run(address, &requests, options.in_flight, Until::AllSent).await?;

    let mut read = bench.driver.prepare(statement("record")?).await?;
    read.set_consistency(Consistency::LocalQuorum);
    let (read, users) = (
        Arc::new(read),
        Arc::new((0..options.users).map(user).collect::<Vec<_>>()),
    );
    let (driver, next) = (Arc::clone(&bench.driver), Arc::new(AtomicUsize::new(0)));
    let one = move || {
        let (driver, read, users) = (Arc::clone(&driver), Arc::clone(&read), Arc::clone(&users));
        let place = next.fetch_add(1, Ordering::Relaxed) % users.len();
        async move {
            let found = driver.execute_unpaged(&read, ("sync-1.5", &users[place])).await?;
            ensure!(found.into_rows_result()?.rows_num() == 1, "the user is not there");
            Ok(())
        }
    };
    let plain = plain_server(one.clone()).await?;
    let contenders = [
        contender("driver alone, the same statement", |span| {
            in_loops(options.in_flight, span, one.clone())
        }),
        contender("driver behind a plain HTTP server", |span| {
            load::run(plain, &requests, options.in_flight, Until::Elapsed(span))
        }),
        contender("Foxhold", |span| {
            load::run(address, &requests, options.in_flight, Until::Elapsed(span))
        }),
    ];
    let title = "Exchange of returning users over Cassandra";
    let how = "Three nodes, three copies, reads at LOCAL_QUORUM.";
    compare(options, title, how, &contenders).await?;
    shutdown.trigger();
    serving.abort();
    Ok(())
}

/// Serves one read for each request, and answers with as much text as an exchange: what the same nodes give when requests
/// come one by one from outside, whatever is done with them.
async fn plain_server<F>(one: impl Fn() -> F + Clone + Send + Sync + 'static) -> Result<SocketAddr>
where
    F: Future<Output = Result<()>> + Send + 'static,
{
    let answer = move || {
        let read = one();
        async move {
            read.await.map_err(|_| StatusCode::SERVICE_UNAVAILABLE)?;
            Ok::<_, StatusCode>("x".repeat(ANSWER_LEN))
        }
    };
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    let address = listener.local_addr()?;
    let router = Router::new().route("/1.0/sync/1.5", get(answer));
    tokio::spawn(async move { axum::serve(listener, router).await });
    Ok(address)
}
