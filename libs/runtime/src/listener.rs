//! How every listener is opened.

use std::{io, net::SocketAddr};

use tokio::net::{TcpListener, TcpSocket};

/// Connections that wait to be accepted; the kernel may allow fewer. The usual 128 are fewer than the clients of one school
/// class that come together, and whom the kernel turns away tries again only after a second.
const BACKLOG: u32 = 4096;

/// Listens at an address, which may have been left a moment ago. Must be called inside the runtime.
///
/// # Errors
/// When the address is taken or not this machine's.
pub fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = if address.is_ipv4() {
        TcpSocket::new_v4()?
    } else {
        TcpSocket::new_v6()?
    };
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use tokio::net::TcpStream;

    use super::*;

    #[tokio::test]
    async fn more_clients_may_wait_than_by_default() {
        let listener = listen((Ipv4Addr::LOCALHOST, 0).into()).expect("loopback");
        let address = listener.local_addr().expect("it is bound");
        // Nobody accepts: each of these has only its place in the queue. The 130th would wait for a second, and then for
        // longer and longer.
        let mut waiting = Vec::new();
        for _ in 0..400 {
            waiting.push(TcpStream::connect(address).await.expect("a place in the queue"));
        }
        let taken = listen(address).map(drop);
        assert_eq!(taken.map_err(|error| error.kind()), Err(io::ErrorKind::AddrInUse));
    }
}
