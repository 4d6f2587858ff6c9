"""Proto and gRPC code by the packaged protoc and grpc_cpp_plugin."""

load("@rules_cc//cc:defs.bzl", "cc_library")
load("//tools/bazel:precompiled.bzl", "PRECOMPILED_COPTS", "PRECOMPILED_DEPS")
load("//tools/bazel:profile.bzl", "PROFILE_COPTS", "PROFILE_DEPS")

ProtoFilesInfo = provider(
    "The .proto files of a target and of all that it imports.",
    fields = {
        "direct": "its own files",
        "transitive": "depset of its own and imported files",
    },
)

# Import paths and C++ include paths are relative to this folder.
_ROOT = "proto"

def _proto_files_impl(ctx):
    return [
        DefaultInfo(files = depset(ctx.files.srcs)),
        ProtoFilesInfo(
            direct = ctx.files.srcs,
            transitive = depset(
                ctx.files.srcs,
                transitive = [d[ProtoFilesInfo].transitive for d in ctx.attr.deps],
            ),
        ),
    ]

sallyport_proto_library = rule(
    implementation = _proto_files_impl,
    attrs = {
        "srcs": attr.label_list(allow_files = [".proto"], mandatory = True),
        "deps": attr.label_list(providers = [ProtoFilesInfo]),
    },
    doc = "A folder's .proto files; deps are the folders that they import.",
)

def _generate_impl(ctx):
    info = ctx.attr.proto[ProtoFilesInfo]
    root = ctx.bin_dir.path + "/" + _ROOT
    headers = []
    sources = []
    files = []
    for proto in info.direct:
        if ctx.attr.grpc and not proto.basename.endswith("_service.proto"):
            continue
        files.append(proto)
        stem = proto.basename[:-len(".proto")]
        infix = ".grpc.pb" if ctx.attr.grpc else ".pb"
        headers.append(ctx.actions.declare_file(stem + infix + ".h"))
        sources.append(ctx.actions.declare_file(stem + infix + ".cc"))
    args = ctx.actions.args()
    args.add("-I" + _ROOT)
    args.add("-I/usr/include")
    if ctx.attr.grpc:
        args.add("--plugin=protoc-gen-grpc=/usr/bin/grpc_cpp_plugin")
        args.add("--grpc_out=" + root)
    else:
        args.add("--cpp_out=" + root)
    args.add_all(files)
    ctx.actions.run(
        executable = "/usr/bin/protoc",
        arguments = [args],
        inputs = info.transitive,
        outputs = headers + sources,
        mnemonic = "Protoc",
        progress_message = "Generating %{label}",
    )
    return [
        DefaultInfo(files = depset(headers + sources)),
        OutputGroupInfo(hdrs = depset(headers), srcs = depset(sources)),
    ]

_generate = rule(
    implementation = _generate_impl,
    attrs = {
        "proto": attr.label(providers = [ProtoFilesInfo], mandatory = True),
        "grpc": attr.bool(),
    },
)

def _descriptor_set_impl(ctx):
    info = ctx.attr.proto[ProtoFilesInfo]
    out = ctx.actions.declare_file(ctx.label.name + ".bin")
    args = ctx.actions.args()
    args.add("-I" + _ROOT)
    args.add("-I/usr/include")
    args.add("--include_source_info")
    args.add("--include_imports")
    args.add("--descriptor_set_out=" + out.path)
    args.add_all(info.direct)
    ctx.actions.run(
        executable = "/usr/bin/protoc",
        arguments = [args],
        inputs = info.transitive,
        outputs = [out],
        mnemonic = "ProtocDescriptors",
    )
    return [DefaultInfo(
        files = depset([out]),
        runfiles = ctx.runfiles(files = [out]),
    )]

sallyport_proto_descriptor_set = rule(
    implementation = _descriptor_set_impl,
    attrs = {"proto": attr.label(providers = [ProtoFilesInfo], mandatory = True)},
    doc = "All descriptors of a proto target, comments included.",
)

def _cc(name, proto, grpc, deps, visibility):
    _generate(
        name = name + "_gen",
        grpc = grpc,
        proto = proto,
    )
    native.filegroup(
        name = name + "_hdrs",
        srcs = [":" + name + "_gen"],
        output_group = "hdrs",
    )
    native.filegroup(
        name = name + "_srcs",
        srcs = [":" + name + "_gen"],
        output_group = "srcs",
    )
    cc_library(
        name = name,
        srcs = [":" + name + "_srcs"],
        hdrs = [":" + name + "_hdrs"],
        copts = ["-w", "-fvisibility=hidden"] + PRECOMPILED_COPTS + PROFILE_COPTS,
        linkstatic = True,
        # A file with only a service holds nothing that code refers to, yet
        # reflection and AccessPolicy look its descriptor up.
        alwayslink = True,
        strip_include_prefix = "/" + _ROOT,
        visibility = visibility,
        deps = deps + PRECOMPILED_DEPS + PROFILE_DEPS,
    )

def sallyport_cc_proto_library(name, proto, deps = None, visibility = None):
    """C++ messages. deps: the cc_proto targets of imported folders."""
    _cc(
        name = name,
        deps = (deps or []) + ["//tools/bazel/system:protobuf"],
        grpc = False,
        proto = proto,
        visibility = visibility,
    )

def sallyport_cc_grpc_library(name, proto, deps = None, visibility = None):
    """C++ services of the *_service.proto files. deps: the messages."""
    _cc(
        name = name,
        deps = (deps or []) + ["//tools/bazel/system:grpc"],
        grpc = True,
        proto = proto,
        visibility = visibility,
    )
