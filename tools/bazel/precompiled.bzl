"""Headers that clang reads once for all of our files, not for each: of the time
that it takes for one, that is half. What is shipped is compiled without, so no
file may count on them: `includes` of tools/lint looks."""

load("@bazel_tools//tools/build_defs/cc:action_names.bzl", "CPP_COMPILE_ACTION_NAME")
load("@bazel_tools//tools/cpp:toolchain_utils.bzl", "find_cpp_toolchain")
load("@rules_cc//cc:defs.bzl", "cc_library")

def _precompiled_impl(ctx):
    toolchain = find_cpp_toolchain(ctx)
    features = cc_common.configure_features(
        ctx = ctx,
        cc_toolchain = toolchain,
        requested_features = ctx.features,
        unsupported_features = ctx.disabled_features,
    )
    out = ctx.actions.declare_file(ctx.label.name + ".pch")

    # As the files that take it are compiled, sanitizers included. The source is
    # next to nothing: clang keeps its place and looks for it there, and ours are
    # in another sandbox each time. Of the sandbox's own path it keeps nothing
    # either, so that the octets, and what is cached under them, are the same in
    # every checkout.
    variables = cc_common.create_compile_variables(
        cc_toolchain = toolchain,
        feature_configuration = features,
        source_file = "/usr/include/stdc-predef.h",
        output_file = "-",
        use_pic = True,
        user_compile_flags = ctx.fragments.cpp.copts + ctx.fragments.cpp.cxxopts + [
            "-fvisibility=hidden",
            # What they instantiate too, or each file does it again.
            "-fpch-instantiate-templates",
            "-x",
            "c++-header",
            "-Xclang",
            "-fno-pch-timestamp",
            "-working-directory=/",
        ] + [flag for header in ctx.attr.headers for flag in ("-include", header)],
    )
    compiler = cc_common.get_tool_for_action(
        feature_configuration = features,
        action_name = CPP_COMPILE_ACTION_NAME,
    )
    ctx.actions.run_shell(
        command = "out=$1; shift; \"$@\" > \"$out\"",
        arguments = [out.path, compiler] + cc_common.get_memory_inefficient_command_line(
            feature_configuration = features,
            action_name = CPP_COMPILE_ACTION_NAME,
            variables = variables,
        ),
        env = cc_common.get_environment_variables(
            feature_configuration = features,
            action_name = CPP_COMPILE_ACTION_NAME,
            variables = variables,
        ),
        inputs = toolchain.all_files,
        outputs = [out],
        mnemonic = "PrecompiledHeader",
        progress_message = "Compiling headers that all include",
    )
    return [DefaultInfo(files = depset([out]))]

_precompiled = rule(
    implementation = _precompiled_impl,
    attrs = {
        "headers": attr.string_list(mandatory = True),
        "_cc_toolchain": attr.label(default = "@bazel_tools//tools/cpp:current_cc_toolchain"),
    },
    fragments = ["cpp"],
    toolchains = ["@bazel_tools//tools/cpp:toolchain_type"],
)

def sallyport_precompiled_headers(name, headers):
    """`headers` of the compiler's own include path, once they are read, as an
    input of who depends on `<name>_library`."""
    _precompiled(
        name = name,
        headers = headers,
    )
    cc_library(
        name = name + "_library",
        textual_hdrs = [":" + name],
    )

# Copts and deps of all of ours, optimised builds apart: those are other code,
# for programs that are no shared objects.
PRECOMPILED_COPTS = select({
    "//tools/bazel:optimised": [],
    "//conditions:default": ["-include-pch", "$(BINDIR)/tools/bazel/precompiled.pch"],
})
PRECOMPILED_DEPS = select({
    "//tools/bazel:optimised": [],
    "//conditions:default": ["//tools/bazel:precompiled_library"],
})
