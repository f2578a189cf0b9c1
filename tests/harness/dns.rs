//! A resolver that says of every name what it is told to. It needs the port of the protocol, and so a network of a test's own.
//! Source: RFC 1035, section 4.

use std::net::Ipv4Addr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use tokio::net::UdpSocket;

const TYPE_A: u16 = 1;

/// What a resolver says.
#[derive(Clone, Debug)]
pub enum Says {
    /// These addresses, for so many seconds.
    Addresses(Vec<Ipv4Addr>, u32),
    /// There is no such name.
    NoSuchName,
    /// That it can't say.
    Fails,
    /// Nothing.
    Nothing,
}

/// A resolver.
#[derive(Clone)]
pub struct FakeResolver {
    says: Arc<Mutex<Says>>,
    asked: Arc<AtomicUsize>,
}

impl FakeResolver {
    /// Answers at 127.0.0.1.
    pub async fn says(first: Says) -> Self {
        let socket = UdpSocket::bind("127.0.0.1:53").await.expect("the network is the test's own");
        let resolver = Self { says: Arc::new(Mutex::new(first)), asked: Arc::default() };
        let served = resolver.clone();
        tokio::spawn(async move {
            let mut query = [0; 1024];
            while let Ok((length, from)) = socket.recv_from(&mut query).await {
                let says = served.says.lock().expect("nobody panics").clone();
                if let Some((answer, is_a)) = answer(&query[..length], &says) {
                    served.asked.fetch_add(usize::from(is_a), Ordering::SeqCst);
                    drop(socket.send_to(&answer, from).await);
                }
            }
        });
        resolver
    }

    /// From now on it says this.
    pub fn now_says(&self, says: Says) {
        *self.says.lock().expect("nobody panics") = says;
    }

    /// How often it has answered a question for addresses of IPv4.
    pub fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }
}

/// An answer, and whether the question was for addresses of IPv4.
fn answer(query: &[u8], says: &Says) -> Option<(Vec<u8>, bool)> {
    const NO_ERROR: u16 = 0;
    const SERVER_FAILURE: u16 = 2;
    const NAME_ERROR: u16 = 3;
    let name_end = 12 + query.get(12..)?.iter().position(|byte| *byte == 0)? + 1;
    let question = query.get(12..name_end + 4)?;
    let is_a = question[question.len() - 4..question.len() - 2] == TYPE_A.to_be_bytes();
    let (code, addresses, seconds) = match says {
        Says::Nothing => return None,
        Says::Fails => (SERVER_FAILURE, &[][..], 0),
        Says::NoSuchName => (NAME_ERROR, &[][..], 0),
        Says::Addresses(addresses, seconds) if is_a => (NO_ERROR, &addresses[..], *seconds),
        Says::Addresses(..) => (NO_ERROR, &[][..], 0),
    };
    let count = u16::try_from(addresses.len()).ok()?;
    // A response, with recursion asked for and had.
    let flags = 0x8180 | code;
    let mut answer = query[..2].to_vec();
    for number in [flags, 1, count, 0, 0] {
        answer.extend(number.to_be_bytes());
    }
    answer.extend(question);
    for address in addresses {
        // The name as in the question, an address of the internet.
        answer.extend([0xc0, 12, 0, 1, 0, 1]);
        answer.extend(seconds.to_be_bytes());
        answer.extend([0, 4]);
        answer.extend(address.octets());
    }
    Some((answer, is_a))
}
