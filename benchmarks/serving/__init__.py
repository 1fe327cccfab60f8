"""What a request costs on its way through the gateway, measured beside references in the same minutes.

    python -m benchmarks.serving [--cases json-8k,sse-200] [--rounds 3] [--seconds 3] [--plots docs/plots]

Vendor, references, gateway and load are processes of their own; the one measured has a core to itself where
the machine has two. The figure is CPU per request of the measured process, kernel included, read from the
process table: on a shared machine it varies far less than requests per second do. Every round visits every
target, and a ratio is the median of the rounds' own ratios.
"""
