// A written resource put together with the stored one.

#ifndef SALLYPORT_SERVICES_DIALPLAN_RPC_RESOURCE_MERGE_H_
#define SALLYPORT_SERVICES_DIALPLAN_RPC_RESOURCE_MERGE_H_

#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "google/protobuf/field_mask.pb.h"
#include "sallyport/dialplan/v1/resource.pb.h"
#include "services/dialplan/core/plan.h"

namespace sallyport::dialplan {

// Whether the service alone sets the field.
bool IsOutputField(const std::string& path);

// Whether every path of `mask` is one of the resource's fields, or "*" alone.
// INVALID_ARGUMENT, reason UPDATE_MASK_INVALID, names those that are not.
absl::Status CheckMask(const ::sallyport::dialplan::v1::Resource& resource,
                       const google::protobuf::FieldMask& mask);

// The record of `written` under `name`, made new (`current` null) or from
// `current`, where `mask` says which fields change: empty means those that are
// set, "*" all. Output fields in the mask are passed over. Passwords become
// hashes here and go no further. `tenant`, which may be null, gives a new user
// its domain. Fields of wrong shape are told in the record's shape_faults.
absl::StatusOr<PlanRecord> MergedRecord(
    const ::sallyport::dialplan::v1::Resource& written, const std::string& name,
    const google::protobuf::FieldMask& mask, const PlanRecord* current,
    const TenantEntry* tenant);

}  // namespace sallyport::dialplan

#endif  // SALLYPORT_SERVICES_DIALPLAN_RPC_RESOURCE_MERGE_H_
