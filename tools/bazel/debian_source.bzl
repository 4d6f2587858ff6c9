"""A repository rule for one pinned Debian *source* package.

The archive's address comes from the machine's own APT configuration, which is
only read: `apt-get --print-uris update` names the mirrors and apt-helper, APT's
own downloader with its proxies and certificates, gets the one tarball and
checks its SHA-256. No package list, no sources entry and no APT cache is touched, so
root is not needed. A fetched tarball is kept in the user's cache, and is found
there by every later checkout.

SALLYPORT_DEBIAN_SOURCES may name a folder that already holds the tarballs, for
a machine that cannot reach an archive.
"""

_HELP = """
Could not get the Debian source package {package} {version} ({tarball}).

Looked in:
{looked}
What to do, any one of these:
  - on a machine that reaches a Debian archive, check /etc/apt/sources.list or
    /etc/apt/sources.list.d (a Debian 12 'main' entry is needed), run
    'apt-get update', and run the build again;
  - or copy {tarball}
    (SHA-256 {sha256}) into a folder and
    set SALLYPORT_DEBIAN_SOURCES to that folder.
"""

def _run(ctx, command):
    return ctx.execute(command, timeout = 1200, quiet = True)

def _sha256_matches(ctx, path, sha256):
    result = _run(ctx, ["sha256sum", str(path)])
    return result.return_code == 0 and result.stdout.startswith(sha256 + " ")

def _cache_folder(ctx):
    base = ctx.os.environ.get("XDG_CACHE_HOME")
    if not base:
        home = ctx.os.environ.get("HOME")
        if not home:
            return None
        base = home + "/.cache"
    return base + "/sallyport/debian-sources"

def _mirrors(ctx):
    """Every archive of the APT configuration, in its order.

    `apt-get update --print-uris` names what it would fetch, and fetches
    nothing; it needs neither root nor package lists.
    """
    result = _run(ctx, ["apt-get", "--print-uris", "update"])
    if result.return_code != 0:
        return []
    mirrors = []
    for line in result.stdout.splitlines():
        uri = line.strip().split(" ")[0].strip("'")
        if "/dists/" in uri:
            mirror = uri.split("/dists/")[0]
            if mirror not in mirrors:
                mirrors.append(mirror)
    return mirrors

def _pool_folder(package):
    initial = package[:4] if package.startswith("lib") else package[:1]
    return "pool/main/%s/%s" % (initial, package)

def _obtain(ctx, looked):
    """Returns the path of the verified tarball, or None."""
    tarball = ctx.attr.tarball
    given = ctx.os.environ.get("SALLYPORT_DEBIAN_SOURCES")
    cache = _cache_folder(ctx)
    for folder in [given, cache]:
        if not folder:
            continue
        path = folder + "/" + tarball
        looked.append("  - %s" % path)
        if ctx.path(path).exists and _sha256_matches(ctx, path, ctx.attr.sha256):
            return path

    fresh = str(ctx.path("download.partial"))
    mirrors = _mirrors(ctx)
    if not mirrors:
        looked.append("  - the APT configuration names no archive")
    for mirror in mirrors:
        ctx.report_progress("%s %s from the Debian archive" % (ctx.attr.package, ctx.attr.version))
        result = _run(ctx, [
            "/usr/lib/apt/apt-helper",
            "download-file",
            "%s/%s/%s" % (mirror, _pool_folder(ctx.attr.package), tarball),
            fresh,
            "SHA256:" + ctx.attr.sha256,
        ])
        if result.return_code == 0 and _sha256_matches(ctx, fresh, ctx.attr.sha256):
            if cache:
                # Renamed into place, so that a cut copy is never found there.
                keep = cache + "/" + tarball
                part = "%s.%s" % (keep, ctx.name)
                _run(ctx, ["mkdir", "-p", cache])
                if _run(ctx, ["cp", fresh, part]).return_code == 0:
                    _run(ctx, ["mv", "-f", part, keep])
            return fresh
        reason = (result.stderr.strip().splitlines() or ["no answer"])[-1]
        looked.append("  - an archive of the APT configuration: %s" % reason)
    return None

def _debian_source_impl(ctx):
    looked = []
    tarball = _obtain(ctx, looked)
    if not tarball:
        fail(_HELP.format(
            looked = "\n".join(looked) + "\n",
            package = ctx.attr.package,
            sha256 = ctx.attr.sha256,
            tarball = ctx.attr.tarball,
            version = ctx.attr.version,
        ))
    result = _run(ctx, [
        "tar",
        "--extract",
        "--no-same-owner",
        "--strip-components=1",
        "--file=" + tarball,
    ])
    if result.return_code != 0:
        fail("cannot unpack %s: %s" % (ctx.attr.tarball, result.stderr))
    ctx.delete("download.partial")

    # The package's own BUILD files would claim the source folders.
    _run(ctx, ["find", ".", "-name", "BUILD", "-type", "f", "-delete"])
    _run(ctx, ["find", ".", "-name", "BUILD.bazel", "-type", "f", "-delete"])
    _run(ctx, ["find", ".", "-name", "WORKSPACE", "-type", "f", "-delete"])
    ctx.file("WORKSPACE", "workspace(name = \"%s\")\n" % ctx.name)
    ctx.symlink(ctx.attr.build_file, "BUILD.bazel")

debian_source = repository_rule(
    implementation = _debian_source_impl,
    attrs = {
        "package": attr.string(mandatory = True),
        "version": attr.string(mandatory = True),
        "tarball": attr.string(mandatory = True),
        "sha256": attr.string(mandatory = True),
        "build_file": attr.label(mandatory = True, allow_single_file = True),
    },
    environ = ["SALLYPORT_DEBIAN_SOURCES", "XDG_CACHE_HOME", "HOME"],
    doc = "Gets a pinned Debian source package and applies our BUILD file.",
)
