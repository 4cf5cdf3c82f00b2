# The issuer as an image. Where no settings are given it keeps everything in an SQLite file under /data.
FROM python:3.11-slim AS build
# --no-deps: the lock is whole, see the Makefile.
RUN python -m venv /opt/event-issuer
COPY requirements.txt /src/
RUN /opt/event-issuer/bin/python -m pip install --no-cache-dir --require-hashes --no-deps --requirement /src/requirements.txt
COPY pyproject.toml README.md LICENSE /src/
COPY event_issuer /src/event_issuer
RUN /opt/event-issuer/bin/python -m pip install --no-cache-dir --no-deps --no-build-isolation /src

FROM python:3.11-slim
RUN useradd --system --uid 10001 issuer && install --directory --owner=issuer --mode=0700 /data
COPY --from=build /opt/event-issuer /opt/event-issuer
ENV PATH=/opt/event-issuer/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    EVENT_ISSUER_HOST=0.0.0.0 \
    EVENT_ISSUER_DATABASE_URL=sqlite:////data/event-issuer.db
USER issuer
WORKDIR /data
VOLUME /data
EXPOSE 8000
# For `serve` and `api`; `deliver` answers on HEALTH_PORT.
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s \
    CMD ["python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:8000/healthz', timeout=4)"]
STOPSIGNAL SIGTERM
ENTRYPOINT ["event-issuer"]
CMD ["serve"]
