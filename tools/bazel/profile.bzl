"""What our programs do under load, for the compiler of what is shipped: which
way branches go and what calls what (tools/profiling). The labels are whole, as
BoringSSL and libsrtp2 are compiled by it too."""

_USED = "@sallyport//tools/bazel:profile_used"
_PROFILE = "tools/profiling/release.profdata"

# For --config=release alone: copts and deps of all that is compiled.
PROFILE_COPTS = select({
    _USED: [
        "-fprofile-use=" + _PROFILE,
        # Bazel forgets inputs that the compiler does not say it has read.
        "-Xclang",
        "-fdepfile-entry=" + _PROFILE,
        # What has changed since, or was never run, is compiled without.
        "-Wno-profile-instr-out-of-date",
        "-Wno-profile-instr-unprofiled",
        "-Wno-backend-plugin",
    ],
    "//conditions:default": [],
})
PROFILE_DEPS = select({
    _USED: ["@sallyport//tools/profiling:profile"],
    "//conditions:default": [],
})
