# tcdflow on CPUs: docker build -t tcdflow . && docker run --rm -v "$PWD/outputs:/runs/outputs" tcdflow experiment=quickstart
FROM python:3.11-slim

# What constraints.txt pins, first and alone, so that a change of the code does not install it again. On an index that
# offers no CPU build, torch brings CUDA's libraries along; PIP_EXTRA_INDEX_URL can name one that does.
ARG PIP_EXTRA_INDEX_URL
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
WORKDIR /src
COPY constraints.txt ./
RUN pip install -c constraints.txt torch diffusers transformers peft accelerate

COPY pyproject.toml README.md LICENSE NOTICE ./
COPY tcdflow tcdflow
COPY conf conf
RUN pip install -c constraints.txt '.[ray,sweepers]'

RUN useradd --create-home --uid 1000 tcdflow && mkdir -p /runs/outputs /cache && chown -R tcdflow /runs /cache
USER tcdflow
ENV HF_HOME=/cache/huggingface TCDFLOW_CACHE=/cache/tcdflow
WORKDIR /runs
VOLUME /cache
ENTRYPOINT ["tcdflow"]
