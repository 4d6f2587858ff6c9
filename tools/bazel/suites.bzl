"""The suites of one package, which the root BUILD file gathers."""

load("//tools/bazel:cc.bzl", "SUITES")

def sallyport_test_suites():
    """Declares a test_suite per suite tag that a test of this package bears.

    Call it last in a BUILD file: it looks at the rules declared so far.
    """
    found = {}
    for rule in native.existing_rules().values():
        if rule["kind"].endswith("_test"):
            for tag in rule.get("tags", []):
                if tag in SUITES:
                    found[tag] = True
    for suite in sorted(found):
        native.test_suite(
            name = suite,
            tags = [suite],
            visibility = ["//visibility:public"],
        )
