"""The service in process, and as a real process on a socket: what is asked, what is refused, how it ends."""

import http.client
import json
import math
import os
import re
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import pytest

from mlp_torch.__main__ import main
from mlp_torch.errors import ConfigError
from mlp_torch.serving import payload, server
from mlp_torch.serving.predictor import Answer, Predictor
from mlp_torch.serving.server import build_app
from mlp_torch.verbs import serve as verb

with warnings.catch_warnings():
    # starlette would rather have httpx2, which the project does without
    warnings.filterwarnings("ignore", message="Using `httpx` with `starlette.testclient`")
    from starlette.testclient import TestClient

ROOT = Path(__file__).parents[2]
PATH = "/v1/models/tiny:predict"
ROW = {"distance": 500, "hour": 5, "origin": "JFK", "carrier": "UA"}
JSON = {"Content-Type": "application/json"}


@pytest.fixture
def client(predictor: Predictor) -> Iterator[TestClient]:
    with TestClient(build_app(predictor)) as client:
        yield client


def post(client: TestClient | httpx.Client, body: Any, path: str = PATH) -> httpx.Response:
    """A body as it stands, or a value as JSON."""
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    return client.post(path, content=content, headers=JSON)


def refused(response: httpx.Response, code: str, status: int = 400) -> str:
    """The error's text; its problems name the reason code."""
    assert response.status_code == status, response.text
    content = response.json()
    assert code in [problem["code"] for problem in content["problems"]]
    return content["error"]


# --- what is answered


def test_the_answer_is_that_of_the_library_call(client, predictor):
    rows = [ROW, {**ROW, "origin": "LGA", "distance": None}]
    response = post(client, {"instances": rows})
    assert response.status_code == 200
    assert response.headers["content-type"] == "application/json"
    assert response.json() == {
        "predictions": predictor.predict(rows),
        "warnings": [],
        "model_version": predictor.version,
    }
    first, second = response.json()["predictions"]
    assert set(first) == {"probability", "class", "label"}
    assert first["probability"] != second["probability"]


def test_keys_pass_through_untouched_and_a_repeated_one_is_answered_each_time(client):
    keys = ["b", "", 7, "b", "日本", -(2**63), 2**64 - 1]
    rows = [{**ROW, "hour": hour} for hour in range(len(keys))]
    keyed = post(client, {"keys": keys, "instances": rows}).json()["predictions"]
    plain = post(client, {"instances": rows}).json()["predictions"]
    assert [row.pop("key") for row in keyed] == keys
    assert keyed == plain
    assert len({row["probability"] for row in plain}) == len(keys)


def test_a_key_is_no_feature(client):
    one, other = (post(client, {"instances": [ROW], "keys": [key]}).json()["predictions"][0] for key in ("JFK", 10**9))
    assert one["probability"] == other["probability"]


@pytest.mark.parametrize("keys", [{}, {"keys": []}])
def test_no_instances_give_no_predictions(client, keys):
    response = post(client, {"instances": [], **keys})
    assert (response.status_code, response.json()["predictions"]) == (200, [])


def test_fields_in_another_order_and_ignored_columns_change_nothing(client):
    plain = post(client, {"instances": [ROW]}).json()["predictions"]
    shuffled = post(client, {"instances": [{"note": "x", **dict(reversed(ROW.items()))}]}).json()["predictions"]
    assert plain == shuffled


def test_an_unseen_category_is_answered_with_a_warning(client):
    content = post(client, {"instances": [{**ROW, "origin": "SFO"}, ROW]}).json()
    assert len(content["predictions"]) == 2
    assert content["warnings"] == ["origin: 1 row with a category that training never showed"]


def test_a_byte_order_mark_is_no_part_of_the_body(client):
    assert post(client, b"\xef\xbb\xbf" + json.dumps({"instances": [ROW]}).encode()).status_code == 200


def test_the_model_tells_its_fields_and_an_example_that_it_answers(client, predictor):
    about = client.get("/v1/models/tiny").json()
    assert (about["name"], about["version"]) == ("tiny", predictor.version)
    assert {field["name"]: field["kinds"] for field in about["fields"]} == {
        "distance": ["number"],
        "hour": ["number"],
        "origin": ["string"],
        "carrier": ["string"],
    }
    assert about["fields"][0]["max"] == 10_000
    assert not {"low", "high"} & set(about["fields"][0])  # the training rows' extremes are nobody's business
    assert about["scales"] == {}  # of two classes there is none
    assert post(client, about["example"]).status_code == 200


def test_health_is_answered(client):
    assert [client.get(f"/v2/health/{kind}").status_code for kind in ("live", "ready")] == [200, 200]


def test_a_prediction_that_is_no_number_is_null(predictor, monkeypatch):
    monkeypatch.setattr(predictor, "answer", lambda rows: Answer({"p": [math.nan], "q": [math.inf]}, []))
    response = post(TestClient(build_app(predictor)), {"instances": [ROW]})
    assert response.json()["predictions"] == [{"p": None, "q": None}]
    assert b"NaN" not in response.content


# --- what is refused


@pytest.mark.parametrize(
    ("body", "code", "text"),
    [
        (b"", "empty_body", "it is empty"),
        (b" \n", "empty_body", "it is empty"),
        (b"[]", "not_an_object", "a list"),
        (b"null", "not_an_object", "null"),
        (b'"x"', "not_an_object", "text"),
        (b"{", "not_json", "line 1"),
        (b"{'instances': []}", "not_json", "line 1"),
        (b'{"instances": []} x', "not_json", "Extra data"),
        (b'{"instances": [01]}', "not_json", "line 1"),
        (b'{"instances": ["\xff"]}', "not_utf8", "byte 16 "),
        ('{"instances": []}'.encode("utf-16"), "not_utf8", "byte 0 "),
        (b"{}", "missing_key", '"instances"'),
        (b'{"instances": {}}', "not_a_list", "an object"),
        (b'{"instances": [], "keys": null}', "not_a_list", "null"),
        (b'{"instances": [1]}', "not_rows", "int"),
        (b'{"instances": [{}]}', "missing_column", '"distance"'),
        (b'{"instances": [], "instances": []}', "duplicate_key", '"instances"'),
        (b'{"instances": [{"hour": 1, "hour": 1}]}', "duplicate_key", '"hour"'),
        (b'{"instances": [{"hour": NaN}]}', "not_a_json_number", "not valid JSON number"),
        (b'{"instances": [{"hour": -Infinity}]}', "not_a_json_number", '"-Infinity"'),
        (b'{"instances": [{"hour": 1e999}]}', "not_a_json_number", '"1e999"'),
        (b'{"instances": [{"hour": ' + b"9" * 5000 + b"}]}", "not_a_json_number", "999"),
        (b'{"instances": [{"hour": ' + b"9" * 100 + b"}]}", "too_large_integer", '"hour"'),
        (b'{"instances": [{"origin": "\\ud800"}]}', "invalid_unicode", '"origin"'),
        (b'{"instances": [{"\\ud800": 1}]}', "invalid_unicode", "ud800"),
        (b'{"\\ud800": 1}', "invalid_unicode", "ud800"),
        (b'{"\\ud800": 1, "\\ud800": 2}', "duplicate_key", "ud800"),
        (b'{"instances": [{"hour": [1]}]}', "nested_value", '"hour"'),
        (b'{"instances": [{"hour": {"a": 1}}]}', "nested_value", '"hour"'),
        (b'{"instances": [{"hour": ' + b"[" * 33 + b"]" * 33 + b"}]}", "nested_value", '"hour"'),
        (b"[" * 250_000, "too_deep", "deeper"),
        (b'{"a":' * 250_000, "too_deep", "deeper"),
        (b'{"' + b"a" * 1001 + b'": 1}', "name_too_long", "1,000"),
        (b'{"instances": [{"hour": "' + b"a" * 65_537 + b'"}]}', "cell_too_large", '"hour"'),
    ],
    ids=lambda value: value[:30] if isinstance(value, bytes) else None,
)
def test_a_body_that_is_wrong_gets_400_saying_why(client, body, code, text):
    assert text in refused(post(client, body), code)


@pytest.mark.parametrize("deep", [300, 900, 985, 1000, 3000])
def test_no_depth_of_nesting_is_a_mistake_of_the_server(client, deep):
    response = post(client, b'{"instances": [{"hour": ' + b"[" * deep + b"]" * deep + b"}]}")
    assert response.status_code == 400
    assert {"nested_value", "too_deep"} & {problem["code"] for problem in response.json()["problems"]}
    assert client.get("/v2/health/live").status_code == 200


def test_a_cell_too_deep_to_be_shown_is_refused_too(predictor, monkeypatch):
    def shown(rows: Any) -> Answer:
        raise RecursionError  # Python versions differ in what they parse but cannot show

    monkeypatch.setattr(predictor, "answer", shown)
    refused(post(TestClient(build_app(predictor)), {"instances": [ROW]}), "too_deep")


@pytest.mark.parametrize(
    "key", [None, True, 1.5, [], {}, 2**64, -(2**63) - 1, "\ud800"], ids=lambda key: ascii(key)[:12]
)
def test_a_key_that_could_not_come_back_as_it_came_is_refused_with_its_place(client, key):
    response = post(client, {"instances": [ROW, ROW], "keys": ["a", key]})
    assert "1 of 2 rows, row 1" in refused(response, "wrong_key")


@pytest.mark.parametrize("keys", [[], ["a"], ["a", "b", "c"]])
def test_another_number_of_keys_is_refused_naming_both(client, keys):
    text = refused(post(client, {"instances": [ROW, ROW], "keys": keys}), "wrong_number_of_keys")
    assert f"{len(keys)} keys, 2 instances" in text


def test_a_mistyped_name_of_the_body_names_the_near_one_and_what_lacks(client):
    text = refused(post(client, {"instance": [ROW]}), "unknown_key")
    assert "did you mean instances?" in text
    assert "missing_key" in text


def test_every_problem_of_the_rows_is_told_at_once_and_for_machines(client):
    rows = [{**ROW, "distance": -3, "hour": "five"}, ROW, {**ROW, "distance": 20_000}]
    problems = post(client, {"instances": rows}).json()["problems"]
    assert {(p["code"], tuple(p["columns"]), p["bad"], p["total"]) for p in problems} == {
        ("out_of_range", ("distance",), 2, 3),
        ("not_a_number", ("hour",), 1, 3),
    }


def test_a_row_that_training_would_drop_is_refused_so_that_keys_stay_with_their_rows(client):
    response = post(client, {"instances": [{**ROW, "carrier": None}, ROW], "keys": ["a", "b"]})
    assert response.status_code == 400
    assert "1 of 2" in response.json()["error"]


def test_rows_that_would_make_a_huge_table_are_refused_at_once(client, monkeypatch):
    body = {"instances": [{f"f{i}": 1} for i in range(200)]}
    assert "distance" in refused(post(client, body), "missing_column")
    monkeypatch.setattr(payload, "MAX_CELLS", 200 * 200 - 1)
    assert "200 rows with 200 fields" in refused(post(client, body), "too_many_cells")


def test_hundreds_of_thousands_of_wrong_names_are_told_in_a_few_and_not_compared_with_each_other(client):
    names = [f'"f{i}": 1' for i in range(200_000)]
    for body, code in ((names, "unknown_key"), (names + names, "duplicate_key")):
        text = refused(post(client, b"{" + ", ".join(body).encode() + b"}"), code)
        assert ('"f4"' in text, '"f5"' in text, len(text) < 1000) == (True, False, True)


def test_too_many_rows_get_413_with_the_limit(client, monkeypatch):
    monkeypatch.setattr(server, "MAX_INSTANCES", 2)
    assert post(client, {"instances": [ROW] * 2}).status_code == 200
    response = post(client, {"instances": [ROW] * 3})
    assert (response.status_code, "at most 2 instances, however: 3" in response.json()["error"]) == (413, True)


def test_a_body_of_the_limit_passes_and_one_byte_more_gets_413(predictor):
    body = json.dumps({"instances": [ROW]}).encode()
    client = TestClient(build_app(predictor, max_bytes=len(body)))
    assert post(client, body).status_code == 200
    response = post(client, body + b" ")
    assert response.status_code == 413
    assert f"at most {len(body)} bytes" in response.json()["error"]


def test_a_long_body_is_refused_before_it_is_parsed(predictor, monkeypatch):
    def never(body: bytes) -> None:
        raise AssertionError("parsed")

    monkeypatch.setattr(server, "parse", never)
    assert post(TestClient(build_app(predictor, max_bytes=10)), b"x" * 11).status_code == 413


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Content-Type": "text/plain"},
        {"Content-Type": "application/x-www-form-urlencoded"},
        {**JSON, "Content-Encoding": "gzip"},
    ],
)
def test_another_type_or_a_compressed_body_gets_415(client, headers):
    response = client.post(PATH, content=json.dumps({"instances": [ROW]}).encode(), headers=headers)
    assert response.status_code == 415
    assert "however" in response.json()["error"]


def test_a_type_with_a_charset_is_json_too(client):
    headers = {"Content-Type": "Application/JSON; charset=utf-8"}
    assert client.post(PATH, content=json.dumps({"instances": [ROW]}), headers=headers).status_code == 200


@pytest.mark.parametrize(
    "name", ["other", "Tiny", "tinу", "..%2f..%2fetc", "a%00b", "%5c", "x" * 10_000, "tiny:classify"]
)
def test_an_unknown_model_gets_404_naming_the_one_served(client, name):
    for response in (
        post(client, {"instances": [ROW]}, f"/v1/models/{name}:predict"),
        client.get(f"/v1/models/{name}"),
    ):
        assert response.status_code == 404
        assert "/v1/models/" in response.json()["error"] or '"tiny"' in response.json()["error"]
        assert len(response.content) < 21_000


@pytest.mark.parametrize("path", ["/", "/v1/models", "/v1/models/tiny/", "/v2/health", "/docs"])
def test_an_unknown_path_gets_404_as_json(client, path):
    response = client.get(path, follow_redirects=False)
    assert (response.status_code, "no such path" in response.json()["error"]) == (404, True)


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("GET", PATH, "POST"),
        ("PUT", PATH, "POST"),
        ("POST", "/v1/models/tiny", "GET"),
        ("POST", "/v2/health/live", "GET"),
    ],
)
def test_another_method_gets_405_naming_the_right_one(client, method, path, allowed):
    response = client.request(method, path)
    assert response.status_code == 405
    assert allowed in response.headers["allow"]
    assert f"takes {allowed}" in response.json()["error"]


def test_a_mistake_of_ours_is_json_and_tells_no_secrets(predictor, monkeypatch):
    def broken(rows: Any) -> Answer:
        raise RuntimeError("secret")

    monkeypatch.setattr(predictor, "answer", broken)
    response = post(TestClient(build_app(predictor), raise_server_exceptions=False), {"instances": [ROW]})
    assert response.status_code == 500
    assert "secret" not in response.text
    assert "error" in response.json()


# --- in threads


def test_health_answers_while_a_batch_is_under_way(predictor, monkeypatch):
    begun, finish = threading.Event(), threading.Event()
    answer = predictor.answer

    def slow(rows: Any) -> Answer:
        begun.set()
        assert finish.wait(30)
        return answer(rows)

    monkeypatch.setattr(predictor, "answer", slow)
    found: list[int] = []
    with TestClient(build_app(predictor)) as client:  # one event loop for both requests
        asked = threading.Thread(target=lambda: found.append(post(client, {"instances": [ROW]}).status_code))
        asked.start()
        assert begun.wait(30)
        assert client.get("/v2/health/ready").status_code == 200
        assert found == []
        finish.set()
        asked.join(30)
    assert found == [200]


# --- a real process on a socket


class Running(NamedTuple):
    """A `serve.py DIR --port 0` that has said that it listens."""

    process: "subprocess.Popen[str]"
    url: str
    port: int
    curl: str


@contextmanager
def started(folder: Path) -> Iterator[Running]:
    command = [sys.executable, "serve.py", str(folder), "--port", "0"]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        try:
            address, curl = process.stdout.readline(), process.stdout.readline()
            found = re.search(r"at (http://\S+:([0-9]+));", address)
            assert found, process.stderr.read()
            yield Running(process, found[1], int(found[2]), curl)
        finally:
            process.kill()


@pytest.fixture(scope="module")
def running(folder: Path) -> Iterator[Running]:
    with started(folder) as running:
        yield running


def test_a_real_server_answers_as_the_library_does(running, predictor):
    rows = [ROW, {**ROW, "carrier": "日本"}]
    with httpx.Client(base_url=running.url) as client:
        assert post(client, {"instances": rows, "keys": [1, "b"]}).json()["predictions"] == [
            {"key": key, **row} for key, row in zip([1, "b"], predictor.predict(rows), strict=True)
        ]
        assert post(client, b"{").status_code == 400
        assert client.get("/v2/health/ready").status_code == 200


def test_the_printed_curl_works_as_it_stands(running):
    if shutil.which("curl") is None:
        assert not os.environ.get("CI"), "curl is missing: apt-get install curl"
        pytest.skip("curl is missing: apt-get install curl")
    found = subprocess.run(running.curl, shell=True, capture_output=True, text=True, timeout=60, check=True)
    assert json.loads(found.stdout)["predictions"][0]["label"] in ("on_time", "late")


def test_the_printed_request_is_the_schemas_example(running, predictor):
    words = shlex.split(running.curl)
    assert words[0] == "curl"
    assert json.loads(words[-1]) == {"instances": [predictor.schema.example]}


def test_a_body_without_a_length_is_counted_while_it_comes(running):
    def tiny() -> Iterator[bytes]:
        for _ in range(17 * 1024):
            yield b" " * 1024

    with httpx.Client(base_url=running.url, timeout=60) as client:
        response = client.post(PATH, content=tiny(), headers=JSON)
        assert "content-length" not in response.request.headers
        assert response.status_code == 413
        assert client.get("/v2/health/live").status_code == 200


def test_an_announced_length_is_refused_without_reading(running):
    connection = http.client.HTTPConnection("127.0.0.1", running.port, timeout=30)
    connection.putrequest("POST", PATH)
    for name, value in {**JSON, "Content-Length": str(10**12)}.items():
        connection.putheader(name, value)
    connection.endheaders()  # and not one byte more
    assert connection.getresponse().status == 413
    connection.close()


def test_a_port_in_use_is_told_with_exit_code_2(running, folder):
    command = [sys.executable, "serve.py", str(folder), "--port", str(running.port)]
    found = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120, check=False)
    assert found.returncode == 2
    assert f"127.0.0.1:{running.port}: Address already in use" in found.stderr
    assert "Traceback" not in found.stderr


def closing(running: Running, number: signal.Signals) -> tuple[int, str]:
    """The exit code after one signal, and what was said as an error."""
    running.process.send_signal(number)
    _, errors = running.process.communicate(timeout=60)
    return running.process.returncode, errors


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_an_idle_server_with_exit_code_0_though_a_connection_is_open(folder, number):
    with started(folder) as running, httpx.Client(base_url=running.url) as client:
        assert client.get("/v2/health/live").status_code == 200
        code, errors = closing(running, number)
    assert (code, "Traceback" in errors) == (0, False)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_lets_the_request_under_way_be_answered(folder, number):
    body = json.dumps({"instances": [ROW] * 50_000}).encode()
    head = f"POST {PATH} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    with started(folder) as running:
        with socket.create_connection(("127.0.0.1", running.port), timeout=60) as connection:
            connection.sendall(head.encode() + body)
            time.sleep(0.2)  # the last bytes are read by then, and so many rows take longer
            running.process.send_signal(number)
            response = http.client.HTTPResponse(connection, method="POST")
            response.begin()
            assert response.status == 200
            assert len(json.loads(response.read())["predictions"]) == 50_000
            response.close()
        _, errors = running.process.communicate(timeout=60)
    assert (running.process.returncode, "Traceback" in errors) == (0, False)


# --- the command line


def test_a_mistyped_option_names_the_near_one(folder, capsys):
    assert main(["serve", str(folder), "--prot", "8001"]) == 2
    assert "no such option: --prot; did you mean --port" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["DIR", "--port", "http"], "port from 0 to 65535, however: 'http'"),
        (["DIR", "--port", "65536"], "port from 0 to 65535, however: '65536'"),
        (["DIR", "--threads", "0"], "at least 1, however: '0'"),
        (["DIR", "--device", "gpu"], "device of this machine, however: 'gpu'"),
        ([], "required: DIR"),
        (["/no/such/model"], "a model must be a folder, however: /no/such/model"),
    ],
)
def test_arguments_that_cannot_be_are_told_with_exit_code_2(arguments, text, folder, capsys):
    assert main(["serve", *(str(folder) if argument == "DIR" else argument for argument in arguments)]) == 2
    assert text in capsys.readouterr().err


def test_an_address_of_another_machine_is_told(folder, capsys):
    assert main(["serve", str(folder), "--host", "192.0.2.1", "--port", "0"]) == 2
    assert "free address of this machine, however: 192.0.2.1:0" in capsys.readouterr().err


def test_without_the_extra_the_error_says_what_to_install(folder, monkeypatch):
    monkeypatch.setattr(verb, "find_spec", lambda name: None if name == "orjson" else object())
    with pytest.raises(ConfigError, match=r"needs orjson: pip install 'mlp_torch\[serve\]'"):
        verb.main([str(folder)])


def test_help_tells_options_and_endpoints(capsys):
    with pytest.raises(SystemExit) as ended:
        main(["serve", "--help"])
    assert ended.value.code == 0
    text = capsys.readouterr().out
    assert all(word in text for word in ("--port", "default: 8000", ":predict", "/v2/health/ready"))
