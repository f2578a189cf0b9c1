//! An HTTP proxy that opens connections by CONNECT, and notes what it was asked.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};

/// A proxy.
#[derive(Clone)]
pub struct FakeProxy {
    address: SocketAddr,
    heads: Arc<Mutex<Vec<String>>>,
}

impl FakeProxy {
    /// Answers each CONNECT with `status`; with 200 it connects to where `leads` says, whatever name it is asked for.
    pub async fn answers(status: u16, leads: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a loopback port");
        let proxy = Self { address: listener.local_addr().expect("it is bound"), heads: Arc::default() };
        let served = proxy.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let served = served.clone();
                tokio::spawn(async move { drop(served.serve(stream, status, leads).await) });
            }
        });
        proxy
    }

    async fn serve(&self, stream: TcpStream, status: u16, leads: SocketAddr) -> std::io::Result<()> {
        let mut stream = BufReader::new(stream);
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            if stream.read_line(&mut head).await? == 0 {
                return Ok(());
            }
        }
        self.heads.lock().expect("nobody panics").push(head);
        stream.write_all(format!("HTTP/1.1 {status} Said\r\n\r\n").as_bytes()).await?;
        if status == 200 {
            copy_bidirectional(&mut stream, &mut TcpStream::connect(leads).await?).await?;
        }
        Ok(())
    }

    /// Its URL.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The heads of what it was asked.
    pub fn heads(&self) -> Vec<String> {
        self.heads.lock().expect("nobody panics").clone()
    }
}
