"""Our C++ rules: the ordinary ones with our warnings, features and defaults."""

load("@rules_cc//cc:defs.bzl", "cc_binary", "cc_library", "cc_test")
load("//tools/bazel:precompiled.bzl", "PRECOMPILED_COPTS", "PRECOMPILED_DEPS")
load("//tools/bazel:profile.bzl", "PROFILE_COPTS", "PROFILE_DEPS")

# Everything is an error.
_WARNINGS = [
    "-Wall",
    "-Wextra",
    "-Werror",
    "-Wnon-virtual-dtor",
    "-Woverloaded-virtual",
    "-Wno-missing-field-initializers",
    "-Wno-deprecated-declarations",
]

# Our own symbols are not for export either: one process, one meaning a name.
_COPTS = _WARNINGS + ["-fvisibility=hidden"]

def _grpc_copts(deps):
    """A callback service hides the synchronous methods of its generated base."""
    for dep in deps if type(deps) == "list" else []:
        if dep.endswith("_cc_grpc"):
            return ["-Wno-overloaded-virtual"]
    return []

def _features(features):
    return ["layering_check"] + (features or [])

def sallyport_cc_library(name, copts = None, features = None, deps = None, precompiled = True, **kwargs):
    """A library of ours; private unless its BUILD file says more. Not
    `precompiled` where its copts change the language or the visibility."""
    cc_library(
        name = name,
        copts = _COPTS + _grpc_copts(deps) + (copts or []) + (PRECOMPILED_COPTS if precompiled else []) + PROFILE_COPTS,
        deps = (deps or []) + (PRECOMPILED_DEPS if precompiled else []) + PROFILE_DEPS,
        features = _features(features),
        **kwargs
    )

def sallyport_cc_binary(name, copts = None, features = None, deps = None, **kwargs):
    """A program of ours: BoringSSL's symbols stay inside it."""
    cc_binary(
        name = name,
        copts = _COPTS + _grpc_copts(deps) + (copts or []) + PRECOMPILED_COPTS + PROFILE_COPTS,
        deps = (deps or []) + PRECOMPILED_DEPS + PROFILE_DEPS,
        features = _features(features),
        **kwargs
    )

def sallyport_cc_test(
        name,
        copts = None,
        deps = None,
        features = None,
        size = "small",
        tags = None,
        **kwargs):
    """A GoogleTest. Without a suite tag of its own it belongs to `unit`."""
    tags = tags or []
    if not [t for t in tags if t in SUITES]:
        tags = tags + ["unit"]
    cc_test(
        name = name,
        size = size,
        copts = _COPTS + _grpc_copts(deps) + (copts or []) + PRECOMPILED_COPTS,
        features = _features(features),
        tags = tags,
        deps = (deps or []) + ["//tools/bazel/system:gtest_main"] + PRECOMPILED_DEPS,
        **kwargs
    )

def sallyport_cc_benchmark(name, srcs, deps = None, **kwargs):
    """A Google Benchmark; its test runs each case once, so it cannot rot."""
    cc_binary(
        name = name,
        testonly = True,
        srcs = srcs,
        copts = _COPTS + PRECOMPILED_COPTS + PROFILE_COPTS,
        features = _features(None),
        deps = (deps or []) + ["//tools/bazel/system:benchmark"] + PRECOMPILED_DEPS + PROFILE_DEPS,
        **kwargs
    )
    native.sh_test(
        name = name + "_once_test",
        size = "small",
        srcs = ["//tools/bazel:run_once.sh"],
        args = ["$(rootpath :%s)" % name, "--benchmark_min_time=0"],
        data = [":" + name],
        tags = ["unit"],
    )

# The suites of the root BUILD file. A test names one as a tag.
SUITES = ["unit", "lint", "fuzz_regression", "e2e", "interop", "load", "fault"]
