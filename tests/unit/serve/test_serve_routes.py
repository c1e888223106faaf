"""Calls of the repository are always answered, whatever happens behind them."""

import asyncio

import pytest

from burnish.errors import InputError, InternalError, NotFoundError
from burnish.rollout.traffic import LiveTraffic
from burnish.serve.config import ServeConfig
from burnish.serve.exchange import Exchange
from burnish.serve.metrics import Metrics
from burnish.serve.routes import Answer, Request, Routes
from burnish.serve.versions import Models


class Failing:
    """A repository in which every call fails in one way."""

    def __init__(self, error):
        self._error = error

    async def load(self, name):
        raise self._error

    async def unload(self, name):
        raise self._error

    def index(self):
        return [{"name": "m", "version": "", "state": "UNAVAILABLE", "reason": "not loaded"}]


def call(path, body=b"", *, error=None, config=None):
    config = config or ServeConfig()

    async def scenario():
        models = Models(config, Metrics())
        tasks = []
        routes = Routes(
            models,
            Exchange(models, LiveTraffic(), config),
            Failing(error),
            config,
            spawn=lambda work: tasks.append(asyncio.ensure_future(work)),
            version="0",
        )
        answers = []
        routes.handle(Request("POST", path, {}, body), answers.append)
        await asyncio.gather(*tasks)
        (answer,) = answers
        return answer

    return asyncio.run(scenario())


@pytest.mark.parametrize("verb", ["load", "unload"])
def test_an_error_of_ours_or_of_anybody_reaches_the_client(verb):
    path = f"/v2/repository/models/m/{verb}"
    assert isinstance(call(path, error=NotFoundError("no m")), NotFoundError)
    assert isinstance(call(path, error=OSError("the disk is gone")), InternalError)


def test_clients_cannot_load_when_that_is_switched_off():
    with pytest.raises(InputError, match="switched off"):
        call("/v2/repository/models/m/load", config=ServeConfig(repository_control=False))


@pytest.mark.parametrize(
    ("body", "rows"), [(b"", 1), (b"{}", 1), (b'{"ready": true}', 0), (b'{"ready": false}', 1)]
)
def test_the_index_can_be_of_ready_models_alone(body, rows):
    answer = call("/v2/repository/index", body)
    assert isinstance(answer, Answer)
    assert answer.body.count(b'"name"') == rows


@pytest.mark.parametrize("body", [b"[]", b"{", b'{"parameters": 3}', b'{"parameters": {"config": "{}"}}'])
def test_a_malformed_load_is_refused(body):
    with pytest.raises(InputError, match=r"body|parameters"):
        call("/v2/repository/models/m/load", body)
