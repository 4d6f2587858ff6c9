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
    spread: Optional[float] = None  # (largest - smallest) / median of the passes
    passes: int = 0
    why: str = ''  # what kept a value from being there

    @property
    def ratio(self):
        """How many times as good as the peer; above 1 is better than it."""
        if not self.value or not self.peer_value:
            return None
        if self.row.less_is_better:
            return self.peer_value / self.value
        return self.value / self.peer_value

    @property
    def met(self):
        return self.row.goal.met(self.value, self.ratio) if self.row.goal else None


def summarise(row, samples, failures):
    """`samples`: {source: [values by key, one dict a pass]}; `failures`:
    {source: why}."""

    def series(source, key):
        return [values[key] * row.scale for values in samples.get(source, []) if key in values]

    own = series(row.source, row.key)
    why = failures.get(row.source, '')
    if not own and not why:
        why = f'the program gave no {row.key}'
    peers = []
    if row.peer:
        peers = series(row.peer.source, row.peer.key)
        if not peers and not why:
            why = f'{row.peer.name}: ' + failures.get(row.peer.source, f'no {row.peer.key}')
    median = statistics.median(own) if own else None
    return Result(row=row, value=median,
                  peer_value=statistics.median(peers) if peers else None,
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
