//! From a description to a run: all stages are built from the last to the first, then the source starts.

use std::sync::Arc;

use tokio::runtime::Handle;

use super::budget::Purse;
use super::closures::Cores;
use super::control::Control;
use super::leg::Way;
use super::queue::{Inlet, Queue};
use super::run::{GivesUp, end};
use super::sink::Sink;
use super::{Collected, Env, Pipeline, Run};

impl<T: Send + 'static> Pipeline<T> {
    /// Begins, and hands out results as a stream.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")] async fn main() {
    /// let mut run = paceline::Pipeline::from_iter([20])
    ///     .cpu("add", |_cx, n| Ok::<_, String>(n + 1))
    ///     .start();
    /// assert_eq!(run.next().await.and_then(Result::ok), Some(21));
    /// # }
    /// ```
    ///
    /// # Panics
    ///
    /// Outside of a tokio runtime.
    pub fn start(self) -> Run<T> {
        let (control, queue) = self.begin(|control| {
            let queue = Queue::new(control);
            (Inlet::new(Arc::clone(&queue), None), queue)
        });
        Run::new(control, queue)
    }

    /// Begins, with an end that is made when all is known that it needs.
    fn begin<E>(self, end: impl FnOnce(&Arc<Control>) -> (Inlet<T>, E)) -> (Arc<Control>, E) {
        let token = self.token.unwrap_or_default();
        let control = Control::new(
            Handle::current(),
            Purse::new(self.budget),
            self.ordered,
            self.queue,
            token.child_token(),
        );
        let env = Env {
            cores: (self.computing > 1)
                .then(|| Arc::new(Cores::new(control.cores.ceil().max(1.0) as usize))),
            control: Arc::clone(&control),
            on_error: self.on_error,
        };
        let (inlet, end) = end(&control);
        (self.build)(&env, inlet, Way::new(self.ordered));
        control.follow_token();
        if control.needs_watch() {
            let watched = Arc::clone(&control);
            // Without it the levels stand where they are, but all is done.
            control.thread("paceline-level", move || watched.watch());
        }
        (control, end)
    }

    /// Does it all and collects the values. Where a failure ends the run, those that had come out by
    /// then are dropped; [`Pipeline::start`] hands out each as it comes.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")] async fn main() {
    /// let (values, report) = paceline::Pipeline::from_iter([20])
    ///     .io("add", |n| async move { Ok::<_, std::io::Error>(n + 1) })
    ///     .collect()
    ///     .await
    ///     .expect("none fails");
    /// assert_eq!((&values[..], report.items), (&[21][..], 1));
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// What ended the run early, with the report.
    ///
    /// # Panics
    ///
    /// Outside of a tokio runtime.
    pub async fn collect(self) -> Collected<T> {
        let (control, sink) = self.begin(|control| {
            let sink = Sink::new(control);
            (Inlet::into_sink(Arc::clone(&sink)), sink)
        });
        // Whoever drops this future gives the run up.
        let gives_up = GivesUp(Arc::clone(&control));
        sink.is_over().await;
        let report = end(&control).await?;
        drop(gives_up);
        Ok((sink.take(), report))
    }

    /// The same for programs without a runtime: one is made, and ended after.
    ///
    /// ```
    /// let (values, _) = paceline::Pipeline::from_iter([20])
    ///     .cpu("add", |_cx, n| Ok::<_, String>(n + 1))
    ///     .collect_blocking()
    ///     .expect("none fails");
    /// assert_eq!(values, [21]);
    /// ```
    ///
    /// # Errors
    ///
    /// What ended the run early, with the report.
    ///
    /// # Panics
    ///
    /// Inside of a tokio runtime, or if none can be made.
    pub fn collect_blocking(self) -> Collected<T> {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .thread_name("paceline-io")
            .enable_all()
            .build();
        match runtime {
            Ok(runtime) => runtime.block_on(self.collect()),
            Err(error) => panic!("no runtime can be made: {error}"),
        }
    }
}
