# Stands in for the slim image of Python: Debian's libraries and the Python of this machine.
FROM scratch
ADD bookworm.tar /
ADD python.tar /usr/local/
COPY certificates.crt /etc/ssl/certs/ca-certificates.crt
# As in the official image, the standard library has no bytecode.
RUN ldconfig && find /usr/local -name '*.pyc' -delete \
    && find /usr/local -depth -type d '(' -name test -o -name tests -o -name idle_test ')' -exec rm -rf '{}' + \
    && for found in /usr/local/bin/python3.1[0-9]; do \
        ln -sf "$found" /usr/local/bin/python3 && ln -sf "$found" /usr/local/bin/python; done
ENV PATH=/usr/local/bin:/usr/local/sbin:/usr/sbin:/usr/bin:/sbin:/bin LANG=C.UTF-8 \
    PIP_CERT=/etc/ssl/certs/ca-certificates.crt
CMD ["python3"]
