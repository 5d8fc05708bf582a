# The standalone server. Build it from a clone:
#
#   docker build -t streamkit .
#   docker run --init -e STREAMKIT_INSECURE=true -p 127.0.0.1:8080:8080 -v streamkit-data:/var/lib/streamkit streamkit
#
# STREAMKIT_INSECURE=true lets every caller in: publish the port to this machine only, or set up authentication instead.
ARG NODE=24

FROM node:${NODE}-slim AS build
WORKDIR /src
COPY . .
# With optional packages: --build-arg EXTRAS="@azure/data-tables ioredis"
ARG EXTRAS=""
# npm ci fails on an optional package of Vite that the registry lacks. npm install follows the lock file too.
RUN npm install --no-audit --no-fund && npm run install-server -- /opt/streamkit ${EXTRAS} && rm -r /opt/streamkit/packs

FROM node:${NODE}-slim
RUN install -d -o node -g node -m 0700 /var/lib/streamkit
COPY --from=build /opt/streamkit /opt/streamkit
COPY deploy/healthcheck.mjs /opt/streamkit/
USER node
VOLUME /var/lib/streamkit
ENV NODE_ENV=production STREAMKIT_HOST=0.0.0.0 STREAMKIT_PATH=/var/lib/streamkit
EXPOSE 8080
HEALTHCHECK --interval=10s --timeout=3s --start-period=10s \
  CMD ["node", "/opt/streamkit/healthcheck.mjs"]
ENTRYPOINT ["node", "--initial-old-space-size=128", "/opt/streamkit/node_modules/@streamkit/server/dist/bin.js"]
