# The worker, the archiver and the command `slidr`; no trainer, no embedded servers. `docker build -t slidr .`
FROM python:3.11-slim

WORKDIR /opt/slidr
COPY requirements-uv.txt ./
RUN pip install --no-cache-dir --require-hashes --no-deps -r requirements-uv.txt
COPY . ./
# The locked file holds every extra: here it only says which versions to take.
RUN uv pip install --system --no-cache --constraint requirements.txt ".[worker]"

RUN useradd --uid 1000 slidr && mkdir -p /var/lib/slidr/archive && chown slidr /var/lib/slidr/archive
USER slidr
WORKDIR /home/slidr
ENTRYPOINT ["slidr"]
CMD ["worker"]
