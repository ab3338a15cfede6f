# One image for edge, worker and the stand-in agent; the command tells which.
FROM python:3.13-slim

WORKDIR /app
COPY requirements.txt .
RUN pip install --no-cache-dir --disable-pip-version-check -r requirements.txt

COPY shared shared
COPY edge edge
COPY worker worker
COPY replay replay
COPY sim sim
COPY agents agents
COPY examples examples

RUN mkdir /archive && chown 10001:10001 /archive

ENV PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1
USER 10001:10001
EXPOSE 5000
STOPSIGNAL SIGTERM
CMD ["python", "-m", "edge"]
