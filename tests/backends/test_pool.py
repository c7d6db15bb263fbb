"""Threads that share out chunks: every chunk once, errors and Ctrl-C reach the caller, and nothing is left running."""

import os
import signal
import threading
import time

import pytest

from fastlr.backends.compiled import pool


@pytest.mark.parametrize("n_threads", [1, 2, 3, 7])
@pytest.mark.parametrize("chunks", [1, 2, 5, 64])
def test_every_chunk_goes_to_one_thread(n_threads, chunks):
    shares = []
    pool.run(lambda *share: shares.append(share), chunks, n_threads)
    assert sorted(k for first, last, _ in shares for k in range(first, last)) == list(range(chunks))
    assert sorted(thread for *_, thread in shares) == list(range(min(n_threads, chunks)))


def test_workers_outlive_calls():
    pool.run(lambda *share: None, 3, 3)
    before = threading.active_count()
    for _ in range(50):
        pool.run(lambda *share: None, 3, 3)
    assert threading.active_count() == before


@pytest.mark.parametrize("failing", [0, 1, 2])
def test_an_error_reaches_the_caller_once_all_are_done(failing):
    done = []

    def call(first, last, thread):
        if thread == failing:
            raise KeyError(thread)
        time.sleep(0.05)
        done.append(thread)

    with pytest.raises(KeyError):
        pool.run(call, 3, 3)
    assert sorted(done) == [thread for thread in range(3) if thread != failing]
    pool.run(lambda *share: None, 3, 3)


def test_ctrl_c_waits_for_the_workers():
    """They write to the caller's arrays."""
    done = []

    def call(first, last, thread):
        if thread == 1:
            os.kill(os.getpid(), signal.SIGINT)
            time.sleep(0.2)
            done.append(thread)

    with pytest.raises(KeyboardInterrupt):
        pool.run(call, 2, 2)
    assert done == [1]


def test_calls_from_many_threads_and_from_a_callback():
    def nested(first, last, thread):
        pool.run(lambda *share: inner.append(share), 4, 2)

    inner = []
    threads = [threading.Thread(target=pool.run, args=(nested, 3, 3)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(last - first for first, last, _ in inner) == 4 * 3 * 4


@pytest.mark.slow
def test_a_child_has_workers_of_its_own():
    pool.run(lambda *share: None, 2, 2)
    child = os.fork()
    if child == 0:
        signal.alarm(20)
        pool.run(lambda *share: None, 2, 2)
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0
