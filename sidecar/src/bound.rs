//! Until when a connection may be kept waiting by its app. A stream's body is asked for more only when the app reads, so that
//! its own deadline is not looked at for an app that does not. `listen` makes one for each connection and breaks the
//! connection off when it is over, `stream` sets it for as long as a stream lasts.

use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::Poll;
use std::time::Duration;

use tokio::time::{Instant, Sleep, sleep_until};

/// How long an app that does read has to hear of its stream's end.
const GRACE: Duration = Duration::from_millis(500);

/// The bound of one connection; none while no stream is under way.
#[derive(Clone, Debug, Default)]
pub struct Bound(Arc<Mutex<Option<Instant>>>);

impl Bound {
    /// A stream is under way that must have ended by then.
    pub fn set(&self, deadline: Instant) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(deadline + GRACE);
    }

    /// No stream is under way any more.
    pub fn lift(&self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    fn get(&self) -> Option<Instant> {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Awaits a connection, for no longer than its bound. What is set while it is polled counts at once.
    pub async fn keep(&self, connection: impl Future) {
        let mut connection = pin!(connection);
        let mut timer: Option<Pin<Box<Sleep>>> = None;
        poll_fn(|cx| {
            if connection.as_mut().poll(cx).is_ready() {
                return Poll::Ready(());
            }
            let Some(by) = self.get() else { return Poll::Pending };
            let timer = timer.get_or_insert_with(|| Box::pin(sleep_until(by)));
            if timer.deadline() != by {
                timer.as_mut().reset(by);
            }
            timer.as_mut().poll(cx)
        })
        .await;
    }
}

#[cfg(test)]
mod tests {
    use std::future::pending;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_connection_outlives_its_bound_by_no_more_than_the_grace() {
        let (bound, now) = (Bound::default(), Instant::now());
        bound.set(now + Duration::from_secs(9));

        bound.keep(pending::<()>()).await;

        assert_eq!(now.elapsed(), Duration::from_secs(9) + GRACE);
    }

    #[tokio::test(start_paused = true)]
    async fn a_bound_that_is_lifted_binds_nothing() {
        let (bound, now) = (Bound::default(), Instant::now());
        bound.set(now + Duration::from_secs(9));
        let lifts = async {
            tokio::time::sleep(Duration::from_secs(5)).await;
            bound.lift();
            tokio::time::sleep(Duration::from_mins(1)).await;
        };

        bound.keep(lifts).await;

        assert_eq!(now.elapsed(), Duration::from_secs(65));
    }
}
