# The worker, the archiver and the command `slidr`, without embedded servers. `docker build -t slidr --target worker .`
# With torch and what else it takes to train: `docker build -t slidr-trainer --target trainer .`
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

FROM source AS worker
RUN uv pip install --system --no-cache --constraint requirements.txt ".[worker]"
USER slidr
WORKDIR /home/slidr
ENTRYPOINT ["slidr"]
CMD ["worker"]
