# pse-repro for a machine with or without a GPU:
#   docker build -t pse-repro .
#   docker run --rm --gpus all --user "$(id -u):$(id -g)" -v "$PWD/data:/data" -v "$PWD/runs:/runs" pse-repro full
#
# The base is a slim Python image: PyTorch's wheels contain the CUDA libraries, the host provides the driver. There is no
# target without CUDA: the only build of PyTorch for Linux on the Python Package Index is linked against its libraries.
ARG BASE_IMAGE=python:3.12-slim-bookworm

FROM ${BASE_IMAGE} AS wheel
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1 PIP_ROOT_USER_ACTION=ignore
WORKDIR /source
COPY requirements/build.lock requirements/
RUN pip install --require-hashes -r requirements/build.lock
COPY LICENSE README.md pyproject.toml ./
COPY pse_repro pse_repro
RUN pip wheel --no-deps --no-build-isolation --wheel-dir /wheel .

FROM ${BASE_IMAGE} AS runtime
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1 PIP_ROOT_USER_ACTION=ignore
# Dependencies first: these 6.1 GB change only with the lock file. pip compiles packages to bytecode as it installs them.
COPY requirements/run.lock /opt/
RUN python3 -m venv --without-pip /opt/venv \
 && pip --python /opt/venv/bin/python install --require-hashes -r /opt/run.lock

# Any user may write to the volumes, as to /tmp: the user given by --user is unknown to the image.
ARG UID=10001
RUN useradd --uid ${UID} --user-group --no-create-home --home-dir /tmp --shell /usr/sbin/nologin pse \
 && install -d -m 1777 -o pse -g pse /data /runs
VOLUME ["/data", "/runs"]
# Relative to /, the default run folder (runs/STUDY) is in the volume /runs. PSE_REPRO_OUT is not set because it names the
# folder of a single run: all studies would share it.
WORKDIR /
# Caches are in /tmp: with --read-only, add --tmpfs /tmp. PyTorch creates its inductor cache on import and fails if it
# cannot; /tmp exists, so that the doctor still starts and can report a read-only folder.
ENV PATH=/opt/venv/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    HOME=/tmp \
    XDG_CACHE_HOME=/tmp/cache \
    MPLCONFIGDIR=/tmp/cache/matplotlib \
    TORCH_HOME=/tmp/cache/torch \
    TORCHINDUCTOR_CACHE_DIR=/tmp \
    NVIDIA_VISIBLE_DEVICES=all \
    NVIDIA_DRIVER_CAPABILITIES=compute,utility \
    PSE_REPRO_DATA_HOME=/data

RUN --mount=type=bind,from=wheel,source=/wheel,target=/wheel \
    pip --python /opt/venv/bin/python install --no-deps --no-index /wheel/*.whl

ARG VERSION=unknown
ARG REVISION=unknown
ARG SOURCE=unknown
LABEL org.opencontainers.image.title="pse-repro" \
      org.opencontainers.image.description="Reproduces a study of Proximal Sensitive Error (PSE) on STL-10" \
      org.opencontainers.image.licenses="MIT" \
      org.opencontainers.image.source="${SOURCE}" \
      org.opencontainers.image.revision="${REVISION}" \
      org.opencontainers.image.version="${VERSION}"

USER ${UID}:${UID}
# SIGTERM, like Ctrl-C, ends a run with status 130; the same command resumes it.
STOPSIGNAL SIGTERM
ENTRYPOINT ["pse-repro"]
CMD ["--help"]
