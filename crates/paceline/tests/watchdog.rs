//! The watchdog on real runtimes: it names what holds a worker, and nothing else.

use std::sync::mpsc;
use std::time::Duration;

use paceline::watchdog::{Held, watch};
use tokio::runtime::Builder;

#[inline(never)]
fn a_blocking_call(released: &mpsc::Receiver<()>) {
    let _ = released.recv();
    std::hint::black_box(());
}

fn names(held: &Held, function: &str) -> bool {
    held.stack.iter().any(|frame| {
        frame
            .function
            .as_deref()
            .is_some_and(|name| name.contains(function))
    })
}

fn finds_a_blocking_call(mut builder: Builder) {
    let (tell, told) = mpsc::channel();
    let watch = watch(&mut builder)
        .threshold(Duration::from_millis(20))
        .on_held(move |held| {
            let _ = tell.send(held.clone());
        });
    let runtime = builder.enable_all().build().expect("a runtime");
    let _guard = watch.start(runtime.handle()).expect("a thread");
    let (release, released) = mpsc::channel();
    let blocked = runtime.spawn(async move {
        // So that the worker has parked once, as in real programs.
        tokio::time::sleep(Duration::from_millis(5)).await;
        a_blocking_call(&released);
    });
    std::thread::scope(|scope| {
        scope.spawn(|| runtime.block_on(blocked).expect("no panic"));
        let begun = told
            .iter()
            .find(|held| names(held, "a_blocking_call"))
            .expect("it is told of");
        assert!(!begun.is_over);
        assert!(begun.held_for >= Duration::from_millis(20));
        drop(release);
        let over = told
            .iter()
            .find(|held| held.is_over && held.worker == begun.worker)
            .expect("its end is told of");
        assert!(over.held_for >= begun.held_for);
        assert_eq!((over.thread, &over.stack), (begun.thread, &begun.stack));
        assert!(over.to_string().contains("a_blocking_call"), "{over}");
    });
}

#[test]
fn a_blocking_call_is_named_on_a_runtime_with_workers() {
    let mut builder = Builder::new_multi_thread();
    builder.worker_threads(2);
    finds_a_blocking_call(builder);
}

#[test]
fn a_blocking_call_is_named_on_a_runtime_of_one_thread() {
    finds_a_blocking_call(Builder::new_current_thread());
}

#[test]
fn an_idle_runtime_is_left_in_peace() {
    let (tell, told) = mpsc::channel();
    let mut builder = Builder::new_multi_thread();
    let watch = watch(&mut builder)
        .threshold(Duration::from_millis(20))
        .on_held(move |held| {
            let _ = tell.send(held.clone());
        });
    let runtime = builder.worker_threads(2).enable_all().build();
    let runtime = runtime.expect("a runtime");
    let guard = watch.start(runtime.handle()).expect("a thread");
    // A pause in the runtime, so that its workers are parked in it.
    runtime.block_on(async { tokio::time::sleep(Duration::from_millis(200)).await });
    drop(guard);
    assert_eq!(told.iter().count(), 0);
    drop(runtime);
}
