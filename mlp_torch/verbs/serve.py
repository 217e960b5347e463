"""`mlp_torch serve DIR [--port 8000]`, in a clone `python serve.py DIR`: a model as a service."""

from importlib.util import find_spec

from mlp_torch.errors import ConfigError
from mlp_torch.verbs.options import PINNED, Options, check_device, check_model, checksum, count, port

NEEDED = ("starlette", "uvicorn", "orjson")
ENDPOINTS = """\
endpoints:
  POST /v1/models/NAME:predict   {"instances": [{"FIELD": VALUE, ...}, ...], "keys": ["a", ...]}
  GET  /v1/models/NAME           fields and an example request
  GET  /v2/health/live, /v2/health/ready

There is no check of who asks: put a proxy in front of an address that others reach."""


def main(arguments: list[str]) -> int:
    """Serves until SIGTERM or Ctrl-C."""
    options = Options("serve", "Answer requests with a model: raw rows in, predictions out.", epilog=ENDPOINTS)
    options.add_argument("folder", metavar="DIR", help="the model's folder, e.g. runs/quickstart/latest/model")
    options.add_argument("--host", default="127.0.0.1", help="the address to listen on; 0.0.0.0 = every one")
    options.add_argument("--port", type=port, default=8000, help="0 takes a free one")
    options.add_argument("--device", default="cpu", help="where the model runs: cpu, cuda, cuda:1")
    options.add_argument("--threads", type=count, default=1, help="threads of torch for one request")
    options.add_argument("--sha256", type=checksum, metavar="HEX", help=PINNED)
    chosen = options.parse(arguments)
    if missing := [name for name in NEEDED if find_spec(name) is None]:
        raise ConfigError(f"serving needs {', '.join(missing)}: pip install 'mlp_torch[serve]'")
    check_model(chosen.folder, chosen.sha256)
    check_device(chosen.device)
    from mlp_torch.serving.server import serve  # here, so that --help and a missing extra are told first

    serve(chosen.folder, host=chosen.host, port=chosen.port, device=chosen.device, threads=chosen.threads)
    return 0
