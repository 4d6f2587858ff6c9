// The documents that `apply` reads: YAML to messages of the API.
//
//   kind: Peer
//   name: gw                      # or tenants/default/peers/gw
//   spec:
//     kind: IP_GATEWAY            # enum values with or without their prefix
//     fqdn: gw.demo.sallyport.test
//     dial_plan: gateway          # names of resources in full or in short
//
// `metadata: {name: gw, tenant: default}` says the same as `name`. A field of
// bytes is base64 or PEM text, or `<field>_file` names a file to take.

#ifndef SALLYPORT_TOOLS_CLI_MANIFEST_H_
#define SALLYPORT_TOOLS_CLI_MANIFEST_H_

#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "google/protobuf/message.h"
#include "services/common/status/error_reason.h"
#include "tools/cli/resource_kinds.h"

namespace sallyport::cli {

// One document.
struct ManifestEntry {
  const ResourceKind* kind = nullptr;
  std::string name;                                    // in full
  std::unique_ptr<google::protobuf::Message> message;  // of kind->message
  std::vector<std::string> fields;  // top-level fields that it sets, no name
  std::string file;                 // where it stands
  int line = 0;                     // where it begins, from 1
};

// Reads every document of `yaml`; empty ones are skipped. Short names become
// names in `tenant`. What a service alone sets (times, etag aside) is skipped,
// so that the output of `get -o yaml` can be read. Reads no file but those that
// a document names, relative to `file_name`.
//
// INVALID_ARGUMENT: MANIFEST_UNREADABLE where the text is no YAML or beyond a
// limit (YamlLimits), else MANIFEST_INVALID; with every fault, up to 100, as a
// field violation: "peer.yaml:12 spec.port".
absl::StatusOr<std::vector<ManifestEntry>> ParseManifest(
    const std::string& yaml, const std::string& tenant,
    const std::string& file_name);

// Adds a fault for each entry whose name another one has.
void AddRepeatedNames(const std::vector<ManifestEntry>& entries,
                      std::vector<FieldViolation>* faults);

// MANIFEST_INVALID with these faults; OK if there are none.
absl::Status ManifestFaults(std::vector<FieldViolation> faults);

}  // namespace sallyport::cli

#endif  // SALLYPORT_TOOLS_CLI_MANIFEST_H_
