# Stand-ins for the official images, all from the same packages of Debian. `servers` is the file
# tree that tests/containers/images.py makes; the numbers of users are those of the official images.
FROM scratch AS servers
ADD servers.tar /
# The healthcheck of docker-compose.yml calls wget.
RUN userdel caddy && ln -s /usr/bin/busybox /usr/local/bin/wget

FROM servers AS postgres
RUN groupmod --gid 999 postgres && usermod --uid 999 postgres \
    && mkdir -p /var/lib/postgresql/data /var/run/postgresql \
    && chown -R postgres:postgres /var/lib/postgresql /var/run/postgresql \
    && chmod 700 /var/lib/postgresql/data && chmod 3777 /var/run/postgresql
ENV PATH=/usr/lib/postgresql/17/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
    PGDATA=/var/lib/postgresql/data
COPY postgres.sh /usr/local/bin/docker-entrypoint.sh
VOLUME /var/lib/postgresql/data
STOPSIGNAL SIGINT
ENTRYPOINT ["docker-entrypoint.sh"]
CMD ["postgres"]

FROM servers AS rabbitmq
RUN groupmod --gid 999 rabbitmq && usermod --uid 999 rabbitmq \
    && mkdir -p /etc/rabbitmq/conf.d /var/log/rabbitmq \
    && rm -f /etc/rabbitmq/rabbitmq-env.conf \
    && chown -R rabbitmq:rabbitmq /var/lib/rabbitmq /var/log/rabbitmq /etc/rabbitmq
# The commands of Debian's package change the user, which needs rights that a container has not.
ENV PATH=/usr/lib/rabbitmq/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
    HOME=/var/lib/rabbitmq RABBITMQ_LOGS=- LANG=C.UTF-8
COPY rabbitmq.sh /usr/local/bin/docker-entrypoint.sh
VOLUME /var/lib/rabbitmq
ENTRYPOINT ["docker-entrypoint.sh"]
CMD ["rabbitmq-server"]

FROM servers AS redis
RUN groupmod --gid 1000 redis && usermod --uid 999 redis && mkdir -p /data \
    && chown redis:redis /data
COPY redis.sh /usr/local/bin/docker-entrypoint.sh
WORKDIR /data
ENTRYPOINT ["docker-entrypoint.sh"]
CMD ["redis-server"]

FROM servers AS prometheus
RUN mkdir -p /prometheus /bin && chown nobody:nogroup /prometheus
USER 65534:65534
ENTRYPOINT ["/usr/bin/prometheus"]

FROM servers AS caddy
RUN mkdir -p /config /data
ENV XDG_CONFIG_HOME=/config XDG_DATA_HOME=/data
COPY caddy.sh /usr/local/bin/stand-in-caddy
CMD ["stand-in-caddy"]
