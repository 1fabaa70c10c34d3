//! What comes out of the jobs, and where it goes from here.

use super::{Dispatcher, STDERR_READ_BYTES};
use crate::engine::RunError;
use crate::engine::event::StopCause;
use crate::engine::poll::Ready;
use crate::output::{Capture, Delivery, OutputMode, SinkTrouble};

impl Dispatcher<'_> {
    pub(super) fn listen(&mut self, place: usize) {
        let Some(attempt) = self.in_flight.get_mut(place) else {
            return;
        };
        if std::mem::replace(&mut attempt.listened_to, true) {
            return;
        }
        let number = attempt.number;
        for (stream, is_stderr) in [(&attempt.stdout, false), (&attempt.stderr, true)] {
            if let Some(pipe) = stream.as_ref().and_then(Capture::pipe) {
                // Without a watch, what the pipe holds is read when the job ends.
                let _ = self.poll.add(
                    pipe,
                    Ready::Stream {
                        attempt: number,
                        place: place as u32,
                        is_stderr,
                    },
                );
            }
        }
    }

    pub(super) fn on_stream(&mut self, place: usize, number: u32, is_stderr: bool) {
        let Some(attempt) = self.in_flight.get_if(place, number) else {
            return;
        };
        let stream = if is_stderr {
            &mut attempt.stderr
        } else {
            &mut attempt.stdout
        };
        let Some(capture) = stream else { return };
        let poll = &self.poll;
        let filled = capture.fill(&mut self.buffer, false, |pipe| poll.remove(pipe));
        let lines = match self.output.mode {
            OutputMode::Lines if !self.output.keep_order && !self.sink.is_congested() => {
                capture.take_lines(STDERR_READ_BYTES)
            }
            _ => Ok(crate::output::Captured::default()),
        };
        match (filled, lines) {
            (Ok(_), Ok(lines)) => {
                if !lines.is_empty() {
                    let mut delivery = Delivery {
                        tag: self.output.tag.then(|| attempt.job.item.joined.clone()),
                        ..Delivery::default()
                    };
                    *(if is_stderr {
                        &mut delivery.stderr
                    } else {
                        &mut delivery.stdout
                    }) = lines;
                    self.sink.deliver(delivery);
                }
            }
            (Err(error), _) | (_, Err(error)) => {
                attempt.lost_output = true;
                self.output_failed(RunError::system(
                    "hold the output of a job (is the temporary directory full?)",
                )(error));
                return;
            }
        }
        self.finish_if_streams_ended(place);
    }

    pub(super) fn finish_if_streams_ended(&mut self, place: usize) {
        let Some(attempt) = self.in_flight.get_mut(place) else {
            return;
        };
        let open = |stream: &Option<Capture>| {
            stream
                .as_ref()
                .is_some_and(|capture| capture.pipe().is_some())
        };
        if attempt.ended.is_some() && !open(&attempt.stdout) && !open(&attempt.stderr) {
            self.attempt_is_over(place);
        }
    }

    pub(super) fn output_failed(&mut self, error: RunError) {
        self.output_error.get_or_insert(error);
        let now = self.start.elapsed();
        let moved = self
            .stop
            .terminate(now, self.options.grace, StopCause::OutputFailed);
        self.stop_moved(moved);
    }

    pub(super) fn on_output_news(&mut self) {
        self.sink.clear_wake();
        let Some(trouble) = self.sink.take_trouble() else {
            return;
        };
        self.sink_broken = true;
        match trouble {
            SinkTrouble::ReaderGone => {
                let now = self.start.elapsed();
                let moved = self
                    .stop
                    .terminate(now, self.options.grace, StopCause::ReaderGone);
                self.stop_moved(moved);
            }
            SinkTrouble::Output(error) => {
                self.output_failed(RunError::system("write the output")(error))
            }
            SinkTrouble::Results(error) => self.output_failed(RunError::system(
                "write into the directory of --results",
            )(error)),
        }
    }
}
