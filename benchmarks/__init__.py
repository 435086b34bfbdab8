"""What sessions cost here and elsewhere, measured side by side: ``python -m benchmarks``.

    contestants/    this store, the floors and the peers, each behind the same verbs
    child           the program that a contestant runs in
    player          a running child: asks it and waits for the answer
    environments    the virtual environment of each peer, made on demand
    material        the messages that everybody stores
    plan            how much a run does
    contest         who does what in which order
    durability      what one turn asks of the system, by strace
    imports         what an import costs
    machine         where all this was measured
    results         the figures, and what is made of them; written as JSON
    aims            what this store has to reach, and whether it does
    report, plot    results -> docs/benchmarks.md and its pictures, pure

``watching`` and ``idle`` are programs of their own: what they measure has no peers.
"""
