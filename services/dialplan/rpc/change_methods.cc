#include "services/dialplan/rpc/change_methods.h"

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "google/protobuf/field_mask.pb.h"
#include "services/common/bytes/string_view.h"
#include "services/common/digit_analysis/plan_defaults.h"
#include "services/common/plan_snapshot/snapshot_proto.h"
#include "services/dialplan/core/plan_fault.h"
#include "services/dialplan/rpc/finding_methods.h"
#include "services/dialplan/rpc/resource_kind.h"
#include "services/dialplan/rpc/resource_merge.h"
#include "services/dialplan/rpc/write_request.h"

namespace sallyport::dialplan {
namespace {

namespace pb = ::sallyport::dialplan::v1;
using google::protobuf::FieldMask;
using Verb = PlanEdit::Verb;

// More than these are counted, not listed: they must fit an answer.
constexpr int kMaxListed = 1000;

// What a fault's field of one change begins with.
std::string PathOf(const pb::PlanChange& change, int i) {
  switch (change.change_case()) {
    case pb::PlanChange::kCreate:
      return absl::StrCat("changes[", i, "].create");
    case pb::PlanChange::kUpdate:
      return absl::StrCat("changes[", i, "].update");
    case pb::PlanChange::kDelete:
      return absl::StrCat("changes[", i, "].delete");
    case pb::PlanChange::CHANGE_NOT_SET:
      break;
  }
  return absl::StrCat("changes[", i, "]");
}

// A fault of the change at a place.
struct ChangeFault {
  int change;
  PlanFault fault;
};

// Reads one request's changes. Thread-compatible.
class Reader {
 public:
  explicit Reader(const pb::ApplyChangesRequest& request) : request_(request) {
    for (at_ = 0; at_ < request_.changes_size(); ++at_) {
      PlanEdit edit;
      if (!Read(request_.changes(at_), edit)) continue;
      edits.push_back(std::move(edit));
      places.push_back(at_);
    }
  }

  // Of the changes that have no fault by themselves.
  std::vector<PlanEdit> edits;
  std::vector<int> places;  // of each edit
  std::vector<ChangeFault> faults;

 private:
  // False, and a fault.
  bool Bad(const std::string& field, const std::string& reason,
           const std::string& what) {
    faults.push_back(
        {at_, {PathOf(request_.changes(at_), at_) + field, reason, what}});
    return false;
  }

  bool Read(const pb::PlanChange& change, PlanEdit& edit) {
    switch (change.change_case()) {
      case pb::PlanChange::kCreate:
        edit.verb = Verb::kCreate;
        return ReadResource(change.create(), FieldMask(), edit);
      case pb::PlanChange::kUpdate:
        edit.verb = Verb::kUpdate;
        edit.etag = EtagOf(change.update().resource());
        edit.allow_missing = change.update().allow_missing();
        return ReadResource(change.update().resource(),
                            change.update().update_mask(), edit);
      case pb::PlanChange::kDelete:
        edit.verb = Verb::kDelete;
        edit.name = change.delete_().name();
        edit.etag = change.delete_().etag();
        edit.allow_missing = change.delete_().allow_missing();
        return KindIn(request_.parent(), edit.name) != nullptr ||
               Bad(".name", "NAME_INVALID",
                   "must be the name of the parent, or of one that it has");
      case pb::PlanChange::CHANGE_NOT_SET:
        break;
    }
    return Bad("", "VALUE_REQUIRED", "create, update or delete is required");
  }

  bool ReadResource(const pb::Resource& written, const FieldMask& mask,
                    PlanEdit& edit) {
    const ResourceKind* const kind = FindKind(written);
    if (kind == nullptr) {
      return Bad("", "VALUE_REQUIRED", "holds no resource");
    }
    edit.name = NameOf(written);
    if (KindIn(request_.parent(), edit.name) != kind) {
      return Bad(absl::StrCat(".", AbslView(kind->singular), ".name"),
                 "NAME_INVALID",
                 absl::StrCat("must be ", kind->Prefix(request_.parent()), "{",
                              AbslView(kind->singular), "}"));
    }
    if (const absl::Status s = CheckMask(written, mask); !s.ok()) {
      for (const PlanFault& fault : FaultsOf(s)) {
        Bad("." + fault.field, fault.reason, fault.description);
      }
      return false;
    }
    edit.make = [written, mask, name = edit.name](const Plan& plan,
                                                  const PlanRecord* current) {
      return MergedRecord(written, name, mask, current,
                          plan.Get<TenantEntry>(TenantOf(name)));
    };
    return true;
  }

  const pb::ApplyChangesRequest& request_;
  int at_ = 0;
};

pb::AppliedChange::Outcome OutcomeOf(EditResult::Outcome outcome) {
  switch (outcome) {
    case EditResult::Outcome::kCreated:
      return pb::AppliedChange::OUTCOME_CREATED;
    case EditResult::Outcome::kUpdated:
      return pb::AppliedChange::OUTCOME_UPDATED;
    case EditResult::Outcome::kUnchanged:
      return pb::AppliedChange::OUTCOME_UNCHANGED;
    case EditResult::Outcome::kDeleted:
      return pb::AppliedChange::OUTCOME_DELETED;
  }
  return pb::AppliedChange::OUTCOME_UNSPECIFIED;
}

void FillViolations(const std::vector<ChangeFault>& faults,
                    pb::ApplyChangesResponse& response) {
  for (const ChangeFault& one : faults) {
    auto& violation = *response.add_violations();
    if (response.violations_size() > kMaxListed) {
      violation.set_field("changes");
      violation.set_description(
          absl::StrCat("has ", faults.size() - kMaxListed, " more faults"));
      return;
    }
    violation.set_field(one.fault.field);
    violation.set_description(
        absl::StrCat(one.fault.reason, ": ", one.fault.description));
  }
}

// `faults` are those found before the rules were asked. Who asked what would
// be gets them in the answer, all; who meant it to be done gets an error, which
// no caller takes for success.
absl::Status FillAnswer(const pb::ApplyChangesRequest& request,
                        const std::vector<int>& places,
                        std::vector<ChangeFault> faults,
                        const BatchAnswer& answer,
                        pb::ApplyChangesResponse& response) {
  for (const BatchFault& found : answer.faults) {
    const int place = places[found.edit];
    PlanFault fault = found.fault;
    fault.field = absl::StrCat(PathOf(request.changes(place), place),
                               fault.field.empty() ? "" : ".", fault.field);
    faults.push_back({place, std::move(fault)});
  }
  std::stable_sort(faults.begin(), faults.end(),
                   [](const ChangeFault& a, const ChangeFault& b) {
                     return a.change < b.change;
                   });
  if (!faults.empty() && !request.validate_only()) {
    PlanFaults out;
    for (ChangeFault& one : faults) out.push_back(std::move(one.fault));
    return ToStatus(out);
  }
  if (!faults.empty()) {
    FillViolations(faults, response);
    return absl::OkStatus();
  }
  for (const EditResult& result : answer.results) {
    pb::AppliedChange& one = *response.add_results();
    one.set_outcome(OutcomeOf(result.outcome));
    one.set_etag(result.etag);
  }
  response.set_version(answer.version);
  for (const NamedFault& finding : answer.findings) {
    if (response.findings_size() == kMaxListed) break;
    *response.add_findings() = FindingProto(finding);
  }
  return absl::OkStatus();
}

}  // namespace

void ChangeMethods::Apply(const CallerIdentity& caller,
                          const pb::ApplyChangesRequest& request,
                          pb::ApplyChangesResponse* response, Done done) {
  if (absl::Status s = CheckParent(request.parent()); !s.ok()) return done(s);
  if (absl::Status s = CheckRequestId(request); !s.ok()) return done(s);
  if (request.changes_size() == 0 || request.changes_size() > kMaxChanges) {
    return done(BadField("changes", "VALUE_OUT_OF_RANGE",
                         absl::StrCat("must be 1 to ", kMaxChanges)));
  }
  Reader reader(request);
  PlanBatch batch;
  batch.edits = std::move(reader.edits);
  batch.wants_results = true;
  WriteIdentity("apply", caller, request, key_).Fill(batch);
  // Only to find what else is wrong.
  if (!reader.faults.empty()) batch.validate_only = true;
  writer_.Submit(
      std::move(batch),
      [&request, response, places = std::move(reader.places),
       faults = std::move(reader.faults),
       done = std::move(done)](const absl::StatusOr<BatchAnswer>& answer) {
        done(answer.ok()
                 ? FillAnswer(request, places, faults, *answer, *response)
                 : answer.status());
      });
}

}  // namespace sallyport::dialplan
