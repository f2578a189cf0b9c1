//! What operator and sidecar say to each other: one HTTP/2 request over TLS, one JSON value a line, both ways.
//!
//! The sidecar begins with [`Hello`] and acknowledges each [`Delivery`] by an [`Ack`]; the operator delivers the state of
//! the world, whole, and sends a [`Heartbeat`] that names what is current. Only a sidecar that holds what a heartbeat
//! names has its policy lease renewed. What they say of limits, budgets and health is `usage`'s, and not every version knows
//! those words. Owns the words and the framing; who may speak is for the operator.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::name::ObjectName;
use crate::secret::Secret;
use crate::snapshot::{KeyName, Keys, Revision, Snapshot};
use crate::usage::{Health, Shares, Spending, Spent, Usage};

/// Where sidecars ask.
pub const PATH: &str = "/v1/follow";
/// The audience of the tokens that sidecars show.
pub const AUDIENCE: &str = "lotse-operator";
/// How often the operator says that it is there, in seconds.
pub const HEARTBEAT_SECONDS: u64 = 5;
/// The longest line that a sidecar takes, in bytes.
pub const LONGEST_DELIVERY: usize = 32 * 1024 * 1024;
/// The longest line that the operator takes, in bytes.
pub const LONGEST_ACK: usize = 64 * 1024;

/// What a sidecar says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum FromSidecar {
    /// Who it is; the first line.
    Hello(Hello),
    /// What became of a delivery.
    Ack(Ack),
    /// A provider refuses the credential that a delivery brought.
    CredentialRefused(CredentialRefused),
    /// What it has used of its limits. Said only to an operator that has said `Health`, as are the next two.
    Usage(Usage),
    /// What its calls have cost.
    Spent(Spent),
    /// How providers fare.
    Health(Health),
}

/// What the operator says. It can't be printed: it may carry keys.
#[derive(Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum FromOperator {
    /// What to obey from now on.
    Delivery(Box<Delivery>),
    /// What is current.
    Heartbeat(Heartbeat),
    /// What it may use of its limits. Said only to sidecars whose `Hello` names the restriction `limits`, as are the next
    /// two.
    Shares(Shares),
    /// What its namespace has spent.
    Spending(Spending),
    /// How providers fare, by the word of other sidecars.
    Health(Health),
}

/// Who a sidecar is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Hello {
    /// Its version.
    pub version: String,
    /// The restrictions that it can execute.
    pub restrictions: Vec<String>,
    /// What it holds from a stream before this one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub holds: Option<Revision>,
}

/// A provider refuses its credential. Who exchanges it renews it once, and not again for a minute, however many say so.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CredentialRefused {
    /// The provider.
    pub provider: ObjectName,
}

/// What became of a delivery.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Ack {
    /// Which delivery.
    pub epoch: Epoch,
    /// What became of it.
    pub outcome: Outcome,
}

/// What became of a delivery.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Outcome {
    /// It is in force.
    Applied,
    /// It is not; what was in force stays.
    Refused(String),
}

/// The order of deliveries: of a later leader after an earlier one's, and counted under each.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Epoch {
    /// How often leadership had been taken when the leader took it.
    pub term: u64,
    /// What the leader has offered so far.
    pub counter: u64,
}

/// What a sidecar obeys from now on. The epoch comes first on the line, see [`delivery_line`].
#[derive(Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Delivery {
    /// Where it stands in the order of deliveries.
    pub epoch: Epoch,
    /// The content hash of the snapshot.
    pub revision: Revision,
    /// The snapshot.
    pub snapshot: Snapshot,
    /// The values that the snapshot names, and no others. They come into force with it, in one swap, and the epoch counts
    /// for both: a hash of secrets would invite to guess them.
    #[serde(with = "revealed")]
    pub keys: Keys,
}

/// What is current.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Heartbeat {
    /// The delivery that a sidecar must hold to have its lease renewed.
    pub epoch: Epoch,
}

/// Keys on the wire. This is the one place where they are written.
mod revealed {
    use serde::{Deserializer, Serializer};

    use super::{BTreeMap, Deserialize, KeyName, Keys, Secret};

    pub(super) fn serialize<S: Serializer>(keys: &Keys, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(keys.iter().map(|(name, secret)| (&name.0, secret.reveal())))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Keys, D::Error> {
        let values = BTreeMap::<KeyName, String>::deserialize(deserializer)?;
        Ok(values.into_iter().map(|(name, value)| (name, Secret::new(value))).collect())
    }
}

/// What of a delivery is the same for all sidecars of a workload: its JSON after the epoch. Made once, sent to many.
pub fn delivery_content(snapshot: &Snapshot, keys: &Keys) -> Vec<u8> {
    let delivery = FromOperator::Delivery(Box::new(Delivery {
        epoch: Epoch::default(),
        revision: snapshot.revision(),
        snapshot: snapshot.clone(),
        keys: keys.clone(),
    }));
    let whole = line(&delivery);
    let after = DELIVERY.len() + serde_json::to_string(&Epoch::default()).expect("two numbers").len();
    whole[after..].to_vec()
}

/// The beginning of the line of a delivery; [`delivery_content`] follows.
pub fn delivery_line(epoch: Epoch) -> Vec<u8> {
    format!("{DELIVERY}{}", serde_json::to_string(&epoch).expect("two numbers")).into_bytes()
}

const DELIVERY: &str = r#"{"delivery":{"epoch":"#;

/// A value as a line.
pub fn line<T: Serialize>(value: &T) -> Vec<u8> {
    let mut line = serde_json::to_vec(value).expect("what is said has only string keys");
    line.push(b'\n');
    line
}

/// Cuts bytes as they come into lines.
#[derive(Debug)]
pub struct Lines {
    buffer: Vec<u8>,
    longest: usize,
}

/// A line is longer than anybody means.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a line is longer than {0} bytes")]
pub struct LineTooLong(usize);

impl Lines {
    /// Takes lines of up to `longest` bytes.
    pub fn new(longest: usize) -> Self {
        Self { buffer: Vec::new(), longest }
    }

    /// Takes bytes, and gives the lines that they end.
    pub fn push(&mut self, bytes: &[u8]) -> Result<Vec<Vec<u8>>, LineTooLong> {
        let mut ended = Vec::new();
        let mut rest = bytes;
        while let Some(end) = rest.iter().position(|byte| *byte == b'\n') {
            self.buffer.extend_from_slice(&rest[..end]);
            rest = &rest[end + 1..];
            if self.buffer.len() > self.longest {
                return Err(LineTooLong(self.longest));
            }
            ended.push(std::mem::take(&mut self.buffer));
        }
        self.buffer.extend_from_slice(rest);
        if self.buffer.len() > self.longest { Err(LineTooLong(self.longest)) } else { Ok(ended) }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_words_are_as_agreed() {
        let epoch = Epoch { term: 3, counter: 7 };

        let hello = line(&FromSidecar::Hello(Hello {
            version: "0.1.0".to_owned(),
            restrictions: vec!["staleness".to_owned()],
            holds: None,
        }));
        let applied = line(&FromSidecar::Ack(Ack { epoch, outcome: Outcome::Applied }));
        let refused = line(&FromSidecar::Ack(Ack { epoch, outcome: Outcome::Refused("why".to_owned()) }));
        let heartbeat = line(&FromOperator::Heartbeat(Heartbeat { epoch }));

        assert_eq!(hello, b"{\"hello\":{\"version\":\"0.1.0\",\"restrictions\":[\"staleness\"]}}\n");
        assert_eq!(applied, b"{\"ack\":{\"epoch\":{\"term\":3,\"counter\":7},\"outcome\":\"applied\"}}\n");
        assert_eq!(refused, b"{\"ack\":{\"epoch\":{\"term\":3,\"counter\":7},\"outcome\":{\"refused\":\"why\"}}}\n");
        assert_eq!(heartbeat, b"{\"heartbeat\":{\"epoch\":{\"term\":3,\"counter\":7}}}\n");
    }

    #[test]
    fn a_delivery_is_read_as_it_was_meant() {
        let epoch = Epoch { term: 12, counter: 345 };
        let workload = crate::name::Workload {
            namespace: "a".to_owned(),
            service_account: "default".to_owned(),
            labels: crate::name::Labels::new(),
        };
        let snapshot = Snapshot { workload, policies: Vec::new(), audits: Vec::new(), routes: Vec::new() };
        let keys = Keys::from([(KeyName("a/p/authorization".to_owned()), Secret::new("Bearer k".to_owned()))]);

        let line = [delivery_line(epoch), delivery_content(&snapshot, &keys)].concat();
        let read: FromOperator = serde_json::from_slice(&line).expect("it is a line");

        let FromOperator::Delivery(delivery) = read else { panic!("it is a delivery") };
        assert_eq!((delivery.epoch, &delivery.revision), (epoch, &snapshot.revision()));
        assert_eq!(delivery.snapshot, snapshot);
        assert_eq!(delivery.keys[&KeyName("a/p/authorization".to_owned())].reveal(), "Bearer k");
    }

    #[test]
    fn a_later_leader_comes_after_everything_of_an_earlier_one() {
        assert!(Epoch { term: 2, counter: 0 } > Epoch { term: 1, counter: 99 });
    }

    #[test]
    fn a_line_without_end_is_refused_as_soon_as_it_is_too_long() {
        let mut lines = Lines::new(4);

        assert_eq!(lines.push(b"ab"), Ok(vec![]));
        assert_eq!(lines.push(b"cde"), Err(LineTooLong(4)));
    }

    proptest! {
        #[test]
        fn lines_are_the_same_however_the_bytes_are_cut(text in "[a-c\n]{0,64}", at in prop::collection::vec(0usize..64, 0..8)) {
            let bytes = text.as_bytes();
            let mut cuts: Vec<usize> = at.into_iter().map(|at| at.min(bytes.len())).chain([0, bytes.len()]).collect();
            cuts.sort_unstable();
            let mut lines = Lines::new(64);

            let pieces = cuts.windows(2).map(|cut| lines.push(&bytes[cut[0]..cut[1]]).expect("no line is too long"));
            let told: Vec<Vec<u8>> = pieces.flatten().collect();

            let mut whole: Vec<Vec<u8>> = bytes.split(|byte| *byte == b'\n').map(<[u8]>::to_vec).collect();
            whole.pop();
            prop_assert_eq!(told, whole);
        }
    }
}
