"""A broker that is ready for jobs."""

from urllib.parse import urlsplit

from taskiq import AsyncBroker

from legitmark_async.errors import ConfigurationError
from legitmark_async.options import checked_count

_NAME = "legitmark"
_SCHEMES = ("amqp", "amqps")


def rabbitmq_broker(url: str, *, chunks: int = 4) -> AsyncBroker:
    """Return a broker over RabbitMQ, with a durable queue called `legitmark` for chunks and nothing else.

    Args:
        url: Of the server: `amqp://`, or `amqps://` for TLS.
        chunks: How many a worker process is given at once. All that it has are done again by others if it dies.

    Raises:
        ConfigurationError: The URL is neither, or `taskiq-aio-pika` isn't installed.
    """
    if urlsplit(url).scheme not in _SCHEMES:
        # It may hold a password: so it isn't repeated.
        raise ConfigurationError("the URL of RabbitMQ must begin with amqp:// or amqps://", problems=["url"])
    try:
        from taskiq_aio_pika import AioPikaBroker, Exchange, Queue  # noqa: PLC0415  # other brokers don't need it
    except ImportError as error:
        raise ConfigurationError(
            "a broker over RabbitMQ needs taskiq-aio-pika: python -m pip install 'legitmark-async[distributed]'",
            problems=["url"],
        ) from error
    return AioPikaBroker(
        url,
        qos=checked_count("chunks", chunks),
        exchange=Exchange(name=_NAME),
        task_queues=[Queue(name=_NAME)],
        dead_letter_queue=Queue(name=f"{_NAME}.dead"),
    )
