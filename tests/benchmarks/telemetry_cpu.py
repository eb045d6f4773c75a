"""CPU that telemetry costs a create: where nobody listens, and where somebody does.

What nobody listens to costs too little to be seen in a create among the noise of a machine, so all that a create asks
of the telemetry is timed by itself, and told as a part of the CPU of a whole create, measured in the same run. With
records at DEBUG, and with spans and metrics of OpenTelemetry, whole creates are measured beside those without.

    python tests/benchmarks/telemetry_cpu.py [--rounds 9] [--creates 2000]
"""

import argparse
import asyncio
import gc
import json
import logging
import statistics
import sys
import time
import timeit
from collections.abc import Callable

from canned_server import canned_server  # type: ignore[import-not-found]  # its neighbour, when run as a script
from opentelemetry import metrics, trace
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from legitmark_async import Legitmark, ServiceRequestDraft, _endpoints
from legitmark_async._call import CallState
from legitmark_async._telemetry import Telemetry
from legitmark_async.testing import make_item

IN_FLIGHT = 16
ITEM = make_item()
KEY = "leo_benchmark"
_LOG = logging.getLogger("legitmark_async")


def asked_of_telemetry() -> float:
    """Return the seconds of all that one create asks of the telemetry if nobody listens."""
    telemetry = Telemetry(time.monotonic)
    request = _endpoints.create_service_request(ServiceRequestDraft("ITEM-1", ITEM))
    state, count = CallState(), 20_000

    def one() -> None:
        with telemetry.call(request, state):
            telemetry.begin_try(request)
            assert not telemetry.tells_tries

    return min(timeit.repeat(one, number=count, repeat=20)) / count


async def create(client: Legitmark, count: int) -> float:
    """Create so many, and return the CPU seconds of each."""
    drafts = (ServiceRequestDraft(f"ITEM-{number}", ITEM) for number in range(count))

    async def work() -> None:
        for draft in drafts:
            await client.sr.create(draft)

    gc.collect()
    before = time.process_time()
    await asyncio.gather(*[work() for _ in range(IN_FLIGHT)])
    return (time.process_time() - before) / count


async def measure(url: str, rounds: int, creates: int) -> dict[str, list[float]]:
    """Return the CPU seconds of a create, by who listens."""
    figures: dict[str, list[float]] = {"nobody": [], "DEBUG": [], "OpenTelemetry": []}
    exporter = InMemorySpanExporter()
    async with Legitmark(KEY, base_url=url) as plain:
        set_up(exporter)
        async with Legitmark(KEY, base_url=url) as traced:
            for number in range(rounds + 1):
                told = {"nobody": await create(plain, creates)}
                _LOG.setLevel(logging.DEBUG)
                told["DEBUG"] = await create(plain, creates)
                _LOG.setLevel(logging.WARNING)
                told["OpenTelemetry"] = await create(traced, creates)
                assert len(exporter.get_finished_spans()) == creates
                exporter.clear()
                for name, seconds in told.items() if number else ():  # the first is for warming up
                    figures[name].append(seconds)
    return figures


def set_up(exporter: InMemorySpanExporter) -> None:
    """Set up OpenTelemetry, to keep all it is told."""
    tracers = TracerProvider()
    tracers.add_span_processor(SimpleSpanProcessor(exporter))
    trace.set_tracer_provider(tracers)
    metrics.set_meter_provider(MeterProvider([InMemoryMetricReader()]))


def main() -> None:
    """Run it, and print the table and a JSON line."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--creates", type=int, default=2000)
    asked = parser.parse_args()
    _LOG.addHandler(logging.NullHandler())
    _LOG.propagate = False
    silent = asked_of_telemetry()
    with canned_server() as url:
        figures = asyncio.run(measure(url, asked.rounds, asked.creates))
    whole = statistics.median(figures["nobody"])
    sys.stdout.write(f"nobody listens   {silent * 1e6:6.2f} us of {whole * 1e6:.1f} us: {silent / whole:.2%}\n")
    told: dict[str, float] = {"nobody": round(silent / whole, 4)}
    median: Callable[[list[float]], float] = statistics.median
    for name in ("DEBUG", "OpenTelemetry"):
        ratio = median([some / none for some, none in zip(figures[name], figures["nobody"], strict=True)])
        sys.stdout.write(f"{name:16} {median(figures[name]) * 1e6:6.1f} us: {ratio:.2f} of a create without\n")
        told[name] = round(ratio, 3)
    sys.stdout.write(json.dumps(told) + "\n")


if __name__ == "__main__":
    main()
