"""What is told of calls while they are made: log records, and spans and metrics where OpenTelemetry is set up."""

from legitmark_async._telemetry._course import Course
from legitmark_async._telemetry._telemetry import Telemetry

__all__ = ["Course", "Telemetry"]
