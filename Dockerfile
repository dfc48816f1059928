# The model server, from a wheelhouse: nothing is asked of any network. `make wheels` fills wheels/, `docker build .` builds this.
# It holds no model: `tremplin image` puts the releases that are live on top of it, without Docker.
ARG BASE=python:3.11-slim-bookworm

FROM ${BASE} AS build
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_ROOT_USER_ACTION=ignore
RUN python -m venv --without-pip /opt/tremplin
# serving-bare.txt: what is installed for a library that it holds, without what its own Python needs.
COPY locks/serving.txt locks/serving-bare.txt /build/
# All wheels but the project's own (tremplin-*.whl), so that a change of code does not install the rest again.
COPY wheels/[^t]*.whl wheels/t[^r]*.whl /build/wheels/
# What a server never opens goes: tests, types, what compilers read, other databases, ONNX Runtime's library for programs in C.
RUN pip --python /opt/tremplin/bin/python install --quiet --no-index --no-compile --find-links /build/wheels --no-deps --require-hashes -r /build/serving.txt -r /build/serving-bare.txt \
 && cd /opt/tremplin/lib/python3.11/site-packages \
 && rm -rf onnxruntime/capi/libonnxruntime.so.* onnxruntime/datasets onnxruntime/quantization onnxruntime/tools onnxruntime/transformers numpy/distutils numpy/f2py sqlalchemy/testing sqlalchemy/dialects/mssql sqlalchemy/dialects/mysql sqlalchemy/dialects/oracle \
 && find . -regex '.*[.]\(pyi\|pyx\|pxd\|h\|c\|a\)' -delete \
 && find . -path '*/tests/*' \( -name 'test_*' -o -name data \) -prune -exec rm -rf {} +
COPY wheels/tremplin-*.whl /build/project/
# Bytecode of what the server imports, and of nothing else.
RUN pip install --quiet --no-index --no-compile --no-deps --target /build/site /build/project/tremplin-*.whl \
 && rm -rf /build/site/bin \
 && PYTHONPATH=/build/site PYTHONDONTWRITEBYTECODE=1 /opt/tremplin/bin/python -c "import serving.__main__, psycopg, sqlalchemy.dialects.postgresql.psycopg, sqlalchemy.dialects.sqlite, sys; print(*sorted({getattr(m, '__file__', None) or '' for m in list(sys.modules.values())}), sep='\\n')" | grep '[.]py$' >/build/imported \
 && grep '^/opt/' /build/imported | python -m compileall -q --invalidation-mode unchecked-hash -i - \
 && grep '^/build/site/' /build/imported | python -m compileall -q --invalidation-mode unchecked-hash -s /build/site -p /opt/tremplin/lib/python3.11/site-packages -i -
# What is written to lies under folders that any user may write to: OpenShift and others run it as a user of their own choice.
RUN install -d -m 1777 /build/folders/state && install -d -m 0755 /build/folders/releases

FROM ${BASE} AS serving
# OpenMP, which LightGBM's library loads and slim images lack; a path that the loader looks into by itself.
COPY wheels/libgomp.so.1 /usr/lib/x86_64-linux-gnu/
COPY --from=build /build/folders /
COPY --from=build /opt/tremplin /opt/tremplin
COPY --from=build /build/site /opt/tremplin/lib/python3.11/site-packages
COPY wheels/sbom.cdx.json /opt/tremplin/
# ONNX Runtime 1.29 and later report home from Linux unless ORT_DISABLE_TELEMETRY is set before it is imported.
ENV PATH=/opt/tremplin/bin:$PATH \
    HOME=/state \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    ORT_DISABLE_TELEMETRY=1 \
    TREMPLIN_HOME=/state \
    TREMPLIN_RELEASES=/releases \
    TREMPLIN_RELEASE_PUBLIC_KEY=/releases/release.pub \
    TREMPLIN_STORE_URL=sqlite:////state/store.db \
    TREMPLIN_HOST=0.0.0.0 \
    TREMPLIN_PORT=8000
# Numeric, so that Kubernetes can see that it is not root; any other does as well. All that it writes is in /state and /tmp.
USER 10001:10001
WORKDIR /state
EXPOSE 8000
CMD ["python", "-m", "serving"]
# The commit, for who wants it on the label; the image is the same without.
ARG REVISION=""
ENV TREMPLIN_COMMIT=${REVISION}
LABEL org.opencontainers.image.title="tremplin-serving" \
      org.opencontainers.image.description="Model server of Tremplin, without a model" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.revision="${REVISION}" \
      io.tremplin.sbom="/opt/tremplin/sbom.cdx.json"
