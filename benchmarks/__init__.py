"""What sessions cost here and elsewhere, measured side by side: ``python -m benchmarks``.

    contestants/    this store, the floors and the peers, each behind the same verbs
    child           the program that a contestant runs in
    player          a running child: sends requests and waits for the answers
    environments    the virtual environment of each peer, created on demand
    material        the messages that every contestant stores
    plan            how much a run does
    contest         which contestant does what, in which order
    durability      what one turn asks of the system, by strace
    imports         what an import costs
    machine         where all this is measured
    results         the figures, and what is computed from them; written as JSON
    aims            what this store has to reach, and whether it does
    report, plot    results -> docs/benchmarks.md and its pictures, pure

``watching``, ``idle``, ``redaction`` and ``transcripts`` are separate programs: what they measure
has no peers.
"""
