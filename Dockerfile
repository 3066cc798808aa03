# The image of a server: built and tested in a first stage; the program and the demo model on a
# plain Debian in the second.
#
#   docker build -t hadal .
#   docker run --read-only -p 127.0.0.1:8080:8080 hadal
#   docker run --read-only -p 127.0.0.1:8080:8080 -v /srv/models:/models:ro \
#     -e HADAL_MODEL=/models/NAME hadal
#   docker run -v /srv/models:/models:ro hadal inspect --model /models/NAME
#
# Where no registry can be reached, `make image` makes the two base images itself.

ARG SWIFT_IMAGE=swift:6.3-bookworm
ARG BASE_IMAGE=debian:12-slim

FROM ${SWIFT_IMAGE} AS build
WORKDIR /src
# Before the sources, so that a change of these does not install again.
COPY deploy/setup.sh deploy/setup.sh
RUN deploy/setup.sh tests
COPY . .
# --build-arg TESTS=no builds an image whose sources were tested elsewhere.
ARG TESTS=yes
RUN if [ "$TESTS" = yes ]; then make test; fi
RUN swift build -c release --product hadal --static-swift-stdlib \
  && strip -o /hadal "$(swift build -c release --show-bin-path)/hadal"

FROM ${BASE_IMAGE}
LABEL org.opencontainers.image.title="Hadal" \
  org.opencontainers.image.description="Inference server for DeepSeek-V3-family models on CPUs" \
  org.opencontainers.image.licenses="Apache-2.0"
# What the program links besides the C library (see `ldd`).
RUN apt-get update -qq \
  && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends \
    libpcre2-8-0 libssl3 libstdc++6 libxxhash0 zlib1g \
  && rm -rf /var/lib/apt/lists/* /var/cache/apt/* /var/log/*
# The program finds the demo model in a folder above its own.
COPY --from=build /hadal /opt/hadal/bin/hadal
COPY deploy/container/health.sh /opt/hadal/bin/health
COPY Models/demo /opt/hadal/Models/demo
COPY Config/container.yaml /etc/hadal/hadal.yaml
ENV HADAL_CONFIG=/etc/hadal/hadal.yaml
# A number, so that Kubernetes can tell that it is not root's; nothing has to belong to it.
USER 65532:65532
EXPOSE 8080 8081
STOPSIGNAL SIGTERM
# A large model takes minutes to pack.
HEALTHCHECK --interval=10s --timeout=5s --start-period=10m --retries=3 \
  CMD ["/opt/hadal/bin/health"]
ENTRYPOINT ["/opt/hadal/bin/hadal"]
CMD ["serve"]
