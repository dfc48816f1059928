# The model server, from a wheelhouse: no package index is asked. `make wheels` fills wheels/, `make image` builds this.
#   serving    the server without a model        docker build --target serving .
#   released   the same, with releases/ baked in as one layer (the default)
# Debian's libgomp1 (OpenMP, which LightGBM loads and slim images lack) is the only network step.
ARG BASE=python:3.11-slim-bookworm

FROM ${BASE} AS build
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_ROOT_USER_ACTION=ignore
RUN python -m venv --without-pip /opt/tremplin
# serving-bare.txt: what is installed for a library that it holds, without what its own Python needs.
COPY locks/serving.txt locks/serving-bare.txt /build/
# All wheels but the project's own (tremplin-*.whl), so that a change of code does not install the rest again.
COPY wheels/[^t]*.whl wheels/t[^r]*.whl /build/wheels/
RUN pip --python /opt/tremplin/bin/python install --quiet --no-index --no-compile --find-links /build/wheels --no-deps --require-hashes -r /build/serving.txt -r /build/serving-bare.txt \
 && /opt/tremplin/bin/python -m compileall -q -j 0 --invalidation-mode unchecked-hash /opt/tremplin/lib
COPY wheels/tremplin-*.whl /build/project/
RUN pip install --quiet --no-index --no-compile --no-deps --target /build/site /build/project/tremplin-*.whl \
 && rm -rf /build/site/bin \
 && python -m compileall -q --invalidation-mode unchecked-hash -s /build/site -p /opt/tremplin/lib/python3.11/site-packages /build/site

FROM ${BASE} AS serving
# Debian keeps no old versions: a pinned one would stop building at the next security update.
# hadolint ignore=DL3008
RUN apt-get update \
 && DEBIAN_FRONTEND=noninteractive apt-get install --yes --no-install-recommends libgomp1 \
 && rm -rf /var/lib/apt/lists/* /var/cache/apt/* /var/log/apt /var/log/dpkg.log \
 && install -d -o 10001 -g 10001 /state \
 && install -d /releases
COPY --from=build /opt/tremplin /opt/tremplin
COPY --from=build /build/site /opt/tremplin/lib/python3.11/site-packages
# ONNX Runtime 1.29 and later report home from Linux unless ORT_DISABLE_TELEMETRY is set before it is imported.
ENV PATH=/opt/tremplin/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    ORT_DISABLE_TELEMETRY=1 \
    TREMPLIN_HOME=/state \
    TREMPLIN_RELEASES=/releases \
    TREMPLIN_RELEASE_PUBLIC_KEY=/releases/release.pub \
    TREMPLIN_STORE_URL=sqlite:////state/store.db \
    TREMPLIN_HOST=0.0.0.0 \
    TREMPLIN_PORT=8000
# Numeric, so that Kubernetes can see that it is not root. All that it writes is in /state and /tmp.
USER 10001:10001
WORKDIR /state
EXPOSE 8000
CMD ["python", "-m", "serving"]
ARG REVISION=""
ENV TREMPLIN_COMMIT=${REVISION}
LABEL org.opencontainers.image.title="tremplin-serving" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.revision="${REVISION}"

FROM serving AS released
# <id>/ directories, release.pub and live.json (which release an empty store begins with).
ARG PILOT=flights
ENV TREMPLIN_PILOT=${PILOT}
COPY releases/ /releases/
