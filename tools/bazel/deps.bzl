"""Everything the build takes from outside: Debian's packages, and nothing else."""

load("//tools/bazel:debian_source.bzl", "debian_source")

def sallyport_dependencies():
    """Declares every external repository."""
    native.local_repository(
        name = "rules_cc",
        path = "tools/bazel/rules_cc",
    )
    native.local_repository(
        name = "remote_coverage_tools",
        path = "tools/bazel/remote_coverage_tools",
    )

    # Debian packages bazel-rules-java, bazel-rules-proto, bazel-platforms and
    # bazel-skylib.
    native.local_repository(
        name = "rules_java",
        path = "/usr/share/bazel/rules/java",
    )
    native.local_repository(
        name = "rules_proto",
        path = "/usr/share/bazel/rules/proto",
    )
    native.local_repository(
        name = "platforms",
        path = "/usr/share/bazel/tools/platforms",
    )
    native.local_repository(
        name = "bazel_skylib",
        path = "/usr/share/bazel/tools/skylib",
    )

    debian_source(
        name = "boringssl",
        package = "android-platform-external-boringssl",
        version = "13.0.0+r24-2",
        tarball = "android-platform-external-boringssl_13.0.0+r24.orig.tar.xz",
        sha256 = "583b7aeee1fca68b8244d086cea6fca23bd19d517bd63f0b9de714e048f92a7d",
        build_file = "//tools/bazel/third_party:boringssl.BUILD",
    )
    debian_source(
        name = "libsrtp2",
        package = "libsrtp2",
        version = "2.5.0-3",
        tarball = "libsrtp2_2.5.0.orig.tar.gz",
        sha256 = "8a43ef8e9ae2b665292591af62aa1a4ae41e468b6d98d8258f91478735da4e09",
        build_file = "//tools/bazel/third_party:libsrtp2.BUILD",
    )
