"""Gate `includes`: what a file names of the standard library and of Abseil comes
from a header that it includes, itself or through ours. clang reads many of
those headers before every file (tools/bazel/precompiled.bzl), so it does not
notice; what is shipped is compiled without them.
"""

import functools
import os
import re

# Header: what of std:: it is included for.
STANDARD = {
    'algorithm': 'adjacent_find all_of any_of binary_search clamp copy copy_n count count_if equal fill fill_n find '
                 'find_if find_if_not for_each generate includes is_sorted lexicographical_compare lower_bound max '
                 'max_element min min_element minmax mismatch move_backward none_of nth_element partial_sort partition '
                 'remove_if replace reverse rotate search set_difference shuffle sort stable_sort swap_ranges transform '
                 'unique upper_bound',
    'array': 'array to_array',
    'atomic': 'atomic atomic_flag atomic_thread_fence memory_order_acquire memory_order_relaxed memory_order_release',
    'bit': 'bit_cast bit_width countl_zero countr_zero has_single_bit popcount rotl',
    'bitset': 'bitset',
    'chrono': 'chrono',
    'cmath': 'ceil fabs floor isnan llround log lround pow sqrt',
    'compare': 'strong_ordering weak_ordering',
    'condition_variable': 'condition_variable',
    'cstdio': 'FILE fprintf printf rename snprintf',
    'cstdlib': 'abort exit getenv system',
    'cstring': 'memchr memcmp memcpy memmove memset strcmp strerror strlen',
    'deque': 'deque',
    'exception': 'exception',
    'fstream': 'ifstream ofstream',
    'functional': 'bind cref equal_to function greater less ref reference_wrapper',
    'initializer_list': 'initializer_list',
    'iterator': 'advance back_inserter distance inserter istreambuf_iterator make_move_iterator next prev',
    'limits': 'numeric_limits',
    'list': 'list',
    'map': 'map multimap',
    'memory': 'addressof enable_shared_from_this make_shared make_unique shared_ptr unique_ptr weak_ptr',
    'mutex': 'lock_guard mutex unique_lock',
    'numeric': 'accumulate iota',
    'optional': 'make_optional nullopt nullopt_t optional',
    'ostream': 'ostream',
    'queue': 'priority_queue queue',
    'random': 'mt19937 mt19937_64 random_device uniform_int_distribution',
    'set': 'multiset set',
    'span': 'span',
    'sstream': 'istringstream ostringstream stringstream',
    'stdexcept': 'runtime_error',
    'string': 'getline stoi stoul string to_string',
    'string_view': 'string_view',
    'thread': 'this_thread thread',
    'tuple': 'apply forward_as_tuple make_tuple tie tuple',
    'type_traits': 'conditional_t decay_t enable_if_t is_base_of_v is_enum_v is_integral_v is_same_v '
                   'is_trivially_copyable_v remove_cvref_t underlying_type_t',
    'unordered_map': 'unordered_map',
    'unordered_set': 'unordered_set',
    'utility': 'as_const declval exchange forward in_place in_place_type index_sequence make_pair move pair swap',
    'variant': 'get_if holds_alternative monostate variant visit',
    'vector': 'vector',
}
HEADER_OF = {name: header for header, names in STANDARD.items() for name in names.split()}

OTHERS = [(re.compile(pattern), header) for pattern, header in (
    (r'(?<!\w)u?int(8|16|32|64)_t\b', 'cstdint'),
    (r'absl::StatusOr\b', 'absl/status/statusor.h'),
    (r'absl::(Status\b|StatusCode\b|OkStatus\b|\w+Error\()', 'absl/status/status.h'),
    (r'absl::(StrCat|StrAppend|Hex)\b', 'absl/strings/str_cat.h'),
    (r'absl::(StrSplit|SkipEmpty|ByChar|MaxSplits)\b', 'absl/strings/str_split.h'),
    (r'absl::(Mutex|MutexLock|CondVar|Condition|ReaderMutexLock)\b', 'absl/synchronization/mutex.h'),
    (r'absl::(Time|Duration|(Milli|Micro|Nano)?[sS]econds|Minutes|Hours|ZeroDuration|Infinite\w+|UnixEpoch|FromUnix\w+'
     r'|ToUnix\w+|ToDouble\w+|ToInt64\w+|FormatTime|UTCTimeZone)\b', 'absl/time/time.h'),
    (r'absl::(Span|MakeSpan|MakeConstSpan)\b', 'absl/types/span.h'),
    (r'absl::flat_hash_map\b', 'absl/container/flat_hash_map.h'),
    (r'absl::flat_hash_set\b', 'absl/container/flat_hash_set.h'),
    (r'\bABSL_(GUARDED_BY|EXCLUSIVE_LOCKS\w*|NO_THREAD_SAFETY\w*|LOCKS_EXCLUDED)\b', 'absl/base/thread_annotations.h'),
)]
# The C headers that declare the same.
SAME = {'cstdint': {'stdint.h', 'linux/types.h', 'linux/bpf.h'}}

INCLUDE = re.compile(r'^#\s*include\s+(?:<([^>]+)>|"([^"]+)")', re.MULTILINE)
STD = re.compile(r'\bstd::(\w+)')


def code_of(text):
    """Without comments and literals."""
    text = re.sub(r'R"(\w*)\(.*?\)\1"', '""', text, flags=re.DOTALL)
    text = re.sub(r'"(\\.|[^"\\\n])*"', '""', text)
    return re.sub(r'//[^\n]*', '', text)


def needs(text):
    """Header: what the file names of it, and where first."""
    code = code_of(text)
    found = {}
    for match in STD.finditer(code):
        header = HEADER_OF.get(match.group(1))
        if header:
            found.setdefault(header, match)
    for pattern, header in OTHERS:
        match = pattern.search(code)
        if match:
            found.setdefault(header, match)
    return {header: (match.group(0), code.count('\n', 0, match.start()) + 1) for header, match in found.items()}


class Tree:
    """Who includes what, below `root`."""

    def __init__(self, root):
        self.root = root

    @functools.lru_cache(maxsize=None)
    def text(self, rel):
        with open(os.path.join(self.root, rel), encoding='utf-8', errors='replace') as f:
            return f.read()

    @functools.lru_cache(maxsize=None)
    def direct(self, rel):
        return [a or b for a, b in INCLUDE.findall(self.text(rel))]

    def reached(self, rel):
        seen, waiting = set(), [rel]
        while waiting:
            for header in self.direct(waiting.pop()):
                if header in seen:
                    continue
                seen.add(header)
                if os.path.exists(os.path.join(self.root, header)):
                    waiting.append(header)
        return seen


def includes(root, files):
    tree = Tree(root)
    faults = []
    for rel in files:
        reached = None
        for header, (name, line) in sorted(needs(tree.text(rel)).items()):
            reached = tree.reached(rel) if reached is None else reached
            if header not in reached and not SAME.get(header, set()) & reached:
                faults.append(f'{rel}:{line}: {name} without {header}')
    return faults
