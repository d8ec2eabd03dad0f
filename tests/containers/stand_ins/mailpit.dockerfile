# Stands in for Mailpit: the same two ports and the paths that are asked for here.
ARG PYTHON
FROM ${PYTHON}
COPY mailpit.py /mailpit.py
COPY mailpit.sh /mailpit
ENTRYPOINT ["/mailpit"]
