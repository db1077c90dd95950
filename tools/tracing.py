"""Traces: spans go where the standard OTEL_* variables say, and nowhere without them."""

from __future__ import annotations

import logging
import os
from importlib import import_module
from typing import Any

from opentelemetry import trace

LOG = logging.getLogger("pillion.tracing")
TRACER = trace.get_tracer("pillion")
"""Costs next to nothing while no exporter is set up."""
WHERE = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")


def set_up_tracing(name: str) -> None:
    """Export the spans of this process over OTLP/HTTP, as service `name`, when that is asked for.

    All else follows the OpenTelemetry variables: headers, sampling, resource, batches.
    """
    if not _asked_for():
        return
    try:
        sdk: Any = import_module("opentelemetry.sdk.trace")
        batches: Any = import_module("opentelemetry.sdk.trace.export")
        resources: Any = import_module("opentelemetry.sdk.resources")
        otlp: Any = import_module("opentelemetry.exporter.otlp.proto.http.trace_exporter")
    except ModuleNotFoundError as exc:
        LOG.warning("OTEL_* asks for traces; install `pillion[otel]` to have them: %s", exc)
        return
    found = resources.Resource.create()
    if str(found.attributes["service.name"]).startswith("unknown_service"):
        found = found.merge(resources.Resource({"service.name": name}))
    provider = sdk.TracerProvider(resource=found)
    provider.add_span_processor(batches.BatchSpanProcessor(otlp.OTLPSpanExporter()))
    trace.set_tracer_provider(provider)


def _asked_for() -> bool:
    off = os.environ.get("OTEL_SDK_DISABLED", "").lower() == "true"
    exporter = os.environ.get("OTEL_TRACES_EXPORTER", "otlp")
    return not off and exporter == "otlp" and any(os.environ.get(name) for name in WHERE)
