"""Medians, ratios, the table and its JSON form."""

import dataclasses
import json
import statistics
from typing import Optional


@dataclasses.dataclass(frozen=True)
class Result:
    row: object
    value: Optional[float] = None
    peer_value: Optional[float] = None
    # How many times as good as the peer, the median of what each pass shows;
    # above 1 is better than it. What slows one pass down slows both.
    ratio: Optional[float] = None
    spread: Optional[float] = None  # (largest - smallest) / median of the passes
    passes: int = 0
    why: str = ''  # what kept a value from being there

    @property
    def met(self):
        return self.row.goal.met(self.value, self.ratio) if self.row.goal else None


def summarise(row, samples, failures):
    """`samples`: {source: [values by key, one dict a pass]}; `failures`:
    {source: why}."""

    def series(source, key):
        return [values[key] * row.scale for values in samples.get(source, []) if key in values]

    def ratio_of(ours, theirs):
        """Of values by key of one pass."""
        value, peer = ours.get(row.key), theirs.get(row.peer.key)
        if not value or not peer:
            return None
        return peer / value if row.less_is_better else value / peer

    own = series(row.source, row.key)
    why = failures.get(row.source, '')
    if not own and not why:
        why = f'the program gave no {row.key}'
    peers, ratios = [], []
    if row.peer:
        peers = series(row.peer.source, row.peer.key)
        if not peers and not why:
            why = f'{row.peer.name}: ' + failures.get(row.peer.source, f'no {row.peer.key}')
        each = zip(samples.get(row.source, []), samples.get(row.peer.source, []))
        ratios = [ratio for ratio in (ratio_of(*pair) for pair in each) if ratio is not None]
    median = statistics.median(own) if own else None
    return Result(row=row, value=median,
                  peer_value=statistics.median(peers) if peers else None,
                  ratio=statistics.median(ratios) if ratios else None,
                  spread=(max(own) - min(own)) / median if own and median else None,
                  passes=len(own), why=why)


def number(value):
    """Four digits that matter."""
    if value is None:
        return '-'
    if value == int(value) and abs(value) < 10000:
        return str(int(value))
    if abs(value) >= 1000:
        return f'{value:,.0f}'.replace(',', ' ')
    return f'{value:.4g}'


def to_json(result):
    row = result.row
    return json.dumps({
        'bench': row.name,
        'value': result.value,
        'unit': row.unit,
        'peer': row.peer.name if row.peer else None,
        'peer_value': result.peer_value,
        'ratio': result.ratio,
        'goal': str(row.goal) if row.goal else None,
        'met': result.met,
        'spread': result.spread,
        'passes': result.passes,
        'why': result.why or None,
    })


HEADINGS = ('bench', 'value', 'unit', 'spread', 'peer', 'peer value', 'ratio', 'goal', 'met')


def cells(result):
    row = result.row
    return (row.name, number(result.value), row.unit,
            '-' if result.spread is None else f'{result.spread:.0%}',
            row.peer.name if row.peer else '-', number(result.peer_value),
            '-' if result.ratio is None else f'{result.ratio:.2f}x',
            str(row.goal) if row.goal else '-',
            {True: 'yes', False: 'NO', None: '-'}[result.met])


RIGHT = {1, 3, 5, 6}  # columns of numbers


def table(results):
    lines = [HEADINGS] + [cells(r) for r in results]
    widths = [max(len(line[i]) for line in lines) for i in range(len(HEADINGS))]
    out = []
    for line in lines:
        out.append('  '.join(c.rjust(w) if i in RIGHT else c.ljust(w)
                             for i, (c, w) in enumerate(zip(line, widths))).rstrip())
    out.extend(f'{r.row.name}: {r.why}' for r in results if r.why)
    return '\n'.join(out) + '\n'


def failed(results):
    """Exit status by what a noisy machine does not spoil: everything was
    measured, and every ratio of one run is reached."""
    return any(r.value is None or (r.row.goal and r.row.goal.of_ratio and r.met is False)
               for r in results)
