#!/usr/bin/env bash
# A service started from its image's root file system finds all its libraries:
# every library that the program needs resolves inside the folder.
set -euo pipefail
program=$1
folder=$TEST_TMPDIR/rootfs
docker/rootfs "$program" "$folder"

[ -x "$folder/sallyport/service" ] || { echo "no program"; exit 1; }
loader=$(find "$folder" -name 'ld-linux*' | head -n 1)
[ -n "$loader" ] || { echo "no loader in the image"; exit 1; }
paths=$(find "$folder" -name '*.so*' -printf '%h\n' | sort -u | paste -sd:)
listed=$("$loader" --inhibit-cache --library-path "$paths" --list "$folder/sallyport/service")
if echo "$listed" | grep -q 'not found'; then
  echo "$listed" | grep 'not found'
  exit 1
fi
# Everything but the kernel's own page comes from the folder.
outside=$(echo "$listed" | awk '$2 == "=>" {print $3}' | grep -v "^$folder" || true)
[ -z "$outside" ] || { echo "loaded from outside: $outside"; exit 1; }

[ "$(cat "$folder/sallyport/service.sha256")" = "$(sha256sum < "$program" | cut -d' ' -f1)" ] ||
  { echo "service.sha256 is not the program's"; exit 1; }

# The program itself runs there and refuses a missing configuration.
set +e
said=$("$loader" --inhibit-cache --library-path "$paths" "$folder/sallyport/service" \
  --config="$folder/etc/sallyport/absent.json" --check_config 2>&1)
code=$?
set -e
[ "$code" -ne 0 ] || { echo "a missing configuration was accepted"; exit 1; }
echo "$said" | grep -q 'absent.json' || { echo "unexpected answer: $said"; exit 1; }
[ ! -e "$folder/bin/sh" ] || { echo "there is a shell in the image"; exit 1; }
echo "ok: $(du -sm "$folder" | cut -f1) MB"
