#include "services/dialplan/rpc/change_evaluator.h"

#include <algorithm>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "google/protobuf/field_mask.pb.h"
#include "services/common/bytes/string_view.h"
#include "services/common/config/proto_time.h"
#include "services/common/digit_analysis/plan_defaults.h"
#include "services/common/digit_analysis/resolver.h"
#include "services/common/plan_snapshot/route_answer.h"
#include "services/common/plan_snapshot/snapshot_proto.h"
#include "services/common/status/error_reason.h"
#include "services/common/status/status_macros.h"
#include "services/dialplan/core/plan_fault.h"
#include "services/dialplan/core/record_map.h"
#include "services/dialplan/rpc/plan_resolver.h"
#include "services/dialplan/rpc/resource_kind.h"
#include "services/dialplan/rpc/resource_merge.h"
#include "services/dialplan/rpc/write_request.h"

namespace sallyport::dialplan {
namespace {

namespace pb = ::sallyport::dialplan::v1;
using google::protobuf::FieldMask;

// Does the change make the tenant that it is in?
bool MakesTenant(const pb::EvaluateChangeRequest& request) {
  for (const pb::ProposedChange& change : request.changes()) {
    if (change.has_upsert() && change.upsert().has_tenant() &&
        change.upsert().tenant().name() == request.parent()) {
      return true;
    }
  }
  return false;
}

// The answer without what says how it was found: two of them are the same
// decision if the rest is.
pb::ResolveRouteResponse DecisionOf(pb::ResolveRouteResponse answer) {
  answer.clear_version();
  answer.clear_lookups();
  answer.clear_explanation();
  return answer;
}

// A caller that does not exist is refused like any other.
pb::ResolveRouteResponse AnswerOrRefusal(
    const absl::StatusOr<pb::ResolveRouteResponse>& answer, int64_t version) {
  pb::ResolveRouteResponse out;
  if (answer.ok()) {
    out = *answer;
  } else {
    out.set_decision(pb::ROUTE_DECISION_UNAVAILABLE);
    out.set_reason(ReasonOf(answer.status()));
    out.set_explanation(std::string(answer.status().message()));
  }
  out.set_version(version);
  return out;
}

}  // namespace

ChangeEvaluator::ChangeEvaluator(const PlanBoard& board, PlanWriter& writer,
                                 const EdgeRecords* edges, Options options)
    : board_(board),
      writer_(writer),
      edges_(edges),
      options_(options),
      thread_(options.max_waiting) {}

void ChangeEvaluator::Evaluate(const pb::EvaluateChangeRequest& request,
                               pb::EvaluateChangeResponse& response,
                               Done done) {
  const std::string& tenant = request.parent();
  const bool is_there = board_.Find(tenant) != nullptr || MakesTenant(request);
  if (!is_there || TenantOf(tenant) != tenant) {
    return done(MakeError(absl::StatusCode::kNotFound, "RESOURCE_NOT_FOUND",
                          "parent: there is no such tenant"));
  }
  if (request.has_recorded_since_time() &&
      (edges_ == nullptr || edges_->empty())) {
    return done(MakeError(absl::StatusCode::kFailedPrecondition,
                          "EDGES_NOT_CONFIGURED",
                          "recorded_since_time: no edge is configured whose "
                          "records could be asked for"));
  }
  for (int i = 0; i < request.attempts_size(); ++i) {
    const std::string& parent = request.attempts(i).parent();
    if (!parent.empty() && parent != tenant) {
      return done(BadField(absl::StrCat("attempts[", i, "].parent"),
                           "TENANT_MISMATCH", "must be the request's parent"));
    }
  }
  PlanBatch batch;
  batch.validate_only = true;
  // Filled by the writer's thread, on which `made` is then handed on.
  const auto made = std::make_shared<Made>();
  made->reserve(static_cast<size_t>(request.changes_size()));
  for (int i = 0; i < request.changes_size(); ++i) {
    const pb::ProposedChange& change = request.changes(i);
    const std::string at = absl::StrCat("changes[", i, "]");
    PlanEdit edit;
    switch (change.change_case()) {
      case pb::ProposedChange::kUpsert: {
        const pb::Resource& written = change.upsert();
        const ResourceKind* const kind = FindKind(written);
        if (kind == nullptr) {
          return done(
              BadField(at + ".upsert", "VALUE_REQUIRED", "holds no resource"));
        }
        edit.verb = PlanEdit::Verb::kUpdate;
        edit.allow_missing = true;
        edit.name = NameOf(written);
        if (KindIn(tenant, edit.name) != kind) {
          return done(BadField(
              absl::StrCat(at, ".upsert.", AbslView(kind->singular), ".name"),
              "NAME_INVALID", "must be one of the request's parent"));
        }
        edit.etag = EtagOf(written);
        edit.make =
            [written, name = edit.name, made](
                const Plan& plan,
                const PlanRecord* current) -> absl::StatusOr<PlanRecord> {
          FieldMask all;
          all.add_paths(std::string("*"));
          SP_ASSIGN_OR_RETURN(
              PlanRecord record,
              MergedRecord(written, name, all, current,
                           plan.Get<TenantEntry>(TenantOf(name))));
          made->emplace_back(name, std::make_shared<const PlanRecord>(record));
          return record;
        };
        break;
      }
      case pb::ProposedChange::kDelete:
        edit.verb = PlanEdit::Verb::kDelete;
        edit.name = change.delete_();
        if (TenantOf(edit.name) != tenant) {
          return done(BadField(at + ".delete", "NAME_INVALID",
                               "must be one of the request's parent"));
        }
        break;
      case pb::ProposedChange::CHANGE_NOT_SET:
        return done(BadField(at, "VALUE_REQUIRED",
                             "upsert or delete is "
                             "required"));
    }
    batch.edits.push_back(std::move(edit));
  }
  writer_.Submit(
      std::move(batch),
      [this, &request, &response, made,
       done = std::move(done)](const absl::StatusOr<BatchAnswer>& answer) {
        if (!answer.ok()) return done(answer.status());
        for (const BatchFault& fault : answer->faults) {
          const auto i = static_cast<int>(fault.edit);
          auto& violation = *response.add_violations();
          violation.set_field(absl::StrCat(
              "changes[", i, "].",
              request.changes(i).has_upsert() ? "upsert" : "delete",
              fault.fault.field.empty() ? "" : ".", fault.fault.field));
          violation.set_description(
              absl::StrCat(fault.fault.reason, ": ", fault.fault.description));
        }
        // What is refused changes no decision.
        if (!answer->faults.empty()) return done(absl::OkStatus());
        for (const pb::ProposedChange& change : request.changes()) {
          if (!change.has_upsert())
            made->emplace_back(change.delete_(), nullptr);
        }
        Job job{&request, &response, std::move(*made)};
        thread_.Enqueue([this, job = std::move(job)] { return Compare(job); },
                        done);
      });
}

absl::Status ChangeEvaluator::Compare(const Job& job) const {
  const pb::EvaluateChangeRequest& request = *job.request;
  pb::EvaluateChangeResponse& response = *job.response;
  const std::string& tenant = request.parent();

  std::vector<pb::ResolveRouteRequest> attempts(request.attempts().begin(),
                                                request.attempts().end());
  for (pb::ResolveRouteRequest& attempt : attempts) attempt.set_parent(tenant);
  const size_t given = attempts.size();
  // Many calls ask the same.
  std::set<std::string> asked;
  if (request.has_recorded_since_time()) {
    for (EdgeAttempts& edge :
         edges_->Fetch(tenant, FromProto(request.recorded_since_time()),
                       options_.edge_patience)) {
      pb::AttemptSource& source = *response.add_sources();
      source.set_edge(edge.edge);
      source.set_attempts(static_cast<uint32_t>(edge.attempts.size()));
      if (edge.complete_since != absl::InfinitePast()) {
        *source.mutable_complete_since_time() = ToProto(edge.complete_since);
      }
      if (!edge.status.ok()) {
        const std::string reason = ReasonOf(edge.status);
        source.set_error(absl::StrCat(reason, reason.empty() ? "" : ": ",
                                      edge.status.message()));
        if (source.error().empty()) source.set_error("no answer");
      }
      for (pb::ResolveRouteRequest& attempt : edge.attempts) {
        if (asked.insert(attempt.SerializeAsString()).second) {
          attempts.push_back(std::move(attempt));
        }
      }
    }
  }

  const PlanBoard::View before = board_.view();
  response.set_version(before.head.version);
  // Whether the rules would take it was all that was asked.
  if (attempts.empty()) return absl::OkStatus();
  PlanBoard::View after = before;
  RecordMap::Edit edit(before.records);
  for (const auto& [name, record] : job.made) {
    if (record != nullptr) {
      edit.Put(record);
    } else {
      edit.Erase(name);
    }
  }
  after.records = std::move(edit).Done();
  SP_ASSIGN_OR_RETURN(const auto now, CompileTenant(before, tenant));
  SP_ASSIGN_OR_RETURN(const auto then, CompileTenant(after, tenant));

  size_t bytes = 0;
  for (size_t i = 0; i < attempts.size(); ++i) {
    const absl::StatusOr<pb::ResolveRouteResponse> first =
        AnswerRoute(attempts[i], *now);
    const absl::StatusOr<pb::ResolveRouteResponse> second =
        AnswerRoute(attempts[i], *then);
    if (i < given && !first.ok() && !second.ok()) {
      // It is a question to neither plan.
      return BadField(absl::StrCat("attempts[", i, "]"),
                      ReasonOf(first.status()),
                      std::string(first.status().message()));
    }
    response.set_attempts_evaluated(response.attempts_evaluated() + 1);
    pb::DecisionChange change;
    *change.mutable_before() = AnswerOrRefusal(first, before.head.version);
    *change.mutable_after() = AnswerOrRefusal(second, before.head.version);
    if (DecisionOf(change.before()).SerializeAsString() ==
        DecisionOf(change.after()).SerializeAsString()) {
      continue;
    }
    *change.mutable_attempt() = std::move(attempts[i]);
    bytes += change.ByteSizeLong() + 8;
    if (bytes > options_.max_answer_bytes) {
      response.set_decision_changes_left_out(
          response.decision_changes_left_out() + 1);
    } else {
      *response.add_decision_changes() = std::move(change);
    }
  }
  return absl::OkStatus();
}

}  // namespace sallyport::dialplan
