"""BPF programs: compiled by clang, carried inside the binary that loads them."""

load("//tools/bazel:cc.bzl", "sallyport_cc_library")

def sallyport_bpf_library(name, src):
    """A cc_library of `<name>.h`: an inline function `<Name>Object()` in the
    namespace sallyport::bpf that gives the ELF file of `src`."""
    function = "".join([part.capitalize() for part in name.split("_")])

    # BTF (-g) describes the maps to libbpf; the arch directory has asm/types.h.
    native.genrule(
        name = name + "_object",
        srcs = [src],
        outs = [name + ".o"],
        cmd = "clang-14 -O2 -g -target bpf -mcpu=v3 -Wall -Werror " +
              "-idirafter /usr/include/$$(uname -m)-linux-gnu " +
              "-fdebug-compilation-dir=. -c $< -o $@",
        visibility = ["//visibility:private"],
    )
    native.genrule(
        name = name + "_header",
        srcs = [name + ".o"],
        outs = [name + ".h"],
        cmd = "$(location //tools/bazel:embed) $< %s > $@" % function,
        tools = ["//tools/bazel:embed"],
        visibility = ["//visibility:private"],
    )
    sallyport_cc_library(
        name = name,
        hdrs = [name + ".h"],
    )
