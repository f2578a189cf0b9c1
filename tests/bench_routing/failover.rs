//! What it adds to a call that its first provider can't be reached, or answers 503, beside a call whose first is well.

use std::io::Write;
use std::time::Duration;

use lotse_tests::{FakeProvider, Sidecar, World};

use crate::{now, percentile};

const CALLS: usize = 400;

async fn times(sidecar: &Sidecar) -> Duration {
    let began = now();
    let answer = sidecar.chat().await;
    let took = began.elapsed();
    assert_eq!(answer.said(), "bonjour", "{}", answer.text());
    took
}

pub(crate) async fn measure(out: &mut impl Write) -> anyhow::Result<()> {
    let well = FakeProvider::says("bonjour").await;
    let refuses = FakeProvider::refuses(503).await;
    let nobody = FakeProvider::nobody().await;
    let direct = Sidecar::of(&World::of(&[("paris", &well)])).await;
    for (name, world) in [
        ("a refused connection", World::default().provider("nobody", &nobody, "").provider("paris", &well.url(), "")),
        ("a 503", World::of(&[("ill", &refuses), ("paris", &well)])),
    ] {
        let (mut plain, mut after) = (Vec::new(), Vec::new());
        for at in 0..CALLS {
            // A sidecar that has not yet learned that the first is ill: two failures make an outage.
            let sidecar = Sidecar::of(&world).await;
            for _ in 0..2 {
                let (one, other) = (times(&direct).await, times(&sidecar).await);
                // The first pair opens connections.
                if at > 0 {
                    plain.push(one);
                    after.push(other);
                }
            }
            sidecar.stop().await;
        }
        let (p50, with) = (percentile(&mut plain, 50), percentile(&mut after, 50));
        let (p90, with90) = (percentile(&mut plain, 90), percentile(&mut after, 90));
        writeln!(
            out,
            "failing over after {name} adds p50 {:?}, p90 {:?} to {p50:?} (aim: 1 ms)",
            with.saturating_sub(p50),
            with90.saturating_sub(p90)
        )?;
    }
    Ok(())
}
