"""Calls to the administrative API."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass

from running_gateway import MASTER_KEY, Running


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """An answer; `error` is OpenAI's error object when there is one."""

    status: int
    headers: Mapping[str, str]
    text: str

    @property
    def json(self) -> dict[str, object]:
        """Return the body as an object."""
        decoded: dict[str, object] = json.loads(self.text)
        return decoded

    @property
    def param(self) -> object:
        """Return what the error says is at fault."""
        error = self.json["error"]
        assert isinstance(error, dict)
        return error["param"]

    @property
    def data(self) -> list[dict[str, object]]:
        """Return the records of a list."""
        data = self.json["data"]
        assert isinstance(data, list)
        return data


@dataclass(frozen=True, slots=True)
class Admin:
    """A client of the administrative API with the master key, unless told otherwise."""

    gateway: Running
    key: str = MASTER_KEY

    async def call(self, method: str, path: str, body: object = None, **headers: str) -> Told:
        """Send a body, bytes as they are and anything else as JSON."""
        raw = body if isinstance(body, bytes) or body is None else json.dumps(body).encode()
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        head = {"authorization": f"Bearer {self.key}"} | named
        url = self.gateway.url + path
        async with self.gateway.http.request(method, url, data=raw, headers=head) as response:
            return Told(status=response.status, headers=response.headers, text=await response.text())

    async def make_key(self, **asked: object) -> tuple[str, str]:
        """Return the id and the secret of a new key of team red."""
        told = await self.call("POST", "/v1/keys", {"team": "red", "name": "ci"} | asked)
        assert told.status == 201, told.text
        key = told.json["key"]
        assert isinstance(key, dict)
        return key["id"], str(told.json["secret"])

    async def team_id(self, name: str = "red") -> str:
        """Return a team's id."""
        return str((await self.call("GET", f"/v1/teams/{name}")).json["id"])
