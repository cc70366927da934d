"""A load generator for the gRPC stream: messages of many events, each acknowledgement timed and checked."""

import asyncio
import time
from collections.abc import Callable

import grpc

from api.grpc_door import feedback_pb2 as pb
from benchmarks.load import Load

METHOD = "/feedback.v1.FeedbackIngestion/StreamFeedback"


async def closed_streams(port: int, key: str, prepare: Callable[[], bytes], streams: int, seconds: float) -> Load:
    """Every stream, on a connection of its own, sends its next message when the last is acknowledged."""
    load = Load()
    ends_at = time.perf_counter() + seconds
    began = time.perf_counter()
    await asyncio.gather(*(_stream(load, port, key, prepare, ends_at, number) for number in range(streams)))
    load.wall_s = time.perf_counter() - began
    return load


async def _stream(load: Load, port: int, key: str, prepare: Callable[[], bytes], ends_at: float, number: int) -> None:
    # Channels with equal options share a connection.
    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}", options=[("benchmark.connection", number)]) as channel:
        call = channel.stream_stream(METHOD)(metadata=(("authorization", f"Bearer {key}"),))
        while (since := time.perf_counter()) < ends_at:
            await call.write(prepare())
            answer = pb.StreamFeedbackResponse.FromString(await call.read())
            if all(receipt.status == pb.STATUS_ACCEPTED for receipt in answer.receipts):
                load.latencies_s.append(time.perf_counter() - since)
            else:
                load.refused += 1
        await call.done_writing()
        while await call.read() is not grpc.aio.EOF:
            load.refused += 1
