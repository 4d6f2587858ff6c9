#!/bin/sh
# Usage: core_deps.sh FILE...; each FILE lists a core's transitive dependencies.
# Fails when one of them is an io or rpc ring, generated code, gRPC, Protobuf,
# a logger, a metrics or a storage library (style.md 2.6, gate 3).
status=0
for list in "$@"; do
  [ -s "$list" ] || { echo "$list: no dependencies listed"; exit 1; }
  bad=$(grep -E \
    '(/io[:/]|/rpc[:/]|^//proto/|^//services/common/(net|tls|rpc|log|metrics|config|service|testing)[:/]|^//tools/bazel/system:(grpc|protobuf|spdlog|prometheus|soci_sqlite|civetweb|cares|yaml_cpp)$)' \
    "$list" | grep -vE '^//services/common/net:(socket_address|host_port)')
  if [ -n "$bad" ]; then
    echo "a core must not depend on:"
    echo "$bad" | sed 's/^/  /'
    status=1
  fi
done
exit $status
