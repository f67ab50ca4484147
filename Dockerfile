# The worker, the archiver and the command `slidr`, without embedded servers. `docker build -t slidr --target worker .`
# With torch and what else it takes to train: `docker build -t slidr-trainer --target trainer .`
# With a redis-server, for replays that count features again: `docker build -t slidr-replay-agent --target replay-agent .`
FROM python:3.11-slim AS source

WORKDIR /opt/slidr
COPY requirements-uv.txt ./
RUN pip install --no-cache-dir --require-hashes --no-deps -r requirements-uv.txt
COPY . ./
RUN useradd --uid 1000 slidr && mkdir -p /var/lib/slidr/archive /var/lib/slidr/candidates && chown -R slidr /var/lib/slidr

# The locked file holds every extra: here it only says which versions to take.
FROM source AS trainer
RUN uv pip install --system --no-cache --constraint requirements.txt ".[worker,train]"
USER slidr
WORKDIR /home/slidr
ENTRYPOINT ["slidr"]

FROM source AS program
RUN uv pip install --system --no-cache --constraint requirements.txt ".[worker]"
WORKDIR /home/slidr
ENTRYPOINT ["slidr"]

FROM program AS replay-agent
RUN apt-get update && apt-get install -y --no-install-recommends redis-server && rm -rf /var/lib/apt/lists/*
USER slidr
CMD ["replay-agent"]

FROM program AS worker
USER slidr
CMD ["worker"]
