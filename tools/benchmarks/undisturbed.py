"""Leaves out what was measured while this machine's processors were not its
own: where the host gives them to others, or their speed changes because of
what others do beside it, a figure says how busy the host was."""

STOLEN = 0.01  # of all processor time, at most
DRIFT = 0.1    # of the speed, from before to after, at most


def stolen_share(before, after):
    """Of the time between two readings of /proc/stat."""
    def times(text):
        # user nice system idle iowait irq softirq steal (proc(5))
        return [int(field) for field in text.split('\n', 1)[0].split()[1:9]]
    spent = [b - a for a, b in zip(times(before), times(after))]
    return spent[7] / max(1, sum(spent))


def read_stat():
    with open('/proc/stat', encoding='ascii') as f:
        return f.read()


def windows(speed, measure, wanted, most, stat=read_stat):
    """What measure(speed) gave in `wanted` undisturbed windows; in all there
    were; and how many were disturbed. speed() is what the machine does just
    before and just after each. After `most` in all, those that were disturbed
    least make up for what is missing. What is slow by itself changes the speed
    too: show what all of them gave beside it."""
    seen = []  # (how disturbed, result)
    now = speed()
    while len(seen) < most and sum(one <= 1 for one, _ in seen) < wanted:
        before = stat()
        result = measure(now)
        stolen = stolen_share(before, stat())
        now, then = speed(), now
        seen.append((max(stolen / STOLEN, abs(now / then - 1) / DRIFT), result))
    best = sorted(seen, key=lambda one: one[0])[:wanted]
    return [result for _, result in best], [result for _, result in seen], sum(one > 1 for one, _ in seen)
