// Resources of the API to records of the plan and back.

#ifndef SALLYPORT_SERVICES_DIALPLAN_RPC_RESOURCE_CODEC_H_
#define SALLYPORT_SERVICES_DIALPLAN_RPC_RESOURCE_CODEC_H_

#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "sallyport/dialplan/v1/resource.pb.h"
#include "services/dialplan/core/plan.h"
#include "services/dialplan/core/plan_editor.h"
#include "services/dialplan/io/plan_store.h"

namespace sallyport::dialplan {

// H(username:realm:password), lower-case hex.
struct Ha1Hashes {
  std::string md5;
  std::string sha256;
};

// All references that a resource makes: those that are set, with their paths.
std::vector<Reference> ReferencesOf(
    const ::sallyport::dialplan::v1::Resource& resource);

// "peers": what a field of this name holds the names of; empty if of nothing.
std::string_view ReferredCollection(std::string_view field);

// The record of a resource of a kind that this service has. Its etag, times
// and secrets are left out of the body. Etag and times of the record are
// unset.
PlanRecord RecordOf(::sallyport::dialplan::v1::Resource resource,
                    const Ha1Hashes& hashes);

// The record of what a store holds. DATA_LOSS, reason STORE_CORRUPT, if it is
// none of ours.
absl::StatusOr<RecordPtr> RecordOf(const StoredResource& stored);

// The resource as the API shows it: with etag and times, without secrets.
::sallyport::dialplan::v1::Resource ResourceOf(const PlanRecord& record);
// The same of the answer to a write, which must not be that of a delete.
::sallyport::dialplan::v1::Resource ResourceOf(const EditAnswer& answer);

// For the stream to signaling_edge: with the hash of the user's algorithm.
::sallyport::dialplan::v1::Resource ResourceWithSecrets(
    const PlanRecord& record);

}  // namespace sallyport::dialplan

#endif  // SALLYPORT_SERVICES_DIALPLAN_RPC_RESOURCE_CODEC_H_
