"""One line of the table: what is measured, where it comes from, the goal."""

import dataclasses
import re
from typing import Optional

NAME = re.compile(r'[a-z][a-z0-9_]*(\.[a-z0-9_]+)+')


@dataclasses.dataclass(frozen=True)
class Goal:
    """A bound on the value, or on the ratio to the peer."""
    bound: float
    at_most: bool
    of_ratio: bool = False

    def met(self, value, ratio):
        """True, False, or None if what the goal is about was not measured."""
        measured = ratio if self.of_ratio else value
        if measured is None:
            return None
        return measured <= self.bound if self.at_most else measured >= self.bound

    def __str__(self):
        sign = '<=' if self.at_most else '>='
        return f'{sign} {self.bound:g}' + ('x' if self.of_ratio else '')


def at_most(bound):
    """Less is better, and this much is good enough."""
    return Goal(bound, at_most=True)


def at_least(bound):
    """More is better, and this much is good enough."""
    return Goal(bound, at_most=False)


def times_peer(bound):
    """At least so many times as good as the peer in the same run."""
    return Goal(bound, at_most=False, of_ratio=True)


@dataclasses.dataclass(frozen=True)
class Peer:
    """Somebody else's program, doing the same work in the same run."""
    name: str
    source: object
    key: str


@dataclasses.dataclass(frozen=True)
class Row:
    """`source` is measured once per pass, however many rows it feeds, and
    yields `key`; the row shows the median over the passes, times `scale`."""
    name: str  # suite.what
    what: str  # one line, for --list
    unit: str
    source: object
    key: str
    goal: Optional[Goal] = None
    peer: Optional[Peer] = None
    less_is_better: bool = True
    scale: float = 1.0

    def __post_init__(self):
        if not NAME.fullmatch(self.name):
            raise ValueError(f'{self.name!r} is no name of a row')
        if self.goal is not None and self.goal.of_ratio and self.peer is None:
            raise ValueError(f'{self.name}: a ratio needs a peer')
        if (self.goal is not None and not self.goal.of_ratio and
                self.goal.at_most != self.less_is_better):
            raise ValueError(f'{self.name}: the goal points the other way')

    @property
    def suite(self):
        return self.name.split('.')[0]

    def sources(self):
        return [self.source] + ([self.peer.source] if self.peer else [])
