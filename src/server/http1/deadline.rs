//! A movable deadline of a connection.

use std::{future::Future, pin::Pin, task::Context, time::Duration};

use tokio::time::{Instant, Sleep, sleep_until};

/// The deadline moves often and is rarely reached. So the runtime's timer is not reset when the deadline moves further
/// away, as it does with each request; the timer then fires too early and is reset.
#[derive(Default)]
pub(super) struct Deadline {
    at: Option<Instant>,
    timer: Option<Pin<Box<Sleep>>>,
}

impl Deadline {
    /// Sets the deadline to this time from now.
    pub(super) fn set(&mut self, after: Duration) {
        self.at = Some(Instant::now() + after);
    }

    /// Removes the deadline.
    pub(super) fn clear(&mut self) {
        self.at = None;
    }

    /// Whether the deadline is reached. If not, the task is woken when it is.
    pub(super) fn is_reached(&mut self, context: &mut Context<'_>) -> bool {
        let Some(at) = self.at else { return false };
        let timer = self.timer.get_or_insert_with(|| Box::pin(sleep_until(at)));
        if timer.deadline() > at {
            timer.as_mut().reset(at);
        }
        while timer.as_mut().poll(context).is_ready() {
            if timer.deadline() >= at {
                return true;
            }
            timer.as_mut().reset(at);
        }
        false
    }
}

#[cfg(test)]
mod tests {
    use std::{future::poll_fn, task::Poll};

    use super::*;

    const SHORT: Duration = Duration::from_millis(20);
    const LONG: Duration = Duration::from_secs(3600);

    async fn reached(deadline: &mut Deadline) -> Duration {
        let begin = Instant::now();
        poll_fn(|context| if deadline.is_reached(context) { Poll::Ready(()) } else { Poll::Pending }).await;
        begin.elapsed()
    }

    fn is_reached_now(deadline: &mut Deadline) -> bool {
        deadline.is_reached(&mut Context::from_waker(std::task::Waker::noop()))
    }

    #[tokio::test]
    async fn it_is_reached_when_it_was_set_for_whether_it_moved_closer_or_further_away() {
        let mut deadline = Deadline::default();
        assert!(!is_reached_now(&mut deadline));
        deadline.set(LONG);
        assert!(!is_reached_now(&mut deadline));
        deadline.set(SHORT);
        assert!(reached(&mut deadline).await >= SHORT);
        deadline.set(SHORT);
        assert!(!is_reached_now(&mut deadline));
        deadline.set(3 * SHORT);
        assert!(reached(&mut deadline).await >= 3 * SHORT);
        deadline.clear();
        assert!(!is_reached_now(&mut deadline));
    }
}
