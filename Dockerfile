# In a checkout: docker build --tag wuzapi-manager .
# The versions of what is installed are those of requirements.lock.
FROM python:3.11-slim AS build
WORKDIR /build
COPY pyproject.toml requirements.lock README.md LICENSE ./
COPY server server
COPY generated generated
COPY clients/python clients/python
RUN sed -e '/--hash=/d' -e 's/ *\\$//' requirements.lock > versions.txt \
    && python -m venv /opt/wuzapi-manager \
    && /opt/wuzapi-manager/bin/pip install --no-cache-dir --constraint versions.txt '.[server]'

FROM python:3.11-slim
COPY --from=build /opt/wuzapi-manager /opt/wuzapi-manager
RUN install --directory --owner=10001 --group=10001 --mode=0700 /data
ENV PATH=/opt/wuzapi-manager/bin:$PATH SQLITE_DB_PATH=/data/wuzapi.db
USER 10001:10001
WORKDIR /data
VOLUME /data
ENTRYPOINT ["wuzapi-manager"]
CMD ["serve"]
