#include "services/dialplan/rpc/finding_methods.h"

#include <algorithm>
#include <string>
#include <utility>

#include "absl/status/statusor.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "services/common/status/error_reason.h"
#include "services/common/status/status_macros.h"
#include "services/dialplan/core/plan.h"
#include "services/dialplan/core/plan_findings.h"
#include "services/dialplan/core/rule_effort.h"
#include "services/dialplan/rpc/write_request.h"

namespace sallyport::dialplan {
namespace {

namespace pb = ::sallyport::dialplan::v1;

constexpr size_t kMaxWaiting = 16;
constexpr int kDefaultPage = 50;
constexpr int kMaxPage = 1000;
// For all that a tenant has: a write is given less, as others wait for it.
constexpr size_t kStepsForTenant = 2000000000;

}  // namespace

pb::PlanFinding FindingProto(const NamedFault& finding) {
  pb::PlanFinding out;
  out.set_resource(finding.resource);
  out.set_field(finding.fault.field);
  out.set_reason(finding.fault.reason);
  out.set_description(finding.fault.description);
  return out;
}

FindingMethods::FindingMethods(const PlanBoard& board, const std::string& key)
    : board_(board), tokens_(key), thread_(kMaxWaiting) {}

void FindingMethods::List(const pb::ListPlanFindingsRequest& request,
                          pb::ListPlanFindingsResponse& response, Done done) {
  const std::string& tenant = request.parent();
  if (const absl::Status s = CheckParent(tenant); !s.ok()) return done(s);
  if (board_.Find(tenant) == nullptr) {
    return done(MakeError(absl::StatusCode::kNotFound, "RESOURCE_NOT_FOUND",
                          tenant + " does not exist"));
  }
  if (request.page_size() < 0 || request.page_size() > kMaxPage) {
    return done(
        BadField("page_size", "VALUE_OUT_OF_RANGE", "must be 0 to 1000"));
  }
  const std::string list = tenant + "/findings";
  const absl::StatusOr<std::string> token =
      tokens_.Read(list, request.page_token());
  if (!token.ok()) return done(token.status());
  size_t first = 0;
  if (!token->empty() && !absl::SimpleAtoi(*token, &first)) first = 0;
  const auto size = static_cast<size_t>(
      request.page_size() == 0 ? kDefaultPage : request.page_size());
  thread_.Enqueue(
      [this, &response, tenant, list, first, size] {
        LookAt(tenant);
        const auto& all = found_.findings;
        const size_t end = std::min(all.size(), first + size);
        for (size_t i = first; i < end; ++i) {
          *response.add_findings() = FindingProto(all[i]);
        }
        if (end < all.size()) {
          response.set_next_page_token(tokens_.Make(list, absl::StrCat(end)));
        }
        response.set_version(found_.version);
        return absl::OkStatus();
      },
      std::move(done));
}

void FindingMethods::LookAt(const std::string& tenant) {
  const PlanBoard::View view = board_.view();
  if (found_.tenant == tenant && found_.version == view.head.version) return;
  found_ = {tenant, view.head.version, {}};
  Plan plan;
  const std::string prefix = tenant + "/";
  if (const RecordPtr own = view.records.Find(tenant)) plan.Put(own);
  const auto first = view.records.LowerBound(prefix);
  const auto past = [&](const RecordMap::Iterator& it) {
    return it == view.records.end() ||
           (*it)->name().compare(0, prefix.size(), prefix) != 0;
  };
  for (auto it = first; !past(it); ++it) plan.Put(*it);
  RuleEffort effort;
  effort.left = kStepsForTenant;
  for (auto it = first; !past(it); ++it) {
    for (NamedFault& found : FindingsOf(plan, **it, effort)) {
      found_.findings.push_back(std::move(found));
    }
  }
}

}  // namespace sallyport::dialplan
