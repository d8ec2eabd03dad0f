# Stands in for Mailpit: the same two ports and the paths that are asked for here.
ARG PYTHON
FROM ${PYTHON}
COPY mailpit.py /mailpit
RUN chmod +x /mailpit
ENTRYPOINT ["/mailpit"]
