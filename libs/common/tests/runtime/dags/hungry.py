"""A DAG file that takes all memory that it gets."""

hoard = []
while True:
    hoard.append(bytearray(10_000_000))
