// In which order documents are applied, so that what is referred to is there.

#ifndef SALLYPORT_TOOLS_CLI_APPLY_ORDER_H_
#define SALLYPORT_TOOLS_CLI_APPLY_ORDER_H_

#include <memory>
#include <set>
#include <string>
#include <vector>

#include "google/protobuf/message.h"
#include "tools/cli/manifest.h"

namespace sallyport::cli {

// One write.
struct ApplyStep {
  const ManifestEntry* entry = nullptr;
  // The message to write. In a circle of references (a tenant's default dial
  // plan) the first write of an entry goes without those that are not there
  // yet, and a second one completes it.
  std::unique_ptr<google::protobuf::Message> message;
  bool completes = false;  // the second write of its entry
};

// Every entry at least once, what it refers to (or lives in) first. The order
// of entries counts only where references leave a choice. What is in `present`
// is there already, so that no first write need go without it. Pure.
std::vector<ApplyStep> OrderForApply(const std::vector<ManifestEntry>& entries,
                                     const std::set<std::string>& present);

// Every string in `message` that is in `names`, whatever its field.
std::set<std::string> ReferencesIn(const google::protobuf::Message& message,
                                   const std::set<std::string>& names);

}  // namespace sallyport::cli

#endif  // SALLYPORT_TOOLS_CLI_APPLY_ORDER_H_
