"""Processes that score: what real ones do is in tests/verbs/test_predict.py."""

from collections import deque
from concurrent.futures import Future

from mlp_torch.serving.scorer import Job, Verdict
from mlp_torch.serving.workers import first


def test_verdicts_come_in_the_order_of_the_blocks():
    waiting = deque()
    for number in range(3):
        future = Future()
        future.set_result(Verdict({"read": number}, []))
        waiting.append((Job(number, None), future))
    assert [first(waiting)[0].number for _ in range(3)] == [0, 1, 2]
