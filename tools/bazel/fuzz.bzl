"""One fuzz source, built two ways."""

load("@rules_cc//cc:defs.bzl", "cc_test")
load("//tools/bazel:precompiled.bzl", "PRECOMPILED_COPTS", "PRECOMPILED_DEPS")

def sallyport_fuzz_test(name, srcs, corpus, deps = None, **kwargs):
    """Plain: replays the corpus as a test. With --config=fuzz: libFuzzer, ASan.

    Args:
      name: the target; with --config=fuzz `bazel run` of it fuzzes.
      srcs: defines LLVMFuzzerTestOneInput.
      corpus: files, each one input.
      deps: as of a cc_test.
      **kwargs: passed on.
    """
    cc_test(
        name = name,
        size = "small",
        srcs = srcs,
        args = ["$(locations %s)" % f for f in corpus],
        copts = ["-Wall", "-Wextra", "-Werror", "-fvisibility=hidden"] + PRECOMPILED_COPTS,
        data = corpus,
        features = ["layering_check"],
        linkopts = select({
            "//tools/bazel:fuzz": ["-fsanitize=fuzzer"],
            "//conditions:default": [],
        }),
        tags = ["fuzz_regression"],
        deps = (deps or []) + select({
            "//tools/bazel:fuzz": [],
            "//conditions:default": ["//tools/bazel:fuzz_replay"],
        }) + PRECOMPILED_DEPS,
        **kwargs
    )
