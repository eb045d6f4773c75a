"""OpenTelemetry for one client, kept in memory; its global providers can be set but once in a process."""

from collections.abc import Mapping, Sequence

from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import Event, ReadableSpan, SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from legitmark_async import Legitmark
from legitmark_async._telemetry._otel import Instruments, OpenTelemetry


class Tracing:
    """What one client told."""

    def __init__(self, *processors: SpanProcessor) -> None:
        self._exporter, self._reader = InMemorySpanExporter(), InMemoryMetricReader()
        tracers = TracerProvider()
        for processor in processors:
            tracers.add_span_processor(processor)
        tracers.add_span_processor(SimpleSpanProcessor(self._exporter))
        meter = MeterProvider([self._reader]).get_meter("test")
        self._otel = OpenTelemetry(tracers.get_tracer("test"), Instruments.of(meter))

    def listen(self, client: Legitmark) -> None:
        """Take what an open client tells from now on."""
        client._shared.telemetry._otel = self._otel

    @property
    def spans(self) -> Sequence[ReadableSpan]:
        """The spans that have ended."""
        return self._exporter.get_finished_spans()

    @property
    def span(self) -> ReadableSpan:
        """The one span that has ended."""
        (span,) = self.spans
        return span

    def events(self, name: str) -> list[Mapping[str, object]]:
        """Return what the events of one kind tell, of that span."""
        return [_told(event) for event in self.span.events if event.name == name]

    @property
    def metrics(self) -> dict[str, dict[tuple[object, ...], float]]:
        """Each metric's values, or of a histogram its counts, by the values of their attributes."""
        data = self._reader.get_metrics_data()
        every = [] if data is None else [m for r in data.resource_metrics for s in r.scope_metrics for m in s.metrics]
        return {
            metric.name: {
                tuple((point.attributes or {}).values()): getattr(point, "value", getattr(point, "count", 0))
                for point in metric.data.data_points
            }
            for metric in every
        }


def _told(event: Event) -> Mapping[str, object]:
    return dict(event.attributes or {})
