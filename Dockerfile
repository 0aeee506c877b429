# genrec serve in a container; deploy/compose.yaml runs two of them behind nginx, with PostgreSQL.
#   docker build -t genrec .
#   docker build -t genrec --build-arg TORCH_INDEX=URL .    the CPU index named on pytorch.org: a smaller torch
# It holds what serving with the tree search needs, at the versions of the lock: no vLLM, no TRL, no tests.

FROM python:3.11-slim-bookworm AS build
ARG TORCH_INDEX=""
WORKDIR /src
RUN python -m venv /opt/genrec
ENV PATH=/opt/genrec/bin:$PATH PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
# torch first and alone, so that a change of genrec does not fetch it again.
COPY requirements/cpu.txt requirements/
RUN pip install -c requirements/cpu.txt torch ${TORCH_INDEX:+--extra-index-url "$TORCH_INDEX"}
COPY pyproject.toml README.md LICENSE ./
COPY genrec genrec
COPY tokenizers tokenizers
COPY alignment alignment
COPY eval eval
RUN pip install -c requirements/cpu.txt ".[postgres,redis]" fastapi prometheus-client uvicorn

FROM python:3.11-slim-bookworm
RUN useradd --system --uid 10001 --no-create-home genrec
COPY --from=build /opt/genrec /opt/genrec
# Nothing is written but below /tmp, so the file system and the run may be mounted read-only.
ENV PATH=/opt/genrec/bin:$PATH HOME=/tmp HF_HUB_OFFLINE=1 PYTHONDONTWRITEBYTECODE=1
USER 10001
EXPOSE 8000
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=3s --start-period=120s \
    CMD ["python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:8000/readyz', timeout=2)"]
ENTRYPOINT ["genrec"]
# Within a container only its published ports are reached; the run is to be mounted at /run/genrec.
CMD ["serve", "--run", "/run/genrec", "serve.host=0.0.0.0", "serve.histories=env:GENREC_HISTORIES"]
