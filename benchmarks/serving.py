"""A process apart from the load: it sends events that cross a threshold, and holds the clients that serve the models.

`python -m benchmarks.serving DOOR_PORT API_PORT KEY PREFIX COUNT`: says that it is ready, waits for a line on its
input, and prints one JSON list of milliseconds: from the crossing event's acknowledgement until the model's client has
been told by its long poll that the version `old` serves again.
"""

import asyncio
import json
import sys
import time

import httpx

from benchmarks.breaches import Client, breach

PER_S = 15.0
DEADLINE_S = 30.0


async def told_old(http: httpx.AsyncClient, model: str) -> float:
    """When the client of `model`, which serves `new`, was told otherwise."""
    answer = await http.get(f"/v1/models/{model}", params={"version": "new", "wait_ms": "30000"})
    if answer.json()["model_version"] != "old":
        raise RuntimeError(f"{model} still serves {answer.text}")
    return time.perf_counter()


async def main(door: int, api: int, key: str, prefix: str, count: int) -> None:
    """Waits to be told to begin, breaches, and prints what was measured."""
    client = Client(door, key)
    await client.open()
    headers = {"Authorization": f"Bearer {key}"}
    limits = httpx.Limits(max_connections=None)
    async with httpx.AsyncClient(
        base_url=f"http://127.0.0.1:{api}", headers=headers, limits=limits, timeout=DEADLINE_S + 5, trust_env=False
    ) as http:
        print("ready", flush=True)
        await asyncio.get_running_loop().run_in_executor(None, sys.stdin.readline)
        waiting = [asyncio.create_task(told_old(http, f"{prefix}-{number}")) for number in range(count)]
        began, acknowledged = time.perf_counter() + 1.0, []
        for number in range(count):
            await asyncio.sleep(max(0.0, began + number / PER_S - time.perf_counter()))
            acknowledged.append(await breach(client, "new", f"{prefix}-{number}"))
        async with asyncio.timeout(DEADLINE_S):
            told = await asyncio.gather(*waiting)
    print(json.dumps([(at - since) * 1000 for at, since in zip(told, acknowledged, strict=True)]), flush=True)


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]), int(sys.argv[2]), sys.argv[3], sys.argv[4], int(sys.argv[5])))
