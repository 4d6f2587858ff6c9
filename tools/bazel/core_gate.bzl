"""The dependency gate of a core: what it may reach, checked by the build."""


def sallyport_core_gate(name = "core_deps"):
    """Fails `<name>_test` if a library of this package reaches io, rpc or gRPC.

    Call it last in the BUILD file of every core (style.md 2.6, gate 3).
    """
    libraries = [
        ":" + rule["name"]
        for rule in native.existing_rules().values()
        if rule["kind"] == "cc_library" and not rule.get("testonly")
    ]
    native.genquery(
        name = name,
        expression = "deps(set(%s))" % " ".join(
            ["//%s%s" % (native.package_name(), library) for library in libraries],
        ),
        scope = libraries,
        testonly = True,
    )
    native.sh_test(
        name = name + "_test",
        size = "small",
        srcs = ["//tools/lint:core_deps.sh"],
        args = ["$(rootpath :%s)" % name],
        data = [":" + name],
        tags = ["lint"],
    )
